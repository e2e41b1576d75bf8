//! Vision Transformer (Dosovitskiy et al. 2021, arXiv 2010.11929), with timm's weight names and arithmetic.
//!
//! Pre-norm blocks over all tokens, a class token first; each block is a stage of its own, so that prompt sites are
//! blocks. The pooled feature is the class token after the final norm. Prompts pass a block's first norm as tokens do, and
//! act as keys and values only; they have no position embedding.
//!
//! Spectrograms take the same way as frames, with another number of patches: `positions` says how they get their position
//! embeddings.
//!
//! - [`config`]: sizes, presets, weight names
//! - `positions`: position embeddings of other numbers of patches
//! - `family`: its entry in the registry

pub mod config;
pub(super) mod family;
mod positions;
#[cfg(test)]
mod tests;

use candle_core::Tensor;

use self::config::VitConfig;
use super::block::{self, Block};
use super::block_info::BlockInfo;
use super::encoder::Encoder;
use super::input::{InputShape, Modality};
use super::patches::unfold;
use super::pre_norm::{self, BlockSizes, BlockWeights};
use super::prompts::Prompts;
use crate::error::{Error, Result};
use crate::kernels::Execution;
use crate::weights::Tensors;

/// Added to the variance in norms (timm's; PyTorch's default is 1e-5).
const EPSILON: f64 = 1e-6;

/// A ViT with its weights.
pub struct Vit {
    name: String,
    config: VitConfig,
    blocks: Vec<BlockInfo>,
    proj: (Tensor, Tensor),
    /// [1, 1, d]
    class_token: Tensor,
    /// [1, 1 + patches, d], the class token's first.
    positions: Tensor,
    layers: Vec<Box<dyn Block>>,
    norm: (Tensor, Tensor),
    execution: Execution,
}

impl Vit {
    /// Builds the encoder. Its blocks are single operations where there are such, unless the weights take part in a graph:
    /// then every operation is differentiable in them.
    ///
    /// # Errors
    /// If sizes do not fit together or a weight is absent.
    pub fn new(name: &str, config: &VitConfig, mut weights: Tensors, execution: Execution) -> Result<Self> {
        config.validate()?;
        let frozen = execution.freezes_blocks() && !weights.tracked();
        let layer = |weights: &mut Tensors, block: usize| {
            let sizes = BlockSizes { heads: config.num_heads, epsilon: EPSILON, windows: None, bias: None };
            let taken = BlockWeights::take(weights, &format!("blocks.{block}"))?;
            pre_norm::block(taken, sizes, execution, frozen, execution.recomputes(block))
        };
        Ok(Self {
            name: name.to_string(),
            config: config.clone(),
            blocks: config.blocks(),
            layers: (0..config.depth).map(|block| layer(&mut weights, block)).collect::<Result<_>>()?,
            proj: weights.take_pair("patch_embed.proj")?,
            class_token: weights.take("cls_token")?,
            positions: weights.take("pos_embed")?,
            norm: weights.take_pair("norm")?,
            execution,
        })
    }

    /// The sizes.
    pub fn config(&self) -> &VitConfig {
        &self.config
    }
}

impl Encoder for Vit {
    fn input(&self, modality: Modality) -> Result<InputShape> {
        Ok(self.config.input(modality))
    }

    fn blocks(&self) -> &[BlockInfo] {
        &self.blocks
    }

    fn coupled_sites(&self) -> usize {
        config::COUPLED_SITES
    }

    /// Images of any height and width that hold a patch; rows and columns that fill no patch are dropped.
    fn embed(&self, images: &Tensor) -> Result<Tensor> {
        let patch = self.config.patch_size;
        let count = match images.dims() {
            &[count, 3, height, width] if height >= patch && width >= patch => count,
            found => {
                return Err(Error::Shape {
                    what: format!("images for {}", self.name),
                    found: found.to_vec(),
                    expected: format!("[N, 3, H, W] with H and W at least {patch}"),
                });
            }
        };
        let patches = unfold(images, patch)?;
        let tokens = self.execution.linear(&patches, &self.proj.0.flatten_from(1)?, Some(&self.proj.1))?;
        let class = self.class_token.broadcast_as((count, 1, self.config.embed_dim))?;
        let tokens = Tensor::cat(&[&class.contiguous()?, &tokens], 1)?;
        Ok(tokens.broadcast_add(&positions::resized(&self.positions, tokens.dim(1)?)?)?)
    }

    fn merge(&self, _block: usize, tokens: &Tensor) -> Result<Tensor> {
        Ok(tokens.clone())
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
        Ok(self.execution.layer_norm_with(tokens, &self.norm.0, &self.norm.1, EPSILON)?)
    }

    fn pool(&self, tokens: &Tensor) -> Result<Tensor> {
        Ok(tokens.narrow(1, 0, 1)?.squeeze(1)?)
    }
}
