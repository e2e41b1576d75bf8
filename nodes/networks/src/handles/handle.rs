//! An encoder as a method uses it, and a batch on its way through one.

use std::ops::Range;
use std::sync::Arc;

use candle_core::Tensor;

use super::pending::Pending;
use crate::encoders::{BlockInfo, Encoder, InputShape, Modality, Prompts};
use crate::error::Result;

/// A frozen encoder that serves a modality, wherever it runs.
pub trait EncoderHandle: Send + Sync {
    /// The images it takes of a modality.
    ///
    /// # Errors
    /// If it does not serve that modality.
    fn input(&self, modality: Modality) -> Result<InputShape>;

    /// All blocks, first to last.
    fn blocks(&self) -> &[BlockInfo];

    /// Sites at its end that exchange prompts with another encoder's, unless a user says otherwise (k).
    fn coupled_sites(&self) -> usize;

    /// The encoder itself, where it runs in this process: for methods that read and write its tokens. None of an encoder
    /// elsewhere, whose tokens never come here; a method that needs them says so beforehand (its encoders must be in this
    /// process), and this is what it takes them by.
    fn local(&self) -> Option<&Arc<dyn Encoder>>;

    /// Starts a traversal with images [N, ...] of a modality it serves.
    ///
    /// # Errors
    /// If the images have another size, or the encoder cannot be reached.
    fn open<'a>(&'a self, images: &Tensor) -> Result<Box<dyn Traversal + 'a>>;
}

/// A batch on its way through an encoder's blocks.
pub trait Traversal {
    /// Runs blocks that see `prompts` beside the tokens. With `map`, the tokens after the last of them are part of what
    /// [`Traversal::finish`] gives.
    ///
    /// # Errors
    /// If the shapes do not fit, or the encoder cannot be reached.
    fn run(&mut self, blocks: Range<usize>, prompts: Option<&Prompts>, map: bool) -> Result<()>;

    /// Lets latents [p, d] gather from the tokens that enter `block`: the answer is one tensor [N, p, d].
    ///
    /// # Errors
    /// As [`Traversal::run`].
    fn read_out(&mut self, block: usize, latents: &Tensor) -> Result<()>;

    /// After the last block: the answer is the pooled feature [N, d], then the maps asked for, [N, L, d] each, the last
    /// one the tokens after the final norm if `map` is set.
    ///
    /// # Errors
    /// As [`Traversal::run`].
    fn finish(&mut self, map: bool) -> Result<()>;

    /// What [`Traversal::read_out`] or [`Traversal::finish`] asked for; [`await_answers`](super::await_answers)
    /// calls it.
    fn answer(&mut self) -> Answer<'_>;
}

/// What a traversal was asked for.
pub enum Answer<'a> {
    /// Here already.
    Local(Vec<Tensor>),
    /// To be waited for.
    Remote(&'a mut Pending),
}
