//! Audio-visual event localisation: every segment is sorted into one of the classes, background among them.
//!
//! [f_v ; f_a] -> logits.

use candle_core::Tensor;
use copl_contract::setting_choice::ChosenGroup;
use copl_contract::settings::Settings;
use copl_networks::Result;
use copl_networks::kernels::Execution;
use copl_networks::weights::Tensors;

use super::layers::dense;
use super::{Family, Head, HeadInput, HeadOutput, HeadPlace, HeadSettings};
use crate::parameters::{ParamGroup, ParamSpec};

copl_contract::choice! {
    /// What stands between the pooled features and the class scores.
    pub enum HeadKind {
        /// One linear layer (the paper's words).
        Linear = "linear",
        /// Two linear layers with 512 between, no non-linearity (what the compared codebases use).
        TwoLinear = "two-linear",
    }
}

copl_contract::settings! {
    /// Settings of event localisation's head.
    pub struct AveSettings {
        "HEAD" head: HeadKind = "linear", "linear (the paper's words), or two-linear with 512 between (the compared codebases).";
    }
}

/// Its entry in the registry.
pub static FAMILY: Family = Family {
    tasks: &["ave"],
    groups: |_, _| vec![ChosenGroup { applies: "TASK ave", chosen: true, specs: AveSettings::specs() }],
    read: |_, parts| {
        parts
            .iter()
            .try_fold(AveSettings { head: HeadKind::Linear }, |_, env| AveSettings::from_env(env))
            .map(Into::into)
    },
};

impl HeadSettings for AveSettings {
    fn values(&self) -> Vec<(&'static str, String)> {
        Settings::values(self)
    }

    fn build(&self, place: HeadPlace<'_>) -> Result<Box<dyn Head>> {
        Ok(Box::new(AveHead::new(self.head, place)))
    }
}

/// Width between the layers of the two-linear head.
const HIDDEN: usize = 512;

/// The head.
#[derive(Debug, Clone)]
pub struct AveHead {
    kind: HeadKind,
    classes: usize,
    visual: usize,
    audio: usize,
    execution: Execution,
}

impl AveHead {
    /// On encoders of these sizes.
    pub fn new(kind: HeadKind, place: HeadPlace<'_>) -> Self {
        let HeadPlace { classes, visual, audio, execution } = place;
        Self { kind, classes, visual: visual.out_dim(), audio: audio.out_dim(), execution }
    }
}

impl Head for AveHead {
    /// `classifier.*`.
    fn parameters(&self) -> Vec<ParamSpec> {
        let inputs = self.visual + self.audio;
        let head = |name: &str, from, to| ParamSpec::linear(name, from, to, true, ParamGroup::HEAD);
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
        let layer = |name: &str, x: &Tensor| dense(parameters, name, x, self.execution);
        let logits = match self.kind {
            HeadKind::Linear => layer("classifier", &both),
            HeadKind::TwoLinear => layer("classifier.output", &layer("classifier.hidden", &both)?),
        };
        Ok(HeadOutput::of(logits?))
    }
}
