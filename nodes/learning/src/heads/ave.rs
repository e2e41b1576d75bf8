//! Audio-visual event localisation: every segment is sorted into one of the classes, background among them.
//!
//! [f_v ; f_a] -> logits.

use candle_core::Tensor;
use copl_networks::Result;
use copl_networks::kernels::{Execution, linear};
use copl_networks::weights::Tensors;

use super::{Head, HeadInput, HeadOutput};
use crate::config::HeadKind;
use crate::parameters::{ParamGroup, ParamSpec};

/// Width between the layers of the two-linear head.
const HIDDEN: usize = 512;

/// The head.
#[derive(Debug, Clone)]
pub struct AveHead {
    kind: HeadKind,
    classes: usize,
    visual: usize,
    audio: usize,
}

impl AveHead {
    /// For features of widths `visual` and `audio`.
    pub fn new(kind: HeadKind, classes: usize, visual: usize, audio: usize) -> Self {
        Self { kind, classes, visual, audio }
    }
}

impl Head for AveHead {
    /// `classifier.*`.
    fn parameters(&self) -> Vec<ParamSpec> {
        let inputs = self.visual + self.audio;
        let head = |name: &str, from, to| ParamSpec::linear(name, from, to, true, ParamGroup::Head);
        match self.kind {
            HeadKind::Linear => head("classifier", inputs, self.classes),
            HeadKind::TwoLinear => {
                [head("classifier.hidden", inputs, HIDDEN), head("classifier.output", HIDDEN, self.classes)].concat()
            }
        }
    }

    /// Logits [B, T, classes].
    fn predict(&self, parameters: &Tensors, _: &Tensors, input: HeadInput<'_>) -> Result<HeadOutput> {
        let both = Tensor::cat(&[&input.features.visual, &input.features.audio], 2)?;
        let logits = match self.kind {
            HeadKind::Linear => layer(parameters, "classifier", &both),
            HeadKind::TwoLinear => {
                layer(parameters, "classifier.output", &layer(parameters, "classifier.hidden", &both)?)
            }
        };
        Ok(HeadOutput::of(logits?))
    }
}

fn layer(parameters: &Tensors, name: &str, x: &Tensor) -> Result<Tensor> {
    let (weight, bias) = (parameters.get(&format!("{name}.weight"))?, parameters.get(&format!("{name}.bias"))?);
    Ok(linear(x, &weight, Some(&bias), Execution::Fast)?)
}
