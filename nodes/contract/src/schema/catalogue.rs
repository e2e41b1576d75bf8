//! The schemas by name.

use super::column::Column;
use super::declare::Declared;
use super::declared;

macro_rules! catalogue {
    ($($variant:ident = $name:literal: $family:ident::$declared:ident,)*) => {
        /// A payload's schema.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Schema { $(#[doc = concat!("`", $name, "`; [`Schema::meaning`] says what a row is.")] $variant,)* }

        impl Schema {
            /// Every schema.
            pub const ALL: &'static [Schema] = &[$(Schema::$variant,)*];

            /// Name in the header.
            pub fn name(self) -> &'static str {
                match self { $(Schema::$variant => $name,)* }
            }

            fn declared(self) -> &'static Declared {
                match self { $(Schema::$variant => &declared::$family::$declared,)* }
            }
        }
    };
}

catalogue! {
    Clips = "clips": clips::CLIPS,
    MaskClips = "mask-clips": clips::MASK_CLIPS,
    QuestionClips = "question-clips": clips::QUESTION_CLIPS,
    QuestionWords = "question-words": streams::QUESTION_WORDS,
    QuestionFeatures = "question-features": streams::QUESTION_FEATURES,
    Frames = "frames": streams::FRAMES,
    Spectrogram = "spectrogram": streams::SPECTROGRAM,
    Predictions = "predictions": predictions::PREDICTIONS,
    Gradients = "gradients": answers::GRADIENTS,
    MaskPredictions = "mask-predictions": predictions::MASK_PREDICTIONS,
    MaskGradients = "mask-gradients": answers::MASK_GRADIENTS,
    MatchedMaskPredictions = "matched-mask-predictions": predictions::MATCHED_MASK_PREDICTIONS,
    MatchedMaskGradients = "matched-mask-gradients": answers::MATCHED_MASK_GRADIENTS,
    AnswerPredictions = "answer-predictions": predictions::ANSWER_PREDICTIONS,
    AnswerGradients = "answer-gradients": answers::ANSWER_GRADIENTS,
    Verdict = "verdict": answers::VERDICT,
    Credits = "credits": run::CREDITS,
    Quarantine = "quarantine": report::QUARANTINE,
    Metrics = "metrics": report::METRICS,
    Samples = "samples": report::SAMPLES,
    Params = "params": report::PARAMS,
    Nodes = "nodes": report::NODES,
    Checkpoints = "checkpoints": report::CHECKPOINTS,
    Checkpoint = "checkpoint": run::CHECKPOINT,
    Answers = "answers": report::ANSWERS,
    Encoder = "encoder": encoder::ENCODER,
    Prompts = "prompts": encoder::PROMPTS,
    Latents = "latents": encoder::LATENTS,
    Condensed = "condensed": encoder::CONDENSED,
    Finish = "finish": encoder::FINISH,
    Map = "map": encoder::MAP,
    Features = "features": encoder::FEATURES,
    Masks = "masks": report::MASKS,
    Tensor = "tensor": streams::TENSOR,
}

impl Schema {
    /// The schema with this name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|s| s.name() == name)
    }

    /// What a row is.
    pub fn meaning(self) -> &'static str {
        self.declared().meaning.trim_ascii()
    }

    /// The columns in order.
    pub fn columns(self) -> &'static [Column] {
        self.declared().columns
    }
}
