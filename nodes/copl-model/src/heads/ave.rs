//! Audio-visual event localisation: every segment is sorted into one of the classes, background among them.
//!
//! [f_v ; f_a] -> logits. Beside it stands the alignment of the consistency loss (eq. 10): a bias-free map of audio
//! features to the visual width, only where widths differ.

use candle_core::Tensor;

use crate::config::HeadKind;
use crate::error::Result;
use crate::kernels::{Execution, linear};
use crate::methods::Features;
use crate::parameters::{ParamGroup, ParamSpec};
use crate::weights::Tensors;

/// Width between the layers of the two-linear head.
const HIDDEN: usize = 512;

/// The head.
#[derive(Debug, Clone)]
pub struct AveHead {
    kind: HeadKind,
    classes: usize,
    visual: usize,
    audio: usize,
    aligns: bool,
}

impl AveHead {
    /// For features of widths `visual` and `audio`; `consistency` says whether they will be compared.
    pub fn new(kind: HeadKind, classes: usize, visual: usize, audio: usize, consistency: bool) -> Self {
        Self { kind, classes, visual, audio, aligns: consistency && visual != audio }
    }

    /// What it learns: `classifier.*`, and `align.weight`.
    pub fn parameters(&self) -> Vec<ParamSpec> {
        let inputs = self.visual + self.audio;
        let head = |name: &str, from, to| ParamSpec::linear(name, from, to, true, ParamGroup::Head);
        let mut specs = match self.kind {
            HeadKind::Linear => head("classifier", inputs, self.classes),
            HeadKind::TwoLinear => {
                [head("classifier.hidden", inputs, HIDDEN), head("classifier.output", HIDDEN, self.classes)].concat()
            }
        };
        if self.aligns {
            specs.extend(ParamSpec::linear("align", self.audio, self.visual, false, ParamGroup::Alignment));
        }
        specs
    }

    /// Features [B, T, ·] -> logits [B, T, classes].
    ///
    /// # Errors
    /// If shapes do not fit or a parameter is absent.
    pub fn logits(&self, parameters: &Tensors, features: &Features) -> Result<Tensor> {
        let both = Tensor::cat(&[&features.visual, &features.audio], 2)?;
        match self.kind {
            HeadKind::Linear => layer(parameters, "classifier", &both),
            HeadKind::TwoLinear => {
                layer(parameters, "classifier.output", &layer(parameters, "classifier.hidden", &both)?)
            }
        }
    }

    /// Audio features [B, T, d_a] as they are compared with visual ones: [B, T, d_v] where widths differ and the
    /// consistency loss is on, unchanged else.
    ///
    /// # Errors
    /// If shapes do not fit or a parameter is absent.
    pub fn aligned(&self, parameters: &Tensors, audio: &Tensor) -> Result<Tensor> {
        if !self.aligns {
            return Ok(audio.clone());
        }
        Ok(linear(audio, &parameters.get("align.weight")?, None, Execution::Fast)?)
    }
}

fn layer(parameters: &Tensors, name: &str, x: &Tensor) -> Result<Tensor> {
    let (weight, bias) = (parameters.get(&format!("{name}.weight"))?, parameters.get(&format!("{name}.bias"))?);
    Ok(linear(x, &weight, Some(&bias), Execution::Fast)?)
}
