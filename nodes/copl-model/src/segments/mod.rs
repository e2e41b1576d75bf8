//! Where an encoder's tokens are: beside the method in this process, or in another one.
//!
//! A method never touches tokens. It opens a [`Pass`] of a [`Tower`] on a batch, runs blocks with prompts, lets learned
//! latents gather what they need from the tokens that enter a block ([`read_out`], eq. 5), and at the end takes pooled
//! features and the token maps a head asked for. What it gets back takes part in the graph wherever it was computed:
//! - `here`: an encoder of this process; tokens, blocks and read-outs are part of the one graph;
//! - `apart`: an encoder behind a [`Link`]; the graph is cut at what crosses (`cut`), and its backward pass sends gradients
//!   over the cut and waits for those that come back. `server` is the other end: it keeps the small graph of every stretch
//!   between two answers until its gradient comes.
//!
//! A *stretch* is what a pass does between two answers: blocks, then a read-out or the end. [`settle`] waits for the
//! answers of several passes at once, forward and backward, so that two encoders elsewhere work at the same time.
//!
//! The two give the same numbers, with one thread each bit for bit: sums of gradients are taken in the same order. (With more,
//! a model that has its encoders in its process walks a batch in parts, [`crate::model`].)

mod apart;
mod cut;
mod here;
mod message;
mod read_out;
mod server;
mod source;
mod stretch;
#[cfg(test)]
mod tests;

use std::ops::Range;

use candle_core::Tensor;

pub use self::apart::{Apart, Asked, TowerInfo};
pub use self::here::Here;
pub use self::message::{Link, SegmentMessage};
pub use self::read_out::read_out;
pub use self::server::Server;
pub use self::source::{Introduced, Source};
use crate::encoders::{BlockInfo, InputShape, Modality, Prompts};
use crate::error::Result;

/// A frozen encoder that serves a modality, wherever it runs.
pub trait Tower: Send + Sync {
    /// The images it takes of a modality.
    ///
    /// # Errors
    /// If it does not serve that modality.
    fn input(&self, modality: Modality) -> Result<InputShape>;

    /// All blocks, first to last.
    fn blocks(&self) -> &[BlockInfo];

    /// Sites at its end that exchange prompts with another encoder's, unless a user says otherwise (k).
    fn coupled_sites(&self) -> usize;

    /// Starts a pass on images [N, ...] of a modality it serves.
    ///
    /// # Errors
    /// If the images have another size, or the encoder cannot be reached.
    fn open<'a>(&'a self, images: &Tensor) -> Result<Box<dyn Pass + 'a>>;
}

/// A batch on its way through an encoder.
pub trait Pass {
    /// Runs blocks that see `prompts` beside the tokens. With `map`, the tokens after the last of them are part of what
    /// [`Pass::finish`] gives.
    ///
    /// # Errors
    /// If the shapes do not fit, or the encoder cannot be reached.
    fn run(&mut self, blocks: Range<usize>, prompts: Option<&Prompts>, map: bool) -> Result<()>;

    /// Lets latents [p, d] gather from the tokens that enter `block`: the answer is one tensor [N, p, d].
    ///
    /// # Errors
    /// As [`Pass::run`].
    fn read_out(&mut self, block: usize, latents: &Tensor) -> Result<()>;

    /// After the last block: the answer is the pooled feature [N, d], then the maps asked for, [N, L, d] each, the last
    /// one the tokens after the final norm if `map` is set.
    ///
    /// # Errors
    /// As [`Pass::run`].
    fn finish(&mut self, map: bool) -> Result<()>;

    /// What [`Pass::read_out`] or [`Pass::finish`] asked for; [`settle`] calls it.
    fn answer(&mut self) -> Answer<'_>;
}

/// What a pass was asked for.
pub enum Answer<'a> {
    /// Here already.
    Here(Vec<Tensor>),
    /// To be waited for.
    Apart(&'a mut Asked),
}

/// What each pass was asked for.
///
/// # Errors
/// If an encoder elsewhere fails, or a tensor operation does.
pub fn settle<const N: usize>(passes: [&mut dyn Pass; N]) -> Result<[Vec<Tensor>; N]> {
    let mut found: [Vec<Tensor>; N] = std::array::from_fn(|_| Vec::new());
    let (mut places, mut asked) = (Vec::new(), Vec::new());
    for (place, pass) in passes.into_iter().enumerate() {
        match pass.answer() {
            Answer::Here(tensors) => found[place] = tensors,
            Answer::Apart(one) => {
                places.push(place);
                asked.push(one);
            }
        }
    }
    for (place, tensors) in places.into_iter().zip(cut::settle(&mut asked)?) {
        found[place] = tensors;
    }
    Ok(found)
}
