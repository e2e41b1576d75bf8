//! What crosses between a model and an encoder elsewhere. Gradients travel against the values in the same form, so that
//! the direction alone says which of the two a message is.

use std::ops::Range;

use candle_core::Tensor;

use crate::encoders::Modality;
use crate::encoders::PromptBias;
use crate::error::Result;

/// A message of one traversal; tensors are f32 on the CPU but for images. Forward: what a traversal asks for, and what it
/// gets.
#[derive(Debug, Clone)]
pub enum EncoderMessage {
    /// To the encoder: opens a traversal, as the decoders send them: [N, H, W, 3] u8 or [N, 1, time, mel] f32.
    Images(Tensor),
    /// To the encoder: runs blocks with prompts. From it: the gradients of those prompts.
    Prompts {
        /// The blocks.
        blocks: Range<usize>,
        /// Gradients will be asked for.
        keep: bool,
        /// The tokens after the last block are asked for.
        map: bool,
        /// Position bias of the prompts.
        bias: PromptBias,
        /// [S, d], of all images.
        shared: Tensor,
        /// [N, O, d], of each image.
        own: Tensor,
    },
    /// To the encoder: latents [p, d] that read the tokens entering a block. From it: their gradient.
    Latents {
        /// The block.
        block: usize,
        /// Gradients will be asked for.
        keep: bool,
        /// [p, d]
        latents: Tensor,
    },
    /// From the encoder: what the latents gathered. To it: the gradient of that.
    Condensed {
        /// The block the tokens enter.
        block: usize,
        /// [N, p, d]
        condensed: Tensor,
    },
    /// To the encoder: asks for the features.
    Finish {
        /// The tokens after the final norm are asked for.
        map: bool,
    },
    /// From the encoder: tokens that were asked for. To it: their gradient.
    Map {
        /// The block they left; the number of blocks for those after the final norm.
        block: usize,
        /// [N, L, d]
        tokens: Tensor,
    },
    /// From the encoder: the pooled feature [N, d]. To it: its gradient.
    Features(Tensor),
}

impl EncoderMessage {
    /// Bytes of its tensors.
    pub fn bytes(&self) -> usize {
        let of = |tensor: &Tensor| tensor.elem_count() * tensor.dtype().size_in_bytes();
        match self {
            Self::Images(tensor) | Self::Features(tensor) => of(tensor),
            Self::Prompts { shared, own, .. } => of(shared) + of(own),
            Self::Latents { latents: tensor, .. }
            | Self::Condensed { condensed: tensor, .. }
            | Self::Map { tokens: tensor, .. } => of(tensor),
            Self::Finish { .. } => 0,
        }
    }

    /// Its name in messages for people, and that of its schema on an edge but for images.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Images(_) => "images",
            Self::Prompts { .. } => "prompts",
            Self::Latents { .. } => "latents",
            Self::Condensed { .. } => "condensed",
            Self::Finish { .. } => "finish",
            Self::Map { .. } => "map",
            Self::Features(_) => "features",
        }
    }
}

/// The way to encoders elsewhere. Messages to one encoder arrive in their order.
pub trait Link: Send + Sync {
    /// Sends without waiting.
    ///
    /// # Errors
    /// If the encoder cannot be reached.
    fn send(&self, to: Modality, message: EncoderMessage) -> Result<()>;

    /// Waits for the next message of an encoder.
    ///
    /// # Errors
    /// If the encoder fails or leaves.
    fn receive(&self, from: Modality) -> Result<EncoderMessage>;
}
