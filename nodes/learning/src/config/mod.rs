//! What a user chooses about a model: task, method, head, encoders.
//!
//! Defaults are the paper's readings for AVE. Settings of methods and heads are theirs ([`crate::methods`],
//! [`crate::heads`]); how a configuration is kept in files is `stored`'s affair.

mod stored;

use copl_contract::task::{self, Task};
pub use copl_networks::settings::{NODE, SHARED};
use serde::{Deserialize, Serialize};

use crate::heads::HeadConfig;
use crate::methods::MethodConfig;
use crate::methods::copl::CoplSettings;

/// Everything that defines a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "stored::Stored", into = "stored::Stored")]
pub struct ModelConfig {
    /// The task.
    pub task: Task,
    /// The method, with its settings.
    pub method: MethodConfig,
    /// The task's head, with its settings.
    pub head: HeadConfig,
    /// Segments a clip (T).
    pub segments: usize,
    /// Classes a segment is sorted into, or answers to questions.
    pub classes: usize,
    /// The consistency loss is on: audio features are aligned to the visual width where widths differ.
    pub consistency: bool,
    /// Seed of every random number of the model.
    pub seed: u64,
    /// Preset name of the visual encoder, or `node`.
    pub visual_encoder: String,
    /// `shared`, `node`, or the preset name of the audio encoder.
    pub audio_encoder: String,
    /// Weights of the visual encoder: a safetensors file, `random`, or none for those inside the program.
    pub visual_weights: Option<String>,
    /// Weights of the audio encoder, when it is not shared.
    pub audio_weights: Option<String>,
}

impl ModelConfig {
    /// Of a task, with its default head.
    pub fn of(task: Task) -> Self {
        Self {
            task,
            method: CoplSettings::default().into(),
            head: HeadConfig::of(task),
            segments: 10,
            classes: 29,
            consistency: true,
            seed: 0,
            visual_encoder: "swin-v2-nano".to_string(),
            audio_encoder: SHARED.to_string(),
            visual_weights: None,
            audio_weights: None,
        }
    }
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self::of(task::AVE)
    }
}
