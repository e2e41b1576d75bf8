//! The alignment of the consistency loss (eq. 10): a bias-free map of audio features to the visual width, only where
//! widths differ. Every task has it beside its head.

use candle_core::Tensor;
use copl_networks::Result;
use copl_networks::kernels::Execution;
use copl_networks::weights::Tensors;

use crate::parameters::{ParamGroup, ParamSpec};

/// Its parameter.
pub(crate) const ALIGNMENT: &str = "align.weight";

/// The map, or none.
#[derive(Debug, Clone, Copy)]
pub struct Alignment {
    visual: usize,
    audio: usize,
    maps: bool,
    execution: Execution,
}

impl Alignment {
    /// For features of widths `visual` and `audio`; `consistency` says whether they will be compared.
    pub fn new(visual: usize, audio: usize, consistency: bool, execution: Execution) -> Self {
        Self { visual, audio, maps: consistency && visual != audio, execution }
    }

    /// What it learns: `align.weight`.
    pub fn parameters(&self) -> Vec<ParamSpec> {
        match self.maps {
            true => ParamSpec::linear("align", self.audio, self.visual, false, ParamGroup::ALIGNMENT),
            false => Vec::new(),
        }
    }

    /// Audio features [B, T, d_a] as they are compared with visual ones: [B, T, d_v] where widths differ and the
    /// consistency loss is on, unchanged else.
    ///
    /// # Errors
    /// If shapes do not fit or a parameter is absent.
    pub fn aligned(&self, parameters: &Tensors, audio: &Tensor) -> Result<Tensor> {
        if !self.maps {
            return Ok(audio.clone());
        }
        Ok(self.execution.linear(audio, &parameters.get(ALIGNMENT)?, None)?)
    }
}
