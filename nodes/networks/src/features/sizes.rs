//! What an architecture says of itself before it has weights, so that the registry knows every one by the same words.

use std::fmt::Debug;
use std::sync::Arc;

use candle_core::Tensor;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::layer::Layer;
use crate::encoders::InputShape;
use crate::error::Result;
use crate::weights::{Stored, TensorSpec, Tensors};

/// What an encoder is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FeatureInput {
    /// Images [N, C, H, W].
    Images(InputShape),
    /// Numbers of words [N, L], u32.
    Words {
        /// Words of a text at most, what fills it up included.
        context: usize,
    },
}

/// A frozen encoder with its weights.
pub trait FeatureEncoder: Send + Sync {
    /// The layers of these names, in that order: [N, L, d] of a map or of tokens, [N, d] of a vector. What none of them needs
    /// is not computed.
    ///
    /// # Errors
    /// If the input has another size, or there is no such layer.
    fn features(&self, input: &Tensor, layers: &[&str]) -> Result<Vec<Tensor>>;
}

/// The sizes of an encoder.
pub trait FeatureSizes: Debug + Send + Sync {
    /// What it is given.
    fn input(&self) -> FeatureInput;

    /// Every layer it can give, first to last.
    fn layers(&self) -> Vec<Layer>;

    /// Name, shape and initial value of every weight.
    fn tensors(&self) -> Vec<TensorSpec>;

    /// What a name in a checkpoint means, beside `all` names the checkpoint has.
    fn stored(&self, name: &str, all: &[&str]) -> Stored;

    /// The encoder with these weights.
    ///
    /// # Errors
    /// If sizes do not fit together or a weight is absent.
    fn build(&self, name: &str, weights: Tensors) -> Result<Arc<dyn FeatureEncoder>>;
}

/// A preset: its name, further names it is known by, and its sizes.
pub(super) struct Preset {
    pub(super) name: &'static str,
    pub(super) aliases: &'static [&'static str],
    pub(super) sizes: Arc<dyn FeatureSizes>,
}

/// An architecture.
pub(super) struct Family {
    /// Its name in fixtures.
    pub(super) word: &'static str,
    /// Its published sizes.
    pub(super) presets: fn() -> Vec<Preset>,
    /// Its sizes from JSON.
    pub(super) read: fn(serde_json::Value) -> serde_json::Result<Arc<dyn FeatureSizes>>,
}

/// [`Family::read`] of sizes of type `C`.
pub(super) fn read<C: FeatureSizes + DeserializeOwned + 'static>(
    sizes: serde_json::Value,
) -> serde_json::Result<Arc<dyn FeatureSizes>> {
    Ok(Arc::new(serde_json::from_value::<C>(sizes)?))
}
