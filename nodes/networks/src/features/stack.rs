//! Stages of 3x3 convolutions with ReLU, each ended by a pooling that halves the map: VGG and VGGish.

use super::convolution::{Convolution, Finish};
use super::map::Map;
use super::names;
use super::taken::Taken;
use crate::error::Result;
use crate::weights::{TensorSpec, Tensors};

/// Convolutions of each stage, and its channels.
pub(super) struct StackSizes<'a> {
    pub(super) convs: &'a [usize],
    pub(super) channels: &'a [usize],
    pub(super) inputs: usize,
}

impl StackSizes<'_> {
    /// Of each stage, place among all layers, inputs and outputs of each convolution.
    fn convolutions(&self) -> Vec<Vec<(usize, usize, usize)>> {
        let (mut place, mut inputs) = (0, self.inputs);
        let stage = |(count, channels): (&usize, &usize)| {
            let convolutions = (0..*count).map(|_| {
                let found = (place, inputs, *channels);
                (place, inputs) = (place + 2, *channels);
                found
            });
            let stage: Vec<_> = convolutions.collect();
            place += 1;
            stage
        };
        self.convs.iter().zip(self.channels).map(stage).collect()
    }

    pub(super) fn tensors(&self) -> Vec<TensorSpec> {
        let convolutions = self.convolutions().into_iter().flatten();
        let specs = convolutions.flat_map(|(place, inputs, outputs)| {
            let name = format!("features.{place}");
            [names::convolution(&name, inputs, outputs, 3), names::bias(&name, outputs)]
        });
        specs.collect()
    }
}

/// The stages with their weights.
#[derive(Debug)]
pub(super) struct Stack(Vec<Vec<Convolution>>);

impl Stack {
    pub(super) fn new(sizes: &StackSizes<'_>, weights: &mut Tensors) -> Result<Self> {
        let mut convolution = |place: usize| {
            let (weight, bias) = weights.take_pair(&format!("features.{place}"))?;
            Convolution::new(&weight, bias.to_vec1()?, 1, 1)
        };
        let stage = |places: Vec<(usize, usize, usize)>| -> Result<Vec<Convolution>> {
            places.into_iter().map(|(place, ..)| convolution(place)).collect()
        };
        Ok(Self(sizes.convolutions().into_iter().map(stage).collect::<Result<_>>()?))
    }

    /// All stages, `stage.1` and so on as they come; none once all that is wanted has come.
    pub(super) fn run(&self, images: Map, taken: &mut Taken<'_>) -> Result<Option<Map>> {
        let mut map = images;
        for (stage, convolutions) in self.0.iter().enumerate() {
            for convolution in convolutions {
                map = convolution.apply(&map, None, Finish::Relu);
            }
            map = map.max_pool(2, 2, 0);
            taken.map(&format!("stage.{}", stage + 1), &map)?;
            if taken.is_complete() {
                return Ok(None);
            }
        }
        Ok(Some(map))
    }
}

/// Layers of the stages of maps that begin with sides `size`.
pub(super) fn layers(size: [usize; 2], channels: &[usize]) -> Vec<super::layer::Layer> {
    let stage = |(stage, channels): (usize, &usize)| {
        let size = size.map(|side| side >> (stage + 1));
        super::layer::Layer::map(format!("stage.{}", stage + 1), size, *channels)
    };
    channels.iter().enumerate().map(stage).collect()
}
