//! Where an encoder's tokens are: beside the method in this process, or in another one.
//!
//! A method opens a [`Traversal`] of an [`EncoderHandle`] with a batch, runs blocks with prompts, lets learned latents gather
//! what they need from the tokens that enter a block ([`read_out`], eq. 5), and at the end takes pooled features and the
//! token maps a head asked for. It touches no token, and so serves encoders anywhere. (One that must read and write tokens
//! between a block's halves takes the encoder itself, [`EncoderHandle::local`], and none elsewhere.) What it gets back takes
//! part in the graph wherever it was computed:
//! - `local`: an encoder of this process; tokens, blocks and read-outs are part of the one graph;
//! - `remote`: an encoder behind a [`Link`]; the graph is cut at what crosses (`cut`), and its backward pass sends gradients
//!   over the cut and waits for those that come back. `server` is the other end: it keeps the small graph of every span
//!   between two answers until its gradient comes.
//!
//! A *span* is what a traversal does between two answers: blocks, then a read-out or the end. [`await_answers`] waits for
//! the answers of several traversals at once, forward and backward, so that two encoders elsewhere work at the same time.
//!
//! The two give the same numbers, with one thread each bit for bit: sums of gradients are taken in the same order. (With
//! more, a model that has its encoders in its process walks a batch in parts.)

mod answers;
mod cut;
mod handle;
mod local;
mod message;
mod pending;
mod read_out;
mod remote;
mod server;
mod source;
mod span;

pub use self::answers::await_answers;
pub use self::handle::{Answer, EncoderHandle, Traversal};
pub use self::local::LocalEncoder;
pub use self::message::{EncoderMessage, Link};
pub use self::pending::Pending;
pub use self::read_out::read_out;
pub use self::remote::{HandleInfo, RemoteEncoder};
pub use self::server::Server;
pub use self::source::{EncoderSource, IntroducedEncoder};
