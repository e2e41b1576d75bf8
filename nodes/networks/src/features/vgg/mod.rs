//! VGG (Simonyan and Zisserman 2015, arXiv 1409.1556), with torchvision's names and arithmetic.
//!
//! `stage.I` are the maps behind each pooling (the last is pool5), `pooled` the mean over pool5's places, `fc6` and `fc7` the
//! hidden layers behind their ReLU, `logits` the classifier's. torchvision's weights are another training than Oxford's.

use std::sync::Arc;

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use super::layer::Layer;
use super::map::Map;
use super::names;
use super::sizes::{Family, FeatureEncoder, FeatureInput, FeatureSizes, Preset, read};
use super::stack::{self, Stack, StackSizes};
use super::taken::Taken;
use crate::encoders::InputShape;
use crate::error::Result;
use crate::kernels::dense::DenseLayer;
use crate::weights::{Stored, TensorSpec, Tensors};

/// Sizes of a VGG.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VggConfig {
    /// Convolutions of each stage.
    pub convs: Vec<usize>,
    /// Channels of each stage.
    pub channels: Vec<usize>,
    /// Width of fc6 and fc7.
    pub hidden: usize,
    /// Classes of the classifier.
    pub classes: usize,
    /// Pixels of an image's side.
    pub image_size: usize,
}

impl VggConfig {
    fn stack(&self) -> StackSizes<'_> {
        StackSizes { convs: &self.convs, channels: &self.channels, inputs: 3 }
    }

    fn last(&self) -> usize {
        self.channels.last().copied().unwrap_or(3)
    }

    /// Numbers of the last map.
    fn flat(&self) -> usize {
        self.last() * (self.image_size >> self.channels.len()).pow(2)
    }

    fn dense(&self) -> [(&'static str, usize, usize); 3] {
        [
            ("classifier.0", self.flat(), self.hidden),
            ("classifier.3", self.hidden, self.hidden),
            ("classifier.6", self.hidden, self.classes),
        ]
    }
}

impl FeatureSizes for VggConfig {
    fn input(&self) -> FeatureInput {
        FeatureInput::Images(InputShape::picture(self.image_size))
    }

    fn layers(&self) -> Vec<Layer> {
        let mut layers = stack::layers([self.image_size; 2], &self.channels);
        layers.push(Layer::vector("pooled", self.last()));
        layers.extend(["fc6", "fc7"].map(|name| Layer::vector(name, self.hidden)));
        layers.push(Layer::vector("logits", self.classes));
        layers
    }

    fn tensors(&self) -> Vec<TensorSpec> {
        let mut all = self.stack().tensors();
        all.extend(self.dense().iter().flat_map(|(name, inputs, outputs)| names::linear(name, *inputs, *outputs)));
        all
    }

    /// timm keeps fc6 and fc7 as convolutions over the whole map; Oxford's file by jcjohnson numbers them otherwise.
    fn stored(&self, name: &str, all: &[&str]) -> Stored {
        let oxford = all.contains(&"classifier.1.weight");
        let (layer, part) = name.rsplit_once('.').unwrap_or((name, ""));
        let layer = match layer {
            "pre_logits.fc1" => "classifier.0",
            "pre_logits.fc2" => "classifier.3",
            "head.fc" => "classifier.6",
            "classifier.1" if oxford => "classifier.0",
            "classifier.4" if oxford => "classifier.3",
            other => other,
        };
        let kept = format!("{layer}.{part}");
        let shape = self.dense().into_iter().find(|(dense, ..)| *dense == layer && part == "weight");
        match shape {
            Some((_, inputs, outputs)) => Stored::Reshape(kept, vec![outputs, inputs]),
            None => Stored::Keep(kept),
        }
    }

    fn build(&self, name: &str, mut weights: Tensors) -> Result<Arc<dyn FeatureEncoder>> {
        let stack = Stack::new(&self.stack(), &mut weights)?;
        let mut dense = |name: &str| {
            let (weight, bias) = weights.take_pair(name)?;
            Ok::<_, crate::Error>(DenseLayer::new(&weight, Some(&bias))?)
        };
        let [fc6, fc7, logits] = self.dense().map(|(name, ..)| dense(name));
        Ok(Arc::new(Vgg { name: name.to_string(), config: self.clone(), stack, fc6: fc6?, fc7: fc7?, logits: logits? }))
    }
}

/// A VGG with its weights.
struct Vgg {
    name: String,
    config: VggConfig,
    stack: Stack,
    fc6: DenseLayer,
    fc7: DenseLayer,
    logits: DenseLayer,
}

impl FeatureEncoder for Vgg {
    fn features(&self, images: &Tensor, layers: &[&str]) -> Result<Vec<Tensor>> {
        let mut taken = Taken::new(layers);
        let size = InputShape::picture(self.config.image_size).dims();
        let Some(map) = self.stack.run(Map::of_images(&self.name, images, size)?, &mut taken)? else {
            return taken.finish();
        };
        taken.mean("pooled", &map)?;
        if taken.is_complete() {
            return taken.finish();
        }
        let hidden = relu_of(&self.fc6, &channels_first(&map));
        taken.rows("fc6", &hidden, self.config.hidden)?;
        let hidden = relu_of(&self.fc7, &hidden);
        taken.rows("fc7", &hidden, self.config.hidden)?;
        taken.rows("logits", &self.logits.view().forward(&hidden), self.config.classes)?;
        taken.finish()
    }
}

/// max(layer(x), 0).
pub(super) fn relu_of(layer: &DenseLayer, x: &[f32]) -> Vec<f32> {
    layer.view().forward_then::<u16>(x, false, |y, _| y.iter_mut().for_each(|y| *y = y.max(0.0))).0
}

/// A batch of maps flattened as [channels, rows, columns].
fn channels_first(map: &Map) -> Vec<f32> {
    let (places, channels) = (map.places(), map.channels);
    let mut flat = vec![0.0; map.values.len()];
    for (to, from) in flat.chunks_exact_mut(places * channels).zip(map.values.chunks_exact(places * channels)) {
        for (place, from) in from.chunks_exact(channels).enumerate() {
            for (channel, x) in from.iter().enumerate() {
                to[channel * places + place] = *x;
            }
        }
    }
    flat
}

/// Its entry.
pub(super) const FAMILY: Family = Family {
    word: "vgg",
    presets: || {
        let sizes = VggConfig {
            convs: vec![2, 2, 4, 4, 4],
            channels: vec![64, 128, 256, 512, 512],
            hidden: 4096,
            classes: 1000,
            image_size: 224,
        };
        vec![Preset { name: "vgg-19", aliases: &["vgg19"], sizes: Arc::new(sizes) }]
    },
    read: read::<VggConfig>,
};
