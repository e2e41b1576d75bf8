//! The prompts a site lends to its blocks.

use candle_core::Tensor;

use crate::error::Result;
use crate::kernels::attention::PromptBias;

copl_contract::choice! {
    /// The unit of an encoder that owns one set of prompts (a site).
    pub enum Granularity {
        /// All blocks of a stage see the same prompts.
        Stage = "stage",
        /// Each block has its own.
        Block = "block",
    }
}

/// Prompts as an encoder's block sees them. Those all images share are kept apart, so that their keys and values are
/// computed once a batch; the order of prompts does not matter to attention.
#[derive(Debug, Clone)]
pub struct Prompts {
    /// [S, d], the same for every image.
    pub shared: Option<Tensor>,
    /// [N, O, d], each image's own.
    pub own: Option<Tensor>,
    /// Position bias of their columns, where the encoder has position biases.
    pub bias: PromptBias,
}

impl Prompts {
    /// All prompts of each image, [N, P, d].
    ///
    /// # Errors
    /// If the parts do not fit together.
    pub fn joined(&self, images: usize) -> Result<Option<Tensor>> {
        let shared = match &self.shared {
            Some(shared) => {
                let (count, width) = shared.dims2()?;
                Some(shared.unsqueeze(0)?.broadcast_as((images, count, width))?.contiguous()?)
            }
            None => None,
        };
        Ok(match (shared, &self.own) {
            (Some(shared), Some(own)) => Some(Tensor::cat(&[&shared, own], 1)?),
            (Some(shared), None) => Some(shared),
            (None, own) => own.clone(),
        })
    }

    /// True if some prompt takes part in a graph.
    pub fn tracked(&self) -> bool {
        self.shared.iter().chain(&self.own).any(Tensor::track_op)
    }
}
