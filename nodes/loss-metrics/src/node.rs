//! The node: its description, and its loop, in which predictions meet their targets.

use std::collections::VecDeque;

use copl_contract::schema::Schema;
use copl_contract::settings::Settings;
use copl_contract::{EdgeSpec, Edges, Message, Node, NodeError, NodeSpec};

use crate::registry::TaskSettings;
use crate::running::{Running, positions};

copl_contract::settings! {
    /// Settings of `loss-metrics`.
    pub struct LossMetricsSettings {
        "CONSISTENCY" consistency: f64 = "0.005", "Weight lambda of the consistency loss L_con (equation 11); 0 leaves it out.";
        ..tasks: TaskSettings;
    }
}

/// The node.
#[derive(Debug)]
pub struct LossMetrics;

impl Node for LossMetrics {
    type Settings = LossMetricsSettings;

    fn spec() -> NodeSpec {
        NodeSpec {
            name: "loss-metrics",
            about: "loss, its gradients sent back to the model, and metrics; picks the model on the validation split",
            settings: LossMetricsSettings::specs(),
            inputs: vec![
                EdgeSpec::required(
                    "clips",
                    copl_contract::spec::CLIPS,
                    "the clips with their targets, which decide the task",
                ),
                EdgeSpec::required(
                    "predictions",
                    copl_contract::spec::PREDICTIONS,
                    "what the model says of each batch; tombstones of clips that were not decoded",
                ),
                EdgeSpec::optional("frames", &[Schema::Frames], "the frames, to show masks over them in the report"),
            ],
            outputs: vec![
                EdgeSpec::required(
                    "gradients",
                    copl_contract::spec::ANSWERS,
                    "the loss's gradient for each training batch; a verdict after each validation pass",
                ),
                EdgeSpec::required(
                    "report",
                    copl_contract::spec::REPORT_TABLES,
                    "a `samples` row for every clip, `metrics`, `quarantine`, `nodes`, `masks`, `answers`",
                )
                // Of a batch of one clip its sample, and its metrics, answers, masks or quarantine before that; of a pass
                // its metrics, the node's own time, the boundary, a checkpoint.
                .messages(2, 4),
            ],
            check: |env| {
                let settings = LossMetricsSettings::from_env(env)?;
                match settings.consistency >= 0.0 {
                    true => settings.tasks.get().check(),
                    false => Err(("CONSISTENCY".to_owned(), "a weight is not negative".to_owned())),
                }
            },
        }
    }

    fn run(settings: Self::Settings, edges: &mut Edges) -> Result<(), NodeError> {
        let reads_frames = edges.input_names().any(|name| name == "frames");
        let mut node = Running::new(settings.consistency, settings.tasks.get().clone(), reads_frames, edges)?;
        let mut waiting: VecDeque<Message> = VecDeque::new();
        while let Some(message) = edges.recv()? {
            match message.input.as_str() {
                "clips" | "frames" => node.add(message),
                _ => waiting.push_back(message),
            }
            // A prediction may overtake its target: the two come on different edges.
            while let Some(head) = waiting.front() {
                if !node.have(&positions(head)?) {
                    break;
                }
                if let Some(message) = waiting.pop_front() {
                    node.take(edges, &message)?;
                }
            }
        }
        match waiting.len() {
            0 => Ok(()),
            n => Err(NodeError::contract("predictions", format!("{n} predictions have no target"))),
        }
    }
}
