//! Linear probe: frozen features, only the head learns. CoPL with every switch off (the first row of its Table 4).

use candle_core::Tensor;
use copl_networks::Result;
use copl_networks::encoders::Maps;
use copl_networks::weights::Tensors;

use super::{ClipShape, Encoders, Features, Method, unprompted};
use crate::config::MethodKind;
use crate::parameters::ParamSpec;

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
        let Encoders { visual: eyes, audio: ears } = &self.encoders;
        let (mut visual, mut audio) = (eyes.open(frames)?, ears.open(spectrogram)?);
        unprompted(&mut *visual, eyes.blocks().len(), &maps.blocks(eyes.blocks()))?;
        unprompted(&mut *audio, ears.blocks().len(), &[])?;
        Features::close(&mut *visual, &mut *audio, maps, shape)
    }

    fn unadapted(&self, _: &Tensors, frames: &Tensor, maps: Maps) -> Result<Vec<Tensor>> {
        self.encoders.unadapted(frames, maps)
    }
}
