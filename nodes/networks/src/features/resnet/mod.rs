//! ResNet (He et al. 2016, arXiv 1512.03385), with torchvision's names and arithmetic; a bottleneck strides in its 3x3.
//!
//! `stem` and `stem_pool` are the maps before and behind the first pooling, `stage.I` those of `layer1` to `layer4`, `pooled`
//! the mean over the last one's places, `logits` the classifier's. With `last_stride` 1 the last stage keeps the places of
//! the one before: MUSIC-AVQA's 14 x 14 maps, with the same weights.

use std::sync::Arc;

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use super::convolution::{Convolution, Finish};
use super::layer::Layer;
use super::map::Map;
use super::names;
use super::sizes::{Family, FeatureEncoder, FeatureInput, FeatureSizes, Preset, read};
use super::taken::Taken;
use crate::encoders::InputShape;
use crate::error::Result;
use crate::kernels::dense::DenseLayer;
use crate::weights::{Stored, TensorSpec, Tensors};

/// What a block is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BlockKind {
    /// Two 3x3.
    Basic,
    /// 1x1, 3x3, and 1x1 to four times the channels.
    Bottleneck,
}

/// Sizes of a ResNet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResNetConfig {
    /// What a block is made of.
    pub block: BlockKind,
    /// Blocks of each stage.
    pub layers: Vec<usize>,
    /// Channels of the first stage's middle.
    pub width: usize,
    /// Classes of the classifier.
    pub classes: usize,
    /// Pixels of an image's side.
    pub image_size: usize,
    /// Stride of the last stage.
    #[serde(default = "default_last_stride")]
    pub last_stride: usize,
}

fn default_last_stride() -> usize {
    2
}

/// A convolution of a block: side, stride, inputs, outputs.
type Conv = (usize, usize, usize, usize);

/// A block before it has weights.
struct BlockSizes {
    name: String,
    convs: Vec<Conv>,
    /// Stride, inputs and outputs of the convolution beside it, where its outputs are of another size than its inputs.
    downsample: Option<(usize, usize, usize)>,
}

impl ResNetConfig {
    /// Of each stage, its blocks.
    fn stages(&self) -> Vec<Vec<BlockSizes>> {
        let grow = if self.block == BlockKind::Bottleneck { 4 } else { 1 };
        let mut inputs = self.width;
        let mut block = |stage: usize, index: usize| {
            let middle = self.width << stage;
            let outputs = middle * grow;
            let stride = match (stage, index) {
                (0, _) | (_, 1..) => 1,
                _ if stage + 1 == self.layers.len() => self.last_stride,
                _ => 2,
            };
            let convs = match self.block {
                BlockKind::Basic => vec![(3, stride, inputs, outputs), (3, 1, outputs, outputs)],
                BlockKind::Bottleneck => {
                    vec![(1, 1, inputs, middle), (3, stride, middle, middle), (1, 1, middle, outputs)]
                }
            };
            // The first block of a later stage has one even where its stride was taken away.
            let changes = inputs != outputs || (stage > 0 && index == 0);
            let downsample = changes.then_some((stride, inputs, outputs));
            inputs = outputs;
            BlockSizes { name: format!("layer{}.{index}", stage + 1), convs, downsample }
        };
        let stages = self.layers.iter().enumerate();
        stages.map(|(stage, count)| (0..*count).map(|index| block(stage, index)).collect()).collect()
    }

    /// Channels of a stage.
    fn channels(&self, stage: usize) -> usize {
        (self.width << stage) * if self.block == BlockKind::Bottleneck { 4 } else { 1 }
    }

    fn last(&self) -> usize {
        self.channels(self.layers.len().saturating_sub(1))
    }
}

impl FeatureSizes for ResNetConfig {
    fn input(&self) -> FeatureInput {
        FeatureInput::Images(InputShape::picture(self.image_size))
    }

    fn layers(&self) -> Vec<Layer> {
        let stem = self.image_size.div_ceil(2);
        let mut side = stem.div_ceil(2);
        let mut layers =
            vec![Layer::map("stem", [stem; 2], self.width), Layer::map("stem_pool", [side; 2], self.width)];
        for stage in 0..self.layers.len() {
            side = match stage {
                0 => side,
                _ if stage + 1 == self.layers.len() => side.div_ceil(self.last_stride),
                _ => side.div_ceil(2),
            };
            layers.push(Layer::map(format!("stage.{}", stage + 1), [side; 2], self.channels(stage)));
        }
        layers.push(Layer::vector("pooled", self.last()));
        layers.push(Layer::vector("logits", self.classes));
        layers
    }

    fn tensors(&self) -> Vec<TensorSpec> {
        let mut all = vec![names::convolution("conv1", 3, self.width, 7)];
        all.extend(names::batch_norm("bn1", self.width));
        for BlockSizes { name, convs, downsample } in self.stages().into_iter().flatten() {
            for (index, (size, _, inputs, outputs)) in convs.into_iter().enumerate() {
                all.push(names::convolution(&format!("{name}.conv{}", index + 1), inputs, outputs, size));
                all.extend(names::batch_norm(&format!("{name}.bn{}", index + 1), outputs));
            }
            if let Some((_, inputs, outputs)) = downsample {
                all.push(names::convolution(&format!("{name}.downsample.0"), inputs, outputs, 1));
                all.extend(names::batch_norm(&format!("{name}.downsample.1"), outputs));
            }
        }
        all.extend(names::linear("fc", self.last(), self.classes));
        all
    }

