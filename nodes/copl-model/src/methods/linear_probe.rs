//! Linear probe: frozen features, only the head learns. CoPL with every switch off (the first row of its Table 4).

use candle_core::Tensor;

use super::{ClipShape, Encoders, Features, Method};
use crate::config::MethodKind;
use crate::encoders::Maps;
use crate::error::Result;
use crate::parameters::ParamSpec;
use crate::segments::Pass;
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
        let Encoders { visual: eyes, audio: ears } = &self.encoders;
        let (mut visual, mut audio) = (eyes.open(frames)?, ears.open(spectrogram)?);
        run(&mut *visual, eyes.blocks().len(), &maps.blocks(eyes.blocks()))?;
        run(&mut *audio, ears.blocks().len(), &[])?;
        Features::close(&mut *visual, &mut *audio, maps, shape)
    }
}

/// All blocks without prompts; the tokens after those `wanted` are kept, but for the last.
fn run(pass: &mut dyn Pass, blocks: usize, wanted: &[usize]) -> Result<()> {
    let mut start = 0;
    for end in wanted.iter().map(|block| block + 1).filter(|end| *end < blocks) {
        pass.run(start..end, None, true)?;
        start = end;
    }
    pass.run(start..blocks, None, false)
}
