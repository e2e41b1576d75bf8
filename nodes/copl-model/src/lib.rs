//! Frozen encoders, the methods that adapt them, task heads, and their training.
//!
//! The library knows tensors and files, nothing of dataflows; [`model::Model`] is what the node drives: `forward` a
//! batch, receive the loss's gradients of the predictions from elsewhere, `backward` them, step the optimizer.
//!
//! - [`encoders`]: one folder an architecture; [`kernels`]: their arithmetic on the CPU
//! - [`segments`]: encoders as methods use them, in this process or in a node of their own
//! - [`methods`]: collaborative prompts, linear probe, full training; [`heads`]: task heads
//! - [`model`]: method, encoders and head together; [`config`]: what a user chooses
//! - [`parameters`]: trainable tensors by name; [`params`]: the table of counts
//! - [`train`]: optimizer, schedules, random streams, checkpoints
//! - [`infer`]: what a trained model says of one clip
//! - [`weights`]: where encoders' weights come from
//! - [`loss`], [`parity`]: comparison with reference results; [`mod@bench`]: speed of a training step

mod batch;
pub mod bench;
pub mod config;
mod crew;
pub mod device;
pub mod encoder_node;
pub mod encoders;
mod error;
pub mod heads;
mod images;
pub mod infer;
pub mod kernels;
pub mod loss;
pub mod methods;
pub mod model;
pub mod node;
pub mod parameters;
pub mod params;
pub mod parity;
pub mod segments;
pub mod train;
pub mod weights;
pub mod wire;

pub use error::{Error, NameMismatch, Result};
