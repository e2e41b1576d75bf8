//! A block of an encoder as it runs: whole, or in its two halves.

use candle_core::Tensor;

use super::prompts::Prompts;
use crate::error::{Error, Result};

/// A block on tokens [N, L, C] -> [N, L, C].
pub(super) trait Block: Send + Sync {
    /// The tokens plus the attention branch, which sees prompts beside the tokens.
    fn attend(&self, tokens: &Tensor, prompts: Option<&Prompts>) -> Result<Tensor>;

    /// The tokens plus the feed-forward branch.
    fn feed(&self, tokens: &Tensor) -> Result<Tensor>;

    /// Both halves.
    fn whole(&self, tokens: &Tensor, prompts: Option<&Prompts>) -> Result<Tensor> {
        self.feed(&self.attend(tokens, prompts)?)
    }
}

/// A block of the encoder `name`.
///
/// # Errors
/// If it has fewer.
pub(super) fn at<'a>(blocks: &'a [Box<dyn Block>], block: usize, name: &str) -> Result<&'a dyn Block> {
    match blocks.get(block) {
        Some(found) => Ok(&**found),
        None => Err(Error::Config(format!("{name} has {} blocks, not {}", blocks.len(), block + 1))),
    }
}
