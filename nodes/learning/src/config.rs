//! What a user chooses about a model: method, encoders, head, and CoPL's own settings.
//!
//! Defaults are the paper's readings for AVE. Enumerations are written in kebab-case, in files and in environment
//! variables alike.

use copl_networks::encoders::{Granularity, PromptBias};
pub use copl_networks::settings::{NODE, SHARED};
use serde::{Deserialize, Serialize};

copl_contract::choice! {
    /// What is asked of a clip; it decides the head.
    pub enum Task {
        /// Audio-visual event localisation: a class for every segment.
        Ave = "ave",
        /// Audio-visual segmentation: the mask of the sounding object in every segment's frame.
        Avs = "avs",
        /// Audio-visual question answering: one of the answers.
        Avqa = "avqa",
    }
}

copl_contract::choice! {
    /// How encoders are adapted to the task.
    pub enum MethodKind {
        /// Collaborative prompts on frozen encoders.
        Copl = "copl",
        /// Frozen encoders, only the head learns.
        LinearProbe = "linear-probe",
        /// Every encoder weight learns.
        Full = "full",
    }
}

copl_contract::choice! {
    /// Which rows of the frame prompts a segment sees.
    pub enum FramePrompts {
        /// Segment t sees row t.
        Own = "own",
        /// Every segment sees all rows.
        All = "all",
    }
}

copl_contract::choice! {
    /// What stands between the pooled features and the class scores.
    pub enum HeadKind {
        /// One linear layer (the paper's words).
        Linear = "linear",
        /// Two linear layers with 512 between, no non-linearity (what the compared codebases use).
        TwoLinear = "two-linear",
    }
}

copl_contract::choice! {
    /// What makes masks of the maps, in segmentation.
    pub enum DecoderKind {
        /// AVSBench's decoder with audio-visual interaction (what the paper and the compared codebases use).
        Avsbench = "avsbench",
        /// One linear layer over all maps at a pixel and the sound.
        Linear = "linear",
    }
}

copl_contract::choice! {
    /// What answers questions.
    pub enum AnswerHead {
        /// The official head (AVST): grounding of the sound, attention to seconds, the match of sound and frame.
        Avst = "avst",
        /// Logits linear in the features, given the question.
        Linear = "linear",
    }
}

/// Settings of collaborative prompts. The five switches of the paper's ablation are the four here and
/// [`ModelConfig::consistency`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CoplConfig {
    /// Global prompts on.
    pub global: bool,
    /// Frame prompts on.
    pub frame: bool,
    /// Interaction prompts on.
    pub interaction: bool,
    /// Interaction prompts come from a bank; off: one learned prompt set for all samples.
    pub bank: bool,
    /// Global prompts a site (L_g).
    pub global_len: usize,
    /// Interaction prompts a site and modality (L_I); a block sees twice as many.
    pub interaction_len: usize,
    /// Prompts in a bank (q).
    pub bank_len: usize,
    /// Sites at the end of each encoder that exchange prompts (k). None: as many as the encoders' architectures say (2;
    /// 4 of a ViT, whose sites are blocks), the smaller number where they differ.
    pub coupled_sites: Option<usize>,
    /// What a site is.
    pub granularity: Granularity,
    /// Position bias of prompts.
    pub prompt_bias: PromptBias,
    /// Which frame prompts a segment sees.
    pub frame_prompts: FramePrompts,
    /// The mapping between modalities narrows to min(d_v, d_a) / bottleneck.
    pub bottleneck: usize,
}

impl Default for CoplConfig {
    fn default() -> Self {
        Self {
            global: true,
            frame: true,
            interaction: true,
            bank: true,
            global_len: 20,
            interaction_len: 20,
            bank_len: 10,
            coupled_sites: None,
            granularity: Granularity::Stage,
            prompt_bias: PromptBias::Zero,
            frame_prompts: FramePrompts::Own,
            bottleneck: 8,
        }
    }
}

/// Everything that defines a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelConfig {
    /// The task.
    pub task: Task,
    /// The method.
    pub method: MethodKind,
    /// Settings read by the method `copl` alone.
    pub copl: CoplConfig,
    /// Segments a clip (T).
    pub segments: usize,
    /// Classes a segment is sorted into, or answers to questions.
    pub classes: usize,
    /// The head of event localisation.
    pub head: HeadKind,
    /// What makes the masks, in segmentation.
    pub decoder: DecoderKind,
    /// Rows and columns of a mask, in segmentation.
    pub mask_size: usize,
    /// Width of AVSBench's decoder, in segmentation.
    pub decoder_width: usize,
    /// The head of question answering.
    pub answer_head: AnswerHead,
    /// Width of the head, in question answering.
    pub head_width: usize,
    /// Attention heads of the head, in question answering.
    pub head_attention: usize,
    /// Words of the questions are numbered below this, in question answering; the official vocabulary has 93.
    pub vocabulary: usize,
    /// Width of the vectors that questions come as, where a text encoder makes them; none: they come as words.
    pub question_width: Option<usize>,
    /// Rate of dropout in the head, in question answering.
    pub dropout: f64,
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

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            task: Task::Ave,
            method: MethodKind::Copl,
            copl: CoplConfig::default(),
            segments: 10,
            classes: 29,
            head: HeadKind::Linear,
            decoder: DecoderKind::Avsbench,
            mask_size: 224,
            decoder_width: 256,
            answer_head: AnswerHead::Avst,
            head_width: 512,
            head_attention: 4,
            vocabulary: 93,
            question_width: None,
            dropout: 0.1,
            consistency: true,
            seed: 0,
            visual_encoder: "swin-v2-nano".to_string(),
            audio_encoder: SHARED.to_string(),
            visual_weights: None,
            audio_weights: None,
        }
    }
}
