//! Methods: how frozen encoders are adapted. One file a method; a method holds no numbers of its own: what it learns is
//! described by its parameter specifications and handed to it at every call.

pub mod copl;
pub mod full;
mod interaction;
pub mod linear_probe;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use candle_core::Tensor;

use crate::config::MethodKind;
use crate::encoders::{Encoder, Maps};
use crate::error::Result;
use crate::parameters::ParamSpec;
use crate::weights::Tensors;

/// What a head is given of every segment.
#[derive(Debug, Clone)]
pub struct Features {
    /// Pooled, [B, T, d_v].
    pub visual: Tensor,
    /// Pooled, [B, T, d_a].
    pub audio: Tensor,
    /// The visual token maps that were asked for ([`Maps`]), [B T, L, d] each, finest first; the last one after the
    /// final norm, the others as their stage's last block leaves them.
    pub maps: Vec<Tensor>,
}

/// The two frozen encoders; the same one twice when it is shared.
#[derive(Clone)]
pub struct Encoders {
    /// For frames.
    pub visual: Arc<dyn Encoder>,
    /// For spectrograms.
    pub audio: Arc<dyn Encoder>,
}

/// Clips (B) and segments a clip (T) of a batch; images are ordered clip by clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClipShape {
    /// Clips (B).
    pub clips: usize,
    /// Segments a clip (T).
    pub segments: usize,
}

impl ClipShape {
    /// Images of a modality (B T).
    pub fn images(self) -> usize {
        self.clips * self.segments
    }

    /// [B T, d] -> [B, T, d].
    ///
    /// # Errors
    /// If the tensor has another number of rows.
    pub fn unflatten(self, features: &Tensor) -> Result<Tensor> {
        let width = features.dim(1)?;
        Ok(features.reshape((self.clips, self.segments, width))?)
    }
}

/// A way of turning frames and spectrograms into features with what it has learned.
pub trait Method: Send + Sync {
    /// Which method this is.
    fn kind(&self) -> MethodKind;

    /// What it learns.
    fn parameters(&self) -> Vec<ParamSpec>;

    /// Frames [B T, 3, H, W] and spectrograms [B T, 3, H', W'] -> pooled features and the visual token maps asked for,
    /// with the tensors named by [`Method::parameters`]. A graph is kept where those take part in one.
    ///
    /// # Errors
    /// If shapes do not fit or a parameter is absent.
    fn features(
        &self,
        parameters: &Tensors,
        frames: &Tensor,
        spectrogram: &Tensor,
        shape: ClipShape,
        maps: Maps,
    ) -> Result<Features>;

    /// Visual token maps of frames [N, 3, H, W] as the encoder leaves them without prompts, [N, L, d] each.
    ///
    /// # Errors
    /// If the frames have another size.
    fn unadapted(&self, parameters: &Tensors, frames: &Tensor, maps: Maps) -> Result<Vec<Tensor>>;
}
