//! HTS-AT, a hierarchical token-semantic audio transformer (Chen et al. 2022, arXiv 2202.00874), with the official
//! checkpoints' weight names: a Swin-v1 on a folded log-mel spectrogram.
//!
//! Pre-norm blocks, scaled dot products in shifted windows with a table of position biases, patch merging between stages
//! (stored with the stage before). Spectrograms alone: it cannot serve frames. Prompts pass a block's first norm as tokens
//! do, and act as keys and values of every window. Batch norm and drop path are in evaluation mode.
//!
//! - [`config`]: sizes, presets, weight names
//! - `image`: from a spectrogram to the image
//! - `layer`: a block from differentiable operations; `frozen`: the same as one operation without weight gradients
//! - `merge`: patch merging

pub mod config;
mod frozen;
mod image;
mod layer;
mod merge;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use candle_core::Tensor;

use self::config::HtsAtConfig;
use self::frozen::FrozenLayer;
use self::image::ImageMaker;
use self::layer::{Layer, LayerWeights};
use self::merge::Merge;
use super::{BlockInfo, Encoder, InputShape, Modality, Prompts};
use crate::error::{Error, Result};
use crate::kernels::{Execution, layer_norm, linear};
use crate::weights::{TensorSpec, Tensors};

/// An HTS-AT with its weights.
pub struct HtsAt {
    name: String,
    config: HtsAtConfig,
    blocks: Vec<BlockInfo>,
    image: ImageMaker,
    proj: (Tensor, Tensor),
    embed_norm: (Tensor, Tensor),
    merges: Vec<Option<Merge>>,
    layers: Vec<Block>,
    norm: (Tensor, Tensor),
    execution: Execution,
}

enum Block {
    Frozen(Arc<FrozenLayer>),
    Differentiable(Box<Layer>),
}

/// The spectrograms an HTS-AT takes.
///
/// # Errors
/// If frames are asked for.
pub(super) fn input(name: &str, config: &HtsAtConfig, modality: Modality) -> Result<InputShape> {
    match modality {
        Modality::Audio => Ok(InputShape { channels: 1, height: config.frames, width: config.mel_bins }),
        Modality::Visual => Err(Error::Config(format!(
            "{name} takes spectrograms alone: it can be the audio encoder, not that of frames or one shared by both"
        ))),
    }
}

impl HtsAt {
    /// Builds the encoder. Unless `execution` is plain, blocks are frozen operations on the CPU, unless the weights
    /// take part in a graph: then every operation is differentiable in them.
    ///
    /// # Errors
    /// If sizes do not fit together or a weight is absent.
    pub fn new(name: &str, config: &HtsAtConfig, mut weights: Tensors, execution: Execution) -> Result<Self> {
        config.validate()?;
        let frozen = execution.uses_kernels(&weights.get("norm.weight")?) && !weights.tracked();
        let pair = |weights: &mut Tensors, name: &str| -> Result<(Tensor, Tensor)> {
            Ok((weights.take(&format!("{name}.weight"))?, weights.take(&format!("{name}.bias"))?))
        };
        let (mut merges, mut layers) = (Vec::new(), Vec::new());
        for (stage, &depth) in config.depths.iter().enumerate() {
            for block in 0..depth {
                merges.push(if stage > 0 && block == 0 {
                    let before = format!("layers.{}.downsample", stage - 1);
                    let norm = pair(&mut weights, &format!("{before}.norm"))?;
                    let reduction = weights.take(&format!("{before}.reduction.weight"))?;
                    Some(Merge::new(config.map(stage - 1), norm, reduction, execution, frozen)?)
                } else {
                    None
                });
                let layer = LayerWeights::new(config, &mut weights, stage, block)?;
                layers.push(if frozen {
                    Block::Frozen(Arc::new(FrozenLayer::new(&layer, execution == Execution::LowMemory)?))
                } else {
                    Block::Differentiable(Box::new(Layer::new(layer, execution)?))
                });
            }
        }
        Ok(Self {
            name: name.to_string(),
            config: config.clone(),
            blocks: config.blocks(),
            image: ImageMaker::new(config, &mut weights)?,
            proj: pair(&mut weights, "patch_embed.proj")?,
            embed_norm: pair(&mut weights, "patch_embed.norm")?,
            merges,
            layers,
            norm: pair(&mut weights, "norm")?,
            execution,
        })
    }

    /// The sizes.
    pub fn config(&self) -> &HtsAtConfig {
        &self.config
    }

    /// Spectrograms [N, 1, frames, mels] in decibels -> the folded images [N, side, side].
    ///
    /// # Errors
    /// If the spectrograms have another size.
    pub fn image(&self, segments: &Tensor) -> Result<Tensor> {
        let expected = input(&self.name, &self.config, Modality::Audio)?.dims();
        match segments.dims() {
            &[count, 1, frames, mels] if expected == [1, frames, mels] => {
                Ok(self.image.image(&segments.reshape((count, frames, mels))?, self.execution)?)
            }
            found => Err(Error::Shape {
                what: format!("spectrograms for {}", self.name),
                found: found.to_vec(),
                expected: format!("[N, 1, {}, {}]", expected[1], expected[2]),
            }),
        }
    }
}

impl Encoder for HtsAt {
    fn name(&self) -> &str {
        &self.name
    }

    fn input(&self, modality: Modality) -> Result<InputShape> {
        input(&self.name, &self.config, modality)
    }

    fn blocks(&self) -> &[BlockInfo] {
        &self.blocks
    }

    fn parameter_count(&self) -> usize {
        self.config.tensors().iter().map(TensorSpec::count).sum()
    }

    fn embed(&self, images: &Tensor) -> Result<Tensor> {
        let image = self.image(images)?;
        let (patch, side) = (self.config.patch_size, self.config.map(0));
        let patches = image.reshape(((), side, patch, side, patch))?.transpose(2, 3)?.contiguous()?;
        let patches = patches.reshape(((), side * side, patch * patch))?;
        let tokens = linear(&patches, &self.proj.0.flatten_from(1)?, Some(&self.proj.1), self.execution)?;
        Ok(layer_norm(&tokens, &self.embed_norm.0, &self.embed_norm.1, self.execution)?)
    }

    fn merge(&self, block: usize, tokens: &Tensor) -> Result<Tensor> {
        match self.merges.get(block) {
            Some(Some(merge)) => Ok(merge.forward(tokens)?),
            _ => Ok(tokens.clone()),
        }
    }

    fn block(&self, block: usize, tokens: &Tensor, prompts: Option<&Prompts>) -> Result<Tensor> {
        match self.layers.get(block) {
            Some(Block::Frozen(layer)) => Ok(layer.apply(tokens, prompts)?),
            Some(Block::Differentiable(layer)) => layer.forward(tokens, prompts),
            None => Err(Error::Config(format!("{} has {} blocks, not {}", self.name, self.layers.len(), block + 1))),
        }
    }

    fn finish(&self, tokens: &Tensor) -> Result<Tensor> {
        Ok(layer_norm(tokens, &self.norm.0, &self.norm.1, self.execution)?)
    }

    fn pool(&self, tokens: &Tensor) -> Result<Tensor> {
        Ok(tokens.mean(1)?)
    }
}
