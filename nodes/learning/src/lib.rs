//! What learns on frozen networks (`copl-networks`): methods that adapt them, task heads, and their training.
//!
//! The library knows tensors and files, nothing of dataflows; [`model::Model`] is what a node drives: `forward` a
//! batch, receive the loss's gradients of the predictions from elsewhere, `backward` them, step the optimizer.
//!
//! - [`methods`]: collaborative prompts, LAVISH, DG-SCT, linear probe, full training; [`heads`]: task heads
//! - [`model`]: method, encoders and head together; [`config`]: what a user chooses
//! - [`parameters`]: trainable tensors by name; [`params`]: the table of counts
//! - [`train`]: optimizer, schedules, checkpoints
//! - [`infer`]: what a trained model says of one clip
//! - [`loss`], [`parity`]: comparison with reference results; [`mod@bench`]: speed of a training step

mod batch;
mod batch_parts;
pub mod bench;
pub mod config;
#[cfg(test)]
mod handles_tests;
pub mod heads;
#[cfg(test)]
mod hts_at_tests;
pub mod infer;
pub mod loss;
pub mod methods;
pub mod model;
pub mod parameters;
pub mod params;
pub mod parity;
mod running_statistics;
pub mod train;

pub use copl_networks::{Error, Result};
