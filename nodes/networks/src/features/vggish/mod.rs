//! VGGish (Hershey et al. 2017, arXiv 1609.09430), with torchvggish's names and arithmetic.
//!
//! It takes log-mel examples of 96 frames (the spectrogram node's `KIND: vggish`). `embedding` is what its authors publish
//! features of, behind the last ReLU; `embedding_linear` the same before it.

use std::sync::Arc;

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use super::layer::Layer;
use super::map::Map;
use super::names;
use super::sizes::{Family, FeatureEncoder, FeatureInput, FeatureSizes, Preset, read};
use super::stack::{self, Stack, StackSizes};
use super::taken::Taken;
use super::vgg::relu_of;
use crate::encoders::InputShape;
use crate::error::Result;
use crate::kernels::dense::DenseLayer;
use crate::weights::{Stored, TensorSpec, Tensors};

/// Frames of an example, and its mel bands.
const EXAMPLE: [usize; 2] = [96, 64];

/// Sizes of a VGGish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VggishConfig {
    /// Convolutions of each stage.
    pub convs: Vec<usize>,
    /// Channels of each stage.
    pub channels: Vec<usize>,
    /// Width of the hidden layers.
    pub hidden: usize,
    /// Width of the embedding.
    pub embedding: usize,
}

impl VggishConfig {
    fn stack(&self) -> StackSizes<'_> {
        StackSizes { convs: &self.convs, channels: &self.channels, inputs: 1 }
    }

    fn dense(&self) -> [(&'static str, usize, usize); 3] {
        let places: usize = EXAMPLE.iter().map(|side| side >> self.channels.len()).product();
        let flat = self.channels.last().copied().unwrap_or(1) * places;
        [
            ("embeddings.0", flat, self.hidden),
            ("embeddings.2", self.hidden, self.hidden),
            ("embeddings.4", self.hidden, self.embedding),
        ]
    }
}

impl FeatureSizes for VggishConfig {
    fn input(&self) -> FeatureInput {
        let [height, width] = EXAMPLE;
        FeatureInput::Images(InputShape { channels: 1, height, width })
    }

    fn layers(&self) -> Vec<Layer> {
        let mut layers = stack::layers(EXAMPLE, &self.channels);
        layers.extend(["hidden.1", "hidden.2"].map(|name| Layer::vector(name, self.hidden)));
        layers.extend(["embedding_linear", "embedding"].map(|name| Layer::vector(name, self.embedding)));
        layers
    }

    fn tensors(&self) -> Vec<TensorSpec> {
        let mut all = self.stack().tensors();
        all.extend(self.dense().iter().flat_map(|(name, inputs, outputs)| names::linear(name, *inputs, *outputs)));
        all
    }

    fn stored(&self, name: &str, _all: &[&str]) -> Stored {
        // The principal components of the released 8-bit features, which some files hold too.
        if name.contains("pca_") { Stored::Ignore } else { Stored::Keep(name.to_string()) }
    }

    fn build(&self, name: &str, mut weights: Tensors) -> Result<Arc<dyn FeatureEncoder>> {
        let stack = Stack::new(&self.stack(), &mut weights)?;
        let mut dense = |name: &str| {
            let (weight, bias) = weights.take_pair(name)?;
            Ok::<_, crate::Error>(DenseLayer::new(&weight, Some(&bias))?)
        };
        let [first, second, last] = self.dense().map(|(name, ..)| dense(name));
        let hidden = [first?, second?];
        Ok(Arc::new(Vggish { name: name.to_string(), config: self.clone(), stack, hidden, last: last? }))
    }
}

/// A VGGish with its weights.
struct Vggish {
    name: String,
    config: VggishConfig,
    stack: Stack,
    hidden: [DenseLayer; 2],
    last: DenseLayer,
}

impl FeatureEncoder for Vggish {
    fn features(&self, examples: &Tensor, layers: &[&str]) -> Result<Vec<Tensor>> {
        let mut taken = Taken::new(layers);
        let [height, width] = EXAMPLE;
        let Some(map) = self.stack.run(Map::of_images(&self.name, examples, [1, height, width])?, &mut taken)? else {
            return taken.finish();
        };
        // Flattened as it lies: rows, columns, channels, TensorFlow's order.
        let mut hidden = map.values;
        for (layer, name) in self.hidden.iter().zip(["hidden.1", "hidden.2"]) {
            hidden = relu_of(layer, &hidden);
            taken.rows(name, &hidden, self.config.hidden)?;
        }
        let mut embedding = self.last.view().forward(&hidden);
        taken.rows("embedding_linear", &embedding, self.config.embedding)?;
        embedding.iter_mut().for_each(|x| *x = x.max(0.0));
        taken.rows("embedding", &embedding, self.config.embedding)?;
        taken.finish()
    }
}

/// Its entry.
pub(super) const FAMILY: Family = Family {
    word: "vggish",
    presets: || {
        let sizes =
            VggishConfig { convs: vec![1, 1, 2, 2], channels: vec![64, 128, 256, 512], hidden: 4096, embedding: 128 };
        vec![Preset { name: "vggish", aliases: &[], sizes: Arc::new(sizes) }]
    },
    read: read::<VggishConfig>,
};
