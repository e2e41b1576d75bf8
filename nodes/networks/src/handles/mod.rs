//! Where an encoder's tokens are: beside the method in this process, or in another one.
//!
//! A method never touches tokens. It opens a [`Traversal`] of an [`EncoderHandle`] on a batch, runs blocks with prompts, lets learned
//! latents gather what they need from the tokens that enter a block ([`read_out`], eq. 5), and at the end takes pooled
//! features and the token maps a head asked for. What it gets back takes part in the graph wherever it was computed:
//! - `local`: an encoder of this process; tokens, blocks and read-outs are part of the one graph;
//! - `remote`: an encoder behind a [`Link`]; the graph is cut at what crosses (`cut`), and its backward pass sends gradients
//!   over the cut and waits for those that come back. `server` is the other end: it keeps the small graph of every span
//!   between two answers until its gradient comes.
//!
//! A *span* is what a pass does between two answers: blocks, then a read-out or the end. [`await_answers`] waits for the
//! answers of several passes at once, forward and backward, so that two encoders elsewhere work at the same time.
//!
//! The two give the same numbers, with one thread each bit for bit: sums of gradients are taken in the same order. (With more,
//! a model that has its encoders in its process walks a batch in parts.)

mod cut;
mod local;
mod message;
mod read_out;
mod remote;
mod server;
mod source;
mod span;

use std::ops::Range;

use candle_core::Tensor;

pub use self::local::LocalEncoder;
pub use self::message::{EncoderMessage, Link};
pub use self::read_out::read_out;
pub use self::remote::{HandleInfo, Pending, RemoteEncoder};
pub use self::server::Server;
pub use self::source::{EncoderSource, IntroducedEncoder};
use crate::encoders::{BlockInfo, InputShape, Modality, Prompts};
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

    /// Starts a pass on images [N, ...] of a modality it serves.
    ///
    /// # Errors
    /// If the images have another size, or the encoder cannot be reached.
    fn open<'a>(&'a self, images: &Tensor) -> Result<Box<dyn Traversal + 'a>>;
}

/// A batch on its way through an encoder.
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

    /// What [`Traversal::read_out`] or [`Traversal::finish`] asked for; [`await_answers`] calls it.
    fn answer(&mut self) -> Answer<'_>;
}

/// What a pass was asked for.
pub enum Answer<'a> {
    /// Here already.
    Local(Vec<Tensor>),
    /// To be waited for.
    Remote(&'a mut Pending),
}

/// What each pass was asked for.
///
/// # Errors
/// If an encoder elsewhere fails, or a tensor operation does.
pub fn await_answers<const N: usize>(passes: [&mut dyn Traversal; N]) -> Result<[Vec<Tensor>; N]> {
    let mut found: [Vec<Tensor>; N] = std::array::from_fn(|_| Vec::new());
    let (mut places, mut pending) = (Vec::new(), Vec::new());
    for (place, pass) in passes.into_iter().enumerate() {
        match pass.answer() {
            Answer::Local(tensors) => found[place] = tensors,
            Answer::Remote(one) => {
                places.push(place);
                pending.push(one);
            }
        }
    }
    for (place, tensors) in places.into_iter().zip(cut::await_answers(&mut pending)?) {
        found[place] = tensors;
    }
    Ok(found)
}
