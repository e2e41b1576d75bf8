//! What LAVISH and DG-SCT share: adapters beside the halves of frozen blocks, in which one modality reads the other's
//! tokens through latents.
//!
//! - `settings`: their sizes, with the official defaults of each task
//! - `adapter`: one adapter: its parameters, its running statistics, its arithmetic
//! - `pairs`: which block of one encoder meets which of the other

mod adapter;
mod pairs;
mod settings;
#[cfg(test)]
mod tests;

pub(super) use adapter::{ATTENTION, Adapter, FEED_FORWARD, Run};
pub(super) use pairs::{Paired, Stream, local, paired};
pub(super) use settings::{AdapterSettings, AdapterSizes, GROUP, with_official};
