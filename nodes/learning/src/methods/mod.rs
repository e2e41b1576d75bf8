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
use copl_networks::encoders::{Encoder, Maps};
use copl_networks::handles::{EncoderHandle, LocalEncoder, Traversal, await_answers};
use copl_networks::weights::Tensors;
use copl_networks::{Error, Result};

use crate::config::MethodKind;
use crate::parameters::ParamSpec;

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

impl Features {
    /// Of two passes whose blocks have run.
    fn close(visual: &mut dyn Traversal, audio: &mut dyn Traversal, maps: Maps, shape: ClipShape) -> Result<Self> {
        visual.finish(maps != Maps::None)?;
        audio.finish(false)?;
        let [mut visual, mut audio] = await_answers([visual, audio])?;
        let maps = visual.split_off(1);
        let pooled = |tensors: &mut Vec<Tensor>| match tensors.pop() {
            Some(pooled) => shape.unflatten(&pooled),
            None => Err(Error::Segments("a pass ended without features".to_string())),
        };
        Ok(Self { visual: pooled(&mut visual)?, audio: pooled(&mut audio)?, maps })
    }
}

/// The two frozen encoders, wherever they run; the same one twice when it is shared.
#[derive(Clone)]
pub struct Encoders {
    /// For frames.
    pub visual: Arc<dyn EncoderHandle>,
    /// For spectrograms.
    pub audio: Arc<dyn EncoderHandle>,
}

impl Encoders {
    /// Both in this process.
    pub fn here(visual: Arc<dyn Encoder>, audio: Arc<dyn Encoder>) -> Self {
        Self { visual: Arc::new(LocalEncoder(visual)), audio: Arc::new(LocalEncoder(audio)) }
    }

    /// Visual token maps without prompts; see [`Method::unadapted`].
    fn unadapted(&self, frames: &Tensor, maps: Maps) -> Result<Vec<Tensor>> {
        let blocks = self.visual.blocks();
        let mut pass = self.visual.open(frames)?;
        unprompted(&mut *pass, blocks.len(), &maps.blocks(blocks))?;
        pass.finish(maps != Maps::None)?;
        let [mut found] = await_answers([&mut *pass])?;
        Ok(found.split_off(1))
    }
}

/// All blocks without prompts; the tokens after those `wanted` are kept, but for the last.
fn unprompted(pass: &mut dyn Traversal, blocks: usize, wanted: &[usize]) -> Result<()> {
    let mut start = 0;
    for end in wanted.iter().map(|block| block + 1).filter(|end| *end < blocks) {
        pass.run(start..end, None, true)?;
        start = end;
    }
    pass.run(start..blocks, None, false)
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
    /// with the tensors named by [`Method::parameters`]. A graph is kept where those take part in one. Images for an
    /// encoder elsewhere are as decoders send them.
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
