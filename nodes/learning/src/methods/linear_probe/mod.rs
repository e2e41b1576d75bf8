//! Linear probe: frozen features, only the head learns. CoPL with every switch off (the first row of its Table 4).

use candle_core::Tensor;
use copl_contract::settings::check_keys;
use copl_networks::Result;
use copl_networks::encoders::Maps;
use copl_networks::kernels::Execution;

use super::{
    Adapted, Built, EncoderShapes, EncoderSources, Encoders, Family, Features, Learned, Method, MethodInput,
    MethodSettings, Training, unprompted,
};
use crate::parameters::ParamSpec;

/// Its entry in the registry.
pub static FAMILY: Family = Family {
    word: "linear-probe",
    about: "frozen encoders, only the head learns",
    settings: &[],
    training: Training::of_paper,
    read: |_, env| check_keys(env, &[]).map(|()| LinearProbe.into()),
};

/// The method; it has no settings.
#[derive(Debug)]
pub struct LinearProbe;

impl MethodSettings for LinearProbe {
    fn family(&self) -> &'static Family {
        &FAMILY
    }

    fn values(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    fn parameters(&self, _: usize, _: EncoderShapes<'_>) -> Result<Vec<ParamSpec>> {
        Ok(Vec::new())
    }

    fn build(&self, _: usize, encoders: EncoderSources, execution: Execution) -> Result<Built> {
        Ok(Built::of(Probe { encoders: encoders.frozen(execution)? }))
    }
}

/// The method on its encoders.
pub struct Probe {
    encoders: Encoders,
}

impl Probe {
    /// On these encoders.
    pub fn new(encoders: Encoders) -> Self {
        Self { encoders }
    }
}

impl Method for Probe {
    fn features(&self, _: Learned<'_>, input: MethodInput<'_>) -> Result<Adapted> {
        let MethodInput { frames, spectrogram, shape, maps, .. } = input;
        let Encoders { visual: eyes, audio: ears } = &self.encoders;
        let (mut visual, mut audio) = (eyes.open(frames)?, ears.open(spectrogram)?);
        unprompted(&mut *visual, eyes.blocks().len(), &maps.blocks(eyes.blocks()))?;
        unprompted(&mut *audio, ears.blocks().len(), &[])?;
        Ok(Adapted::of(Features::close(&mut *visual, &mut *audio, maps, shape)?))
    }

    fn unadapted(&self, _: Learned<'_>, frames: &Tensor, maps: Maps) -> Result<Vec<Tensor>> {
        self.encoders.unadapted(frames, maps)
    }
}
