//! An encoder's blocks from outside: their sizes, and which make a stage or a prompt site.

use std::ops::Range;

use super::prompts::Granularity;

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
