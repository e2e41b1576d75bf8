//! What an architecture says of itself before it has weights, so that the registry knows every one by the same words.

use std::fmt::Debug;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::block_info::BlockInfo;
use super::encoder::{COUPLED_SITES, Encoder};
use super::input::{InputShape, Modality};
use crate::error::{Error, Result};
use crate::kernels::Execution;
use crate::weights::{Stored, TensorSpec, Tensors};

/// The sizes of an encoder.
pub trait Sizes: Debug + Send + Sync {
    /// The images of a modality; none if the encoder does not serve it.
    fn input(&self, modality: Modality) -> Option<InputShape>;

    /// All blocks, first to last.
    fn blocks(&self) -> Vec<BlockInfo>;

    /// Name, shape and initial value of every weight.
    fn tensors(&self) -> Vec<TensorSpec>;

    /// What a name in a checkpoint means, beside `all` names the checkpoint has.
    fn stored(&self, name: &str, all: &[&str]) -> Stored;

    /// Sites at its end that exchange prompts with another encoder's, unless a user says otherwise (k).
    fn coupled_sites(&self) -> usize {
        COUPLED_SITES
    }

    /// Tokens of a frame that stand for no place of it, before all others.
    fn class_tokens(&self) -> usize {
        0
    }

    /// The encoder with these weights.
    ///
    /// # Errors
    /// If sizes do not fit together or a weight is absent.
    fn build(&self, name: &str, weights: Tensors, execution: Execution) -> Result<Arc<dyn Encoder>>;
}

/// A preset: its name, further names it is known by, and its sizes.
pub(super) struct Preset {
    pub(super) name: &'static str,
    pub(super) aliases: &'static [&'static str],
    pub(super) sizes: Arc<dyn Sizes>,
}

/// An architecture.
pub(super) struct Family {
    /// Its name in fixtures.
    pub(super) word: &'static str,
    /// Its published sizes.
    pub(super) presets: fn() -> Vec<Preset>,
    /// Its sizes from JSON.
    pub(super) read: fn(serde_json::Value) -> serde_json::Result<Arc<dyn Sizes>>,
}

/// [`Family::read`] of sizes of type `C`.
pub(super) fn read<C: Sizes + DeserializeOwned + 'static>(
    sizes: serde_json::Value,
) -> serde_json::Result<Arc<dyn Sizes>> {
    Ok(Arc::new(serde_json::from_value::<C>(sizes)?))
}

/// The images of a modality the encoder `name` serves.
///
/// # Errors
/// If it does not.
pub(super) fn served(name: &str, input: Option<InputShape>, modality: Modality) -> Result<InputShape> {
    let what = match modality {
        Modality::Visual => "frames",
        Modality::Audio => "spectrograms",
    };
    input.ok_or_else(|| Error::Config(format!("{name} takes no {what}")))
}
