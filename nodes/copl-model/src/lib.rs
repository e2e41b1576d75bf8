//! Node `copl-model`: frozen encoders, a prompt method and a head; trains them, evaluates them, keeps the best.
//!
//! Frames, spectrogram and question of a clip meet here by their place in the run. `BATCH` clips make a step: predictions go to the
//! loss node, which sends the gradient with respect to each prediction back; it is carried on through head, prompts and
//! frozen encoders, and the optimizer steps. After each validation pass the loss node's verdict says whether these are the
//! best parameters so far; the test split is predicted with the best. Between two batches, every `CHECKPOINT_STEPS` steps, at
//! the end of each pass, and when it is asked to, it begins a checkpoint ([`copl_contract::checkpoint`]).

mod join;
mod nodes;
mod questions;
mod resume;
mod running;
mod settings;

use copl_contract::schema::Schema;
use copl_contract::settings::Settings;
use copl_contract::{EdgeSpec, Edges, Node, NodeError, NodeSpec};
use copl_learning::config::NODE;
use copl_networks::wire;
pub use settings::CoplModelSettings;

/// The node.
#[derive(Debug)]
pub struct CoplModel;

impl Node for CoplModel {
    type Settings = CoplModelSettings;

    fn spec() -> NodeSpec {
        NodeSpec {
            name: "copl-model",
            about: "frozen encoders, a prompt method and a head; trains, evaluates and keeps the best",
            settings: CoplModelSettings::specs(),
            inputs: vec![
                EdgeSpec::required("frames", &[Schema::Frames], "the frames of each clip")
                    .shaped(settings::frames_shape),
                EdgeSpec::required("spectrogram", &[Schema::Spectrogram], "the spectrogram segments of each clip")
                    .shaped(settings::spectrogram_shape),
                EdgeSpec::optional(
                    "questions",
                    &[Schema::QuestionWords, Schema::QuestionFeatures],
                    "the question of each clip; needed by the task avqa, and by no other",
                ),
                EdgeSpec::required(
                    "gradients",
                    copl_contract::spec::ANSWERS,
                    "the loss's gradients, and the verdict on each validation pass",
                )
                .feedback(),
                EdgeSpec::optional("visual", wire::FROM_ENCODER, "answers of the encoder node of the frames")
                    .feedback()
                    .with("VISUAL_ENCODER", NODE),
                EdgeSpec::optional("audio", wire::FROM_ENCODER, "answers of the encoder node of the spectrograms")
                    .feedback()
                    .with("AUDIO_ENCODER", NODE),
            ],
            outputs: vec![
                EdgeSpec::required(
                    "predictions",
                    copl_contract::spec::PREDICTIONS,
                    "predictions of each batch; a tombstone for a clip that was not decoded",
                ),
                EdgeSpec::optional("visual", wire::TO_ENCODER, "what the encoder node of the frames is asked")
                    .with("VISUAL_ENCODER", NODE),
                EdgeSpec::optional("audio", wire::TO_ENCODER, "what the encoder node of the spectrograms is asked")
                    .with("AUDIO_ENCODER", NODE),
                EdgeSpec::optional(
                    "report",
                    copl_contract::spec::REPORT_TABLES,
                    "rows of `params`, `checkpoints` and `nodes`",
                ),
            ],
            check: settings::check,
        }
    }

    fn run(settings: Self::Settings, edges: &mut Edges) -> Result<(), NodeError> {
        running::run(&settings, edges)
    }
}
