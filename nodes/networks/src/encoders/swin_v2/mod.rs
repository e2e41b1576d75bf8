//! Swin Transformer V2 (Liu et al. 2022, arXiv 2111.09883), with timm's weight names and arithmetic.
//!
//! Residual post-norm blocks, cosine attention in shifted windows with a continuous position bias, patch merging at the
//! start of every stage but the first. Prompts enter a block raw and act as keys and values of every window.
//!
//! - [`config`]: sizes, presets, weight names
//! - `layer`: a block from differentiable operations; `frozen`: its halves as operations without weight gradients
//! - `merge`: patch merging; `position`: position biases
//! - `family`: its entry in the registry

pub mod config;
pub(super) mod family;
mod frozen;
mod layer;
mod merge;
pub(super) mod position;
#[cfg(test)]
mod tests;

use candle_core::Tensor;

use self::config::SwinV2Config;
use self::layer::{Layer, LayerWeights};
use self::merge::Merge;
use super::block::{self, Block};
use super::block_info::BlockInfo;
use super::encoder::Encoder;
use super::input::{InputShape, Modality};
use super::patches::unfold;
use super::prompts::Prompts;
use crate::error::{Error, Result};
use crate::kernels::Execution;
use crate::weights::Tensors;

/// A Swin-V2 with its weights.
pub struct SwinV2 {
    name: String,
    config: SwinV2Config,
    blocks: Vec<BlockInfo>,
    proj: (Tensor, Tensor),
    embed_norm: (Tensor, Tensor),
    merges: Vec<Option<Merge>>,
    layers: Vec<Box<dyn Block>>,
    norm: (Tensor, Tensor),
    execution: Execution,
}

impl SwinV2 {
    /// Builds the encoder. Its blocks are single operations where there are such, unless the weights take part in a graph:
    /// then every operation is differentiable in them.
    ///
    /// # Errors
    /// If sizes do not fit together or a weight is absent.
    pub fn new(name: &str, config: &SwinV2Config, mut weights: Tensors, execution: Execution) -> Result<Self> {
        config.validate()?;
        let frozen = execution.freezes_blocks() && !weights.tracked();
        let (mut merges, mut layers) = (Vec::new(), Vec::new());
        for (stage, &depth) in config.depths.iter().enumerate() {
            for block in 0..depth {
                merges.push(if stage > 0 && block == 0 {
                    let reduction = weights.take(&format!("layers.{stage}.downsample.reduction.weight"))?;
                    let norm = weights.take_pair(&format!("layers.{stage}.downsample.norm"))?;
                    Some(Merge::new(config.map(stage - 1), reduction, norm, execution, frozen)?)
                } else {
                    None
                });
                let layer = LayerWeights::new(config, &mut weights, stage, block)?;
                layers.push(if frozen {
                    Box::new(frozen::block(&layer, execution.recomputes(stage))?) as Box<dyn Block>
                } else {
                    Box::new(Layer::new(layer, execution)?)
                });
            }
        }
        Ok(Self {
            name: name.to_string(),
            config: config.clone(),
            blocks: config.blocks(),
            proj: weights.take_pair("patch_embed.proj")?,
            embed_norm: weights.take_pair("patch_embed.norm")?,
            merges,
            layers,
            norm: weights.take_pair("norm")?,
            execution,
        })
    }

    /// The sizes.
    pub fn config(&self) -> &SwinV2Config {
        &self.config
    }
}

impl Encoder for SwinV2 {
    fn input(&self, _modality: Modality) -> Result<InputShape> {
        Ok(InputShape::picture(self.config.image_size))
    }

    fn blocks(&self) -> &[BlockInfo] {
        &self.blocks
    }

    fn embed(&self, images: &Tensor) -> Result<Tensor> {
        let size = self.config.image_size;
        match images.dims() {
            &[_, 3, height, width] if height == size && width == size => {}
            found => {
                return Err(Error::Shape {
                    what: format!("images for {}", self.name),
                    found: found.to_vec(),
                    expected: format!("[N, 3, {size}, {size}]"),
                });
            }
        }
        let patches = unfold(images, self.config.patch_size)?;
        let tokens = self.execution.linear(&patches, &self.proj.0.flatten_from(1)?, Some(&self.proj.1))?;
        Ok(self.execution.layer_norm(&tokens, &self.embed_norm.0, &self.embed_norm.1)?)
    }

    fn merge(&self, block: usize, tokens: &Tensor) -> Result<Tensor> {
        match self.merges.get(block) {
            Some(Some(merge)) => Ok(merge.forward(tokens)?),
            _ => Ok(tokens.clone()),
        }
    }

    fn block(&self, block: usize, tokens: &Tensor, prompts: Option<&Prompts>) -> Result<Tensor> {
        block::at(&self.layers, block, &self.name)?.whole(tokens, prompts)
    }

    fn attend(&self, block: usize, tokens: &Tensor, prompts: Option<&Prompts>) -> Result<Tensor> {
        block::at(&self.layers, block, &self.name)?.attend(tokens, prompts)
    }

    fn feed(&self, block: usize, tokens: &Tensor) -> Result<Tensor> {
        block::at(&self.layers, block, &self.name)?.feed(tokens)
    }

    fn execution(&self) -> Execution {
        self.execution
    }

    fn finish(&self, tokens: &Tensor) -> Result<Tensor> {
        Ok(self.execution.layer_norm(tokens, &self.norm.0, &self.norm.1)?)
    }

    fn pool(&self, tokens: &Tensor) -> Result<Tensor> {
        Ok(tokens.mean(1)?)
    }
}
