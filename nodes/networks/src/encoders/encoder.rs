//! What every encoder can do, block by block.

use candle_core::Tensor;

use super::block_info::BlockInfo;
use super::input::{InputShape, Modality};
use super::prompts::Prompts;
use crate::error::Result;
use crate::kernels::Execution;

/// Sites at an encoder's end that exchange prompts (k), where its architecture has no number of its own.
pub(super) const COUPLED_SITES: usize = 2;

/// An encoder whose blocks run one by one. A whole pass is
/// `embed`, then for each block `merge` and `block`, then `finish` and `pool`.
///
/// Where a method reads and writes tokens inside a block, it runs the block's halves instead: `attend`, then `feed`.
pub trait Encoder: Send + Sync {
    /// The images of a modality.
    ///
    /// # Errors
    /// If the encoder does not serve that modality.
    fn input(&self, modality: Modality) -> Result<InputShape>;

    /// All blocks, first to last.
    fn blocks(&self) -> &[BlockInfo];

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

    /// The first half of a block: the tokens plus its attention branch, with the norm where the encoder has it.
    ///
    /// # Errors
    /// If the shapes do not fit.
    fn attend(&self, block: usize, tokens: &Tensor, prompts: Option<&Prompts>) -> Result<Tensor>;

    /// The second half: the tokens plus the feed-forward branch. `block` is `feed` of `attend`.
    ///
    /// # Errors
    /// If the shapes do not fit.
    fn feed(&self, block: usize, tokens: &Tensor) -> Result<Tensor>;

    /// How it is computed.
    fn execution(&self) -> Execution;

    /// Sites at its end that exchange prompts with another encoder's, unless a user says otherwise (k).
    fn coupled_sites(&self) -> usize {
        COUPLED_SITES
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
}
