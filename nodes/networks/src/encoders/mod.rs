//! Frozen encoders, exposed block by block so that a method can put prompts in each.
//!
//! One folder an architecture. An encoder turns images [N, C, H, W] into tokens [N, L, d] and those into a pooled
//! feature [N, d]; it knows nothing of clips or of what prompts mean. Frames have three channels. A spectrogram enters
//! as an image too: [time, mel], repeated by the caller to as many channels as the encoder takes.

mod frozen;
pub mod hts_at;
mod maps;
mod merging;
mod patches;
mod placement;
mod pre_norm;
mod prompts;
mod registry;
mod sizes;
pub mod swin_v2;
pub mod vit;

use std::ops::Range;

use candle_core::Tensor;
pub use maps::{EncoderShape, MapSize, Maps};
pub use prompts::{Granularity, PromptBias, Prompts};
pub use registry::{Architecture, EncoderCard, LoadedEncoder, PresetInfo, load, preset, presets};
use serde::Serialize;
pub use sizes::Sizes;

use crate::error::Result;

/// Which of a clip's two streams an encoder serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Modality {
    /// Frames.
    Visual,
    /// Spectrograms.
    Audio,
}

/// Shape of one image an encoder takes, without the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct InputShape {
    /// Channels (C): 3, or 1 for an encoder of spectrograms alone.
    pub channels: usize,
    /// Rows (H): pixels, or frames of a spectrogram.
    pub height: usize,
    /// Columns (W): pixels, or mel bands.
    pub width: usize,
}

impl InputShape {
    /// A square picture of three channels.
    pub fn picture(size: usize) -> Self {
        Self { channels: 3, height: size, width: size }
    }

    /// [C, H, W]
    pub fn dims(self) -> [usize; 3] {
        [self.channels, self.height, self.width]
    }
}

impl std::fmt::Display for InputShape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} x {}", self.height, self.width)
    }
}

/// What a block works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockInfo {
    /// Width of its tokens (d).
    pub width: usize,
    /// Number of its tokens (L) for a frame, or for a spectrogram where the encoder takes no frames.
    pub tokens: usize,
    /// Stage it belongs to.
    pub stage: usize,
    /// Tokens a token attends to (W): those of its window.
    pub window: usize,
}

impl BlockInfo {
    /// Operations of the forward pass of one image without prompts: four linear layers whose hidden width is four times
    /// the width, and two products of attention.
    pub fn operations(&self) -> f64 {
        let (tokens, width, window) = (self.tokens as f64, self.width as f64, self.window as f64);
        2.0 * tokens * (12.0 * width * width + 2.0 * window * width)
    }
}

/// An encoder whose blocks run one by one. A whole pass is
/// `embed`, then for each block `merge` and `block`, then `finish` and `pool`.
pub trait Encoder: Send + Sync {
    /// The architecture and its size, as a user names it.
    fn name(&self) -> &str;

    /// The images of a modality.
    ///
    /// # Errors
    /// If the encoder does not serve that modality.
    fn input(&self, modality: Modality) -> Result<InputShape>;

    /// All blocks, first to last.
    fn blocks(&self) -> &[BlockInfo];

    /// Numbers in its weights.
    fn parameter_count(&self) -> usize;

    /// Images [N, C, H, W] of a modality it serves -> tokens [N, L, d] of the first block.
    ///
    /// # Errors
    /// If the images have another size.
    fn embed(&self, images: &Tensor) -> Result<Tensor>;

    /// What stands before a block: the patch merging where it opens a stage, else nothing.
    ///
    /// # Errors
    /// If the tokens are not those of the block before.
    fn merge(&self, block: usize, tokens: &Tensor) -> Result<Tensor>;

    /// Tokens [N, L, d] -> tokens [N, L, d] through a block that sees `prompts` beside the tokens.
    ///
    /// # Errors
    /// If the shapes do not fit.
    fn block(&self, block: usize, tokens: &Tensor, prompts: Option<&Prompts>) -> Result<Tensor>;

    /// Sites at its end that exchange prompts with another encoder's, unless a user says otherwise (k).
    fn coupled_sites(&self) -> usize {
        sizes::COUPLED_SITES
    }

    /// The final norm, [N, L, d].
    ///
    /// # Errors
    /// If the tokens are not those of the last block.
    fn finish(&self, tokens: &Tensor) -> Result<Tensor>;

    /// Finished tokens -> pooled feature [N, d].
    ///
    /// # Errors
    /// If a tensor operation fails.
    fn pool(&self, tokens: &Tensor) -> Result<Tensor>;

    /// Width of the pooled feature.
    fn out_dim(&self) -> usize {
        self.blocks().last().map_or(0, |block| block.width)
    }
}

/// The blocks of each stage.
pub fn stages(blocks: &[BlockInfo]) -> Vec<Range<usize>> {
    let mut stages: Vec<Range<usize>> = Vec::new();
    for (index, block) in blocks.iter().enumerate() {
        match stages.last_mut() {
            Some(last) if blocks[last.start].stage == block.stage => last.end = index + 1,
            _ => stages.push(index..index + 1),
        }
    }
    stages
}

/// The blocks of each prompt site.
pub fn sites(blocks: &[BlockInfo], granularity: Granularity) -> Vec<Range<usize>> {
    match granularity {
        Granularity::Stage => stages(blocks),
        Granularity::Block => (0..blocks.len()).map(|block| block..block + 1).collect(),
    }
}

/// What a whole pass gives.
#[derive(Debug, Clone)]
pub struct Encoded {
    /// [N, d]
    pub pooled: Tensor,
    /// The token maps asked for, [N, L, d], finest first; the last one after the final norm.
    pub maps: Vec<Tensor>,
}

/// A whole pass without prompts: images [N, C, H, W] -> pooled feature [N, d], and token maps.
///
/// # Errors
/// If the images have another size.
pub fn encode(encoder: &dyn Encoder, images: &Tensor, maps: Maps) -> Result<Encoded> {
    let wanted = maps.blocks(encoder.blocks());
    let mut kept = Vec::with_capacity(wanted.len());
    let mut tokens = encoder.embed(images)?;
    for block in 0..encoder.blocks().len() {
        tokens = encoder.block(block, &encoder.merge(block, &tokens)?, None)?;
        if wanted.contains(&block) {
            kept.push(tokens.clone());
        }
    }
    let finished = encoder.finish(&tokens)?;
    if let Some(last) = kept.last_mut() {
        *last = finished.clone();
    }
    Ok(Encoded { pooled: encoder.pool(&finished)?, maps: kept })
}
