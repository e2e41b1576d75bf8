//! The alignment of the consistency loss (eq. 10): a bias-free map of audio features to the visual width, only where
//! widths differ. Every task has it beside its head.

use candle_core::Tensor;
use copl_networks::Result;
use copl_networks::kernels::Execution;
use copl_networks::weights::Tensors;

use crate::parameters::{ParamGroup, ParamSpec};

/// Its parameter.
pub(crate) const ALIGNMENT: &str = "align.weight";

/// Whether the features of the two modalities are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compared {
    /// They are, where their widths agree; where they do not, with a map or (false) not at all.
    Mapped(bool),
    /// They are not: the method has no such loss.
    No,
}

/// What becomes of audio features before they are compared.
#[derive(Debug, Clone, Copy)]
pub struct Alignment {
    visual: usize,
    audio: usize,
    compared: Compared,
    execution: Execution,
}

impl Alignment {
    /// For features of widths `visual` and `audio`.
    pub fn new(visual: usize, audio: usize, compared: Compared, execution: Execution) -> Self {
        Self { visual, audio, compared, execution }
    }

    fn maps(&self) -> bool {
        self.compared == Compared::Mapped(true) && self.visual != self.audio
    }

    /// What it learns: `align.weight`.
    pub fn parameters(&self) -> Vec<ParamSpec> {
        match self.maps() {
            true => ParamSpec::linear("align", self.audio, self.visual, false, ParamGroup::ALIGNMENT),
            false => Vec::new(),
        }
    }

    /// Audio features [B, T, d_a] as they are compared with visual ones: [B, T, d_v] where widths differ and a map is
    /// learned, [B, T, 0] where the method compares none, unchanged else.
    ///
    /// # Errors
    /// If shapes do not fit or a parameter is absent.
    pub fn aligned(&self, parameters: &Tensors, audio: &Tensor) -> Result<Tensor> {
        if self.compared == Compared::No {
            let (clips, segments, _) = audio.dims3()?;
            return Ok(Tensor::zeros((clips, segments, 0), audio.dtype(), audio.device())?);
        }
        if !self.maps() {
            return Ok(audio.clone());
        }
        Ok(self.execution.linear(audio, &parameters.get(ALIGNMENT)?, None)?)
    }
}
