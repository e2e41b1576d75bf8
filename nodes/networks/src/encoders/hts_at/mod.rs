//! HTS-AT, a hierarchical token-semantic audio transformer (Chen et al. 2022, arXiv 2202.00874), with the official
//! checkpoints' weight names: a Swin-v1 on a folded log-mel spectrogram.
//!
//! Pre-norm blocks, scaled dot products in shifted windows with a table of position biases, patch merging between stages
//! (stored with the stage before). Spectrograms alone: it cannot serve frames. Prompts pass a block's first norm as tokens
//! do, and act as keys and values of every window. Batch norm and drop path are in evaluation mode.
//!
//! - [`config`]: sizes, presets, weight names
//! - `image`: from a spectrogram to the image
//! - `merge`: patch merging
//! - `family`: its entry in the registry

pub mod config;
pub(super) mod family;
mod image;
mod merge;
#[cfg(test)]
mod tests;

use candle_core::Tensor;

use self::config::HtsAtConfig;
use self::image::ImageMaker;
use self::merge::Merge;
use super::block::{self, Block};
use super::block_info::BlockInfo;
use super::encoder::Encoder;
use super::input::{InputShape, Modality};
use super::placement::Placement;
use super::pre_norm::{self, BlockSizes, BlockWeights};
use super::prompts::Prompts;
use super::sizes::served;
use super::swin_v2::position::pairs;
use crate::error::{Error, Result};
use crate::kernels::attention::windows::Windows;
use crate::kernels::{EPSILON, Execution};
use crate::weights::Tensors;

/// An HTS-AT with its weights.
pub struct HtsAt {
    name: String,
    config: HtsAtConfig,
    blocks: Vec<BlockInfo>,
    image: ImageMaker,
    proj: (Tensor, Tensor),
    embed_norm: (Tensor, Tensor),
    merges: Vec<Option<Merge>>,
    layers: Vec<Box<dyn Block>>,
    norm: (Tensor, Tensor),
    execution: Execution,
}

impl HtsAt {
    /// Builds the encoder. Its blocks are single operations where there are such, unless the weights take part in a graph:
    /// then every operation is differentiable in them.
    ///
    /// # Errors
    /// If sizes do not fit together or a weight is absent.
    pub fn new(name: &str, config: &HtsAtConfig, mut weights: Tensors, execution: Execution) -> Result<Self> {
        config.validate()?;
        let frozen = execution.freezes_blocks() && !weights.tracked();
        let (mut merges, mut layers) = (Vec::new(), Vec::new());
        for (stage, &depth) in config.depths.iter().enumerate() {
            for block in 0..depth {
                merges.push(if stage > 0 && block == 0 {
                    let before = format!("layers.{}.downsample", stage - 1);
                    let norm = weights.take_pair(&format!("{before}.norm"))?;
                    let reduction = weights.take(&format!("{before}.reduction.weight"))?;
                    Some(Merge::new(config.map(stage - 1), norm, reduction, execution, frozen)?)
                } else {
                    None
                });
                let prefix = format!("layers.{stage}.blocks.{block}");
                let table = weights.take(&format!("{prefix}.attn.relative_position_bias_table"))?;
                let Placement { map, window, shift } = config.placement(stage, block);
                let (size, heads) = (window * window, config.num_heads[stage]);
                let bias = table.index_select(&pairs(window, table.device())?, 0)?.t()?.contiguous()?;
                let sizes = BlockSizes {
                    heads,
                    epsilon: EPSILON,
                    windows: Some(Windows::new(map, map, window, shift)),
                    bias: Some(bias.reshape((heads, size, size))?),
                };
                let taken = BlockWeights::take(&mut weights, &prefix)?;
                layers.push(pre_norm::block(taken, sizes, execution, frozen, execution.recomputes(stage))?);
            }
        }
        Ok(Self {
            name: name.to_string(),
            config: config.clone(),
            blocks: config.blocks(),
            image: ImageMaker::new(config, &mut weights)?,
            proj: weights.take_pair("patch_embed.proj")?,
            embed_norm: weights.take_pair("patch_embed.norm")?,
            merges,
            layers,
            norm: weights.take_pair("norm")?,
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
        let expected = self.input(Modality::Audio)?.dims();
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
    fn input(&self, modality: Modality) -> Result<InputShape> {
        served(&self.name, self.config.input(modality), modality)
    }

    fn blocks(&self) -> &[BlockInfo] {
        &self.blocks
    }

    fn embed(&self, images: &Tensor) -> Result<Tensor> {
        let image = self.image(images)?;
        let (patch, side) = (self.config.patch_size, self.config.map(0));
        let patches = image.reshape(((), side, patch, side, patch))?.transpose(2, 3)?.contiguous()?;
        let patches = patches.reshape(((), side * side, patch * patch))?;
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
