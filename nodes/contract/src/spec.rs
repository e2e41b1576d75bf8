//! The description of a node: what `copl nodes`, `copl check`, `copl graph` and the docs are generated from.

use crate::schema::{Schema, Table};
use crate::settings::{Env, SettingSpec};

/// One axis of a tensor on an edge: its length, and the setting that decides it (empty where none does).
pub type Axis = (usize, &'static str);
/// The shape tensors have with given settings; none where settings do not decide it, or are wrong.
pub type ShapeOf = fn(&Env) -> Option<Vec<Axis>>;

/// Messages that may be under way on an edge at once, with given settings; none where they are wrong.
pub type HoldingOf = fn(&Env) -> Option<usize>;

/// An input or output of a node.
#[derive(Clone, Debug)]
pub struct EdgeSpec {
    /// Name in the dataflow.
    pub name: &'static str,
    /// Schemas of the payloads it may carry; of a report, the tables.
    pub schemas: &'static [Schema],
    /// Whether the node works without it.
    pub optional: bool,
    /// Whether it closes a cycle: credits and gradients flow back. A node does not wait for such an input to close.
    pub feedback: bool,
    /// Any name with this name as prefix is such an edge too (`report_video`, `report_model`, …).
    pub many: bool,
    /// A setting and the value with which the node needs it, and without which it is of no use.
    pub with: Option<(&'static str, &'static str)>,
    /// What it is for.
    pub meaning: &'static str,
    /// The shape its tensors have with these settings; none where settings do not decide it, or are wrong.
    pub shape: Option<ShapeOf>,
    /// Messages on it at most for each clip under way, and for each boundary.
    pub messages: (usize, usize),
    /// How many messages may be under way on it at once, where that is more than the clips of the window.
    pub holding: Option<HoldingOf>,
}

impl EdgeSpec {
    /// An edge that must be connected.
    pub const fn required(name: &'static str, schemas: &'static [Schema], meaning: &'static str) -> Self {
        Self {
            name,
            schemas,
            optional: false,
            feedback: false,
            many: false,
            with: None,
            meaning,
            shape: None,
            messages: (1, 1),
            holding: None,
        }
    }

    /// An edge that may be left out.
    pub const fn optional(name: &'static str, schemas: &'static [Schema], meaning: &'static str) -> Self {
        let mut edge = Self::required(name, schemas, meaning);
        edge.optional = true;
        edge
    }

    /// The same edge, closing a cycle.
    pub const fn feedback(mut self) -> Self {
        self.feedback = true;
        self
    }

    /// The same edge, any number of times under names that start with this one.
    pub const fn many(mut self) -> Self {
        self.many = true;
        self
    }

    /// The same edge, needed where a setting has a value, and of no use where it has not.
    pub const fn with(mut self, key: &'static str, value: &'static str) -> Self {
        self.with = Some((key, value));
        self
    }

    /// The same edge, whose tensors have a shape that settings decide: `copl check` compares both ends of a link.
    pub const fn shaped(mut self, shape: ShapeOf) -> Self {
        self.shape = Some(shape);
        self
    }

    /// The same edge, with so many messages at most for each clip under way and for each boundary: `copl check` wants
    /// queues that hold them.
    pub const fn messages(mut self, per_clip: usize, per_boundary: usize) -> Self {
        self.messages = (per_clip, per_boundary);
        self
    }

    /// The same edge, on which so many messages may be under way at once: `copl check` wants queues that hold them.
    pub const fn holding(mut self, holding: HoldingOf) -> Self {
        self.holding = Some(holding);
        self
    }

    /// Whether a node of these settings, with these values given, has use for it.
    fn is_of_use(&self, settings: &[SettingSpec], env: &Env) -> bool {
        let default = |key: &str| settings.iter().find(|s| s.key == key)?.default.as_ref();
        self.with.is_none_or(|(key, wanted)| env.get(key).or_else(|| default(key)).is_some_and(|v| v == wanted))
    }

    /// Whether checkpoint messages take this way: behind predictions, and on to the report.
    pub fn carries_checkpoints(&self) -> bool {
        self.schemas == PREDICTIONS || self.schemas == REPORT_TABLES
    }

    /// Whether `name` is this edge.
    pub fn answers_to(&self, name: &str) -> bool {
        name == self.name || (self.many && name.strip_prefix(self.name).is_some_and(|rest| rest.starts_with('_')))
    }
}

/// A node that this build holds.
#[derive(Clone, Debug)]
pub struct NodeSpec {
    /// Name in `args: node NAME`.
    pub name: &'static str,
    /// One line on what it does.
    pub about: &'static str,
    /// Its settings.
    pub settings: Vec<SettingSpec>,
    /// Its inputs.
    pub inputs: Vec<EdgeSpec>,
    /// Its outputs.
    pub outputs: Vec<EdgeSpec>,
    /// Checks beyond single settings, on the whole `env:` map: key and problem.
    pub check: fn(&Env) -> Result<(), (String, String)>,
}

impl NodeSpec {
    /// The input of this name.
    pub fn input(&self, name: &str) -> Option<&EdgeSpec> {
        self.inputs.iter().find(|e| e.answers_to(name))
    }

    /// Whether a node with these settings has use for an edge.
    pub fn uses(&self, edge: &EdgeSpec, env: &Env) -> bool {
        edge.is_of_use(&self.settings, env)
    }

    /// The description of a node with these settings: an edge they need must be connected.
    pub fn settled(mut self, env: &Env) -> Self {
        for edge in self.inputs.iter_mut().chain(&mut self.outputs) {
            edge.optional &= edge.with.is_none() || !edge.is_of_use(&self.settings, env);
        }
        self
    }

    /// The output of this name.
    pub fn output(&self, name: &str) -> Option<&EdgeSpec> {
        self.outputs.iter().find(|e| e.answers_to(name))
    }
}

/// The clips a source may stream, one schema a task.
pub const CLIPS: &[Schema] = &[Schema::Clips, Schema::MaskClips, Schema::QuestionClips];

/// What a model may say of them, in the order of [`CLIPS`].
pub const PREDICTIONS: &[Schema] =
    &[Schema::Predictions, Schema::MaskPredictions, Schema::MatchedMaskPredictions, Schema::AnswerPredictions];

/// What a loss may answer: gradients in the order of [`CLIPS`], and the verdict on a validation pass.
pub const ANSWERS: &[Schema] =
    &[Schema::Gradients, Schema::MaskGradients, Schema::MatchedMaskGradients, Schema::AnswerGradients, Schema::Verdict];

/// The tables a `report` edge may carry.
pub const REPORT_TABLES: &[Schema] = Table::SCHEMAS;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Env, Settings};

    crate::settings! {
        /// Settings of a node for the test.
        pub struct Kinds {
            "KIND" kind: String = "plain", "What it is.";
        }
    }

    #[test]
    fn an_edge_that_a_setting_needs_is_required_with_it() {
        let spec = || NodeSpec {
            name: "some",
            about: "",
            settings: Kinds::specs(),
            inputs: vec![EdgeSpec::optional("extra", &[Schema::Tensor], "").with("KIND", "special")],
            outputs: vec![EdgeSpec::optional("report", REPORT_TABLES, "")],
            check: |_| Ok(()),
        };
        let env = |kind: &str| -> Env { [("KIND".to_owned(), kind.to_owned())].into() };
        for (env, uses) in [(Env::new(), false), (env("plain"), false), (env("special"), true)] {
            assert_eq!(spec().uses(&spec().inputs[0], &env), uses);
            assert_eq!(spec().settled(&env).inputs[0].optional, !uses);
            assert!(spec().settled(&env).outputs[0].optional && spec().uses(&spec().outputs[0], &env));
        }
    }
}