    fn stored(&self, name: &str, _all: &[&str]) -> Stored {
        // How many batches the statistics were taken of: newer files count them.
        if name.ends_with("num_batches_tracked") { Stored::Ignore } else { Stored::Keep(name.to_string()) }
    }

    fn build(&self, name: &str, mut weights: Tensors) -> Result<Arc<dyn FeatureEncoder>> {
        let weights = &mut weights;
        let mut block = |sizes: BlockSizes| -> Result<Block> {
            let BlockSizes { name, convs, downsample } = sizes;
            let conv = |(index, (_, stride, ..)): (usize, Conv)| {
                let number = index + 1;
                Convolution::folded(weights, &format!("{name}.conv{number}"), &format!("{name}.bn{number}"), stride)
            };
            let convs = convs.into_iter().enumerate().map(conv).collect::<Result<_>>()?;
            let beside = downsample.map(|(stride, ..)| {
                Convolution::folded(weights, &format!("{name}.downsample.0"), &format!("{name}.downsample.1"), stride)
            });
            Ok(Block { convs, beside: beside.transpose()? })
        };
        let stages = self.stages().into_iter().map(|blocks| blocks.into_iter().map(&mut block).collect());
        let stages = stages.collect::<Result<_>>()?;
        let stem = Convolution::folded(weights, "conv1", "bn1", 2)?;
        let (weight, bias) = weights.take_pair("fc")?;
        let logits = DenseLayer::new(&weight, Some(&bias))?;
        Ok(Arc::new(ResNet { name: name.to_string(), config: self.clone(), stem, stages, logits }))
    }
}

/// A block with its weights.
struct Block {
    convs: Vec<Convolution>,
    beside: Option<Convolution>,
}

impl Block {
    fn run(&self, x: &Map) -> Map {
        let beside = self.beside.as_ref().map(|beside| beside.apply(x, None, Finish::Nothing));
        let residual = beside.as_ref().unwrap_or(x);
        let mut y: Option<Map> = None;
        for (index, conv) in self.convs.iter().enumerate() {
            let residual = (index + 1 == self.convs.len()).then_some(residual);
            y = Some(conv.apply(y.as_ref().unwrap_or(x), residual, Finish::Relu));
        }
        y.unwrap_or_else(|| x.clone())
    }
}

/// A ResNet with its weights.
struct ResNet {
    name: String,
    config: ResNetConfig,
    stem: Convolution,
    stages: Vec<Vec<Block>>,
    logits: DenseLayer,
}

impl FeatureEncoder for ResNet {
    fn features(&self, images: &Tensor, layers: &[&str]) -> Result<Vec<Tensor>> {
        let mut taken = Taken::new(layers);
        let size = InputShape::picture(self.config.image_size).dims();
        let mut map = self.stem.apply(&Map::of_images(&self.name, images, size)?, None, Finish::Relu);
        taken.map("stem", &map)?;
        map = map.max_pool(3, 2, 1);
        taken.map("stem_pool", &map)?;
        for (stage, blocks) in self.stages.iter().enumerate() {
            if taken.is_complete() {
                return taken.finish();
            }
            for block in blocks {
                map = block.run(&map);
            }
            taken.map(&format!("stage.{}", stage + 1), &map)?;
        }
        let pooled = map.mean();
        taken.rows("pooled", &pooled, self.config.last())?;
        if !taken.is_complete() {
            taken.rows("logits", &self.logits.view().forward(&pooled), self.config.classes)?;
        }
        taken.finish()
    }
}

/// Its entry.
pub(super) const FAMILY: Family = Family {
    word: "resnet",
    presets: || {
        let sizes = |block, layers: [usize; 4]| {
            let layers = layers.to_vec();
            Arc::new(ResNetConfig { block, layers, width: 64, classes: 1000, image_size: 224, last_stride: 2 })
        };
        let at_stride_1 = |sizes: Arc<ResNetConfig>| Arc::new(ResNetConfig { last_stride: 1, ..(*sizes).clone() });
        let resnet_18 = sizes(BlockKind::Basic, [2, 2, 2, 2]);
        vec![
            Preset { name: "resnet-18", aliases: &["resnet18"], sizes: resnet_18.clone() },
            Preset { name: "resnet-18-14x14", aliases: &["resnet18-14x14"], sizes: at_stride_1(resnet_18) },
            Preset { name: "resnet-50", aliases: &["resnet50"], sizes: sizes(BlockKind::Bottleneck, [3, 4, 6, 3]) },
            Preset { name: "resnet-152", aliases: &["resnet152"], sizes: sizes(BlockKind::Bottleneck, [3, 8, 36, 3]) },
        ]
    },
    read: read::<ResNetConfig>,
};
