//! Linear probe: frozen features, only the head learns. CoPL with every switch off (the first row of its Table 4).

use candle_core::Tensor;

use super::{ClipShape, Encoders, Features, Method};
use crate::config::MethodKind;
use crate::encoders::{Maps, encode};
use crate::error::Result;
use crate::parameters::ParamSpec;
use crate::weights::Tensors;

/// The method.
pub struct LinearProbe {
    encoders: Encoders,
}

impl LinearProbe {
    /// On these encoders.
    pub fn new(encoders: Encoders) -> Self {
        Self { encoders }
    }
}

impl Method for LinearProbe {
    fn kind(&self) -> MethodKind {
        MethodKind::LinearProbe
    }

    fn parameters(&self) -> Vec<ParamSpec> {
        Vec::new()
    }

    fn features(
        &self,
        _: &Tensors,
        frames: &Tensor,
        spectrogram: &Tensor,
        shape: ClipShape,
        maps: Maps,
    ) -> Result<Features> {
        let visual = encode(&*self.encoders.visual, frames, maps)?;
        let audio = encode(&*self.encoders.audio, spectrogram, Maps::None)?;
        Ok(Features {
            visual: shape.unflatten(&visual.pooled)?,
            audio: shape.unflatten(&audio.pooled)?,
            maps: visual.maps,
        })
    }

    fn unadapted(&self, _: &Tensors, frames: &Tensor, maps: Maps) -> Result<Vec<Tensor>> {
        Ok(encode(&*self.encoders.visual, frames, maps)?.maps)
    }
}
