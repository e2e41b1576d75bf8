//! The heads of question answering by name, and their settings.

use std::path::{Path, PathBuf};

use copl_contract::setting_choice::ChosenGroup;
use copl_contract::settings::{Env, Settings};
use copl_contract::task::Task;
use copl_networks::Result;

use super::question::QuestionKind;
use super::{AvqaHead, GROUNDING, LinearAnswers, final_map};
use crate::heads::{Family, Head, HeadConfig, HeadPlace, HeadSettings};

/// Attention heads of the official head, as its code has them.
pub(super) const HEADS: usize = 4;

copl_contract::choice! {
    /// What answers questions.
    pub enum AnswerHead {
        /// The official head (AVST): grounding of the sound, attention to seconds, the match of sound and frame.
        Avst = "avst",
        /// Logits linear in the features, given the question.
        Linear = "linear",
    }
}

copl_contract::settings! {
    /// Settings of question answering's heads.
    pub struct AvqaSettings {
        "ANSWER_HEAD" answer_head: AnswerHead = "avst", "avst (the official head: grounding, attention, matches), or linear (given a question, answers are linear in the features: adapting them is left to the method; no matches).";
        "HEAD_WIDTH" head_width: usize = "512", "Width of the head, a multiple of 4.";
        "QUESTION_WIDTH" question_width: Option<usize> = "", "Width of the vector a text encoder makes of a question (CLIP 512, BERT 768, MiniLM 384); unset: questions come as word ids, and the head learns what they say (avst: the official LSTM; linear: a vector for each word at its place).";
        "VOCABULARY" vocabulary: usize = "93", "Word ids are below this.";
        "DROPOUT" dropout: f64 = "0.1", "Rate of dropout in the head.";
    }
}

copl_contract::settings! {
    /// Settings of the official head.
    pub struct AvstSettings {
        "NEGATIVES" negatives: usize = "16", "Training videos whose maps are kept, to draw frames that must not match from; as many as the split has for the official draw.";
        "HEAD_WEIGHTS" head_weights: Option<PathBuf> = "", "A checkpoint of grounding pretraining (dataflows/music-avqa-grounding.yml), whose grounding layers the head starts from.";
    }
}

/// Its entry in the registry.
pub static FAMILY: Family = Family { tasks: &["music-avqa"], groups, read };

fn groups(_: Task, env: &Env) -> Vec<ChosenGroup> {
    let is_official = env.get("ANSWER_HEAD").is_none_or(|word| word == AnswerHead::Avst.word());
    vec![
        ChosenGroup { applies: "TASK music-avqa", chosen: true, specs: AvqaSettings::specs() },
        ChosenGroup { applies: "ANSWER_HEAD avst", chosen: is_official, specs: AvstSettings::specs() },
    ]
}

fn read(_: Task, parts: &[Env]) -> Result<HeadConfig, (String, String)> {
    let wrong = |key: &str, problem: String| Err((key.to_owned(), problem));
    let [own, avst] = parts else { return wrong("ANSWER_HEAD", "two groups of settings".to_owned()) };
    let settings = AvqaSettings::from_env(own)?;
    if settings.head_width == 0 || !settings.head_width.is_multiple_of(HEADS) {
        return wrong("HEAD_WIDTH", format!("{} is no multiple of {HEADS}", settings.head_width));
    }
    if settings.vocabulary == 0 {
        return wrong("VOCABULARY", "must be at least 1".to_owned());
    }
    if !(0.0..1.0).contains(&settings.dropout) {
        return wrong("DROPOUT", format!("{} is no share below 1", settings.dropout));
    }
    let avst = match settings.answer_head {
        AnswerHead::Avst => Some(AvstSettings::from_env(avst)?),
        AnswerHead::Linear => None,
    };
    Ok(Chosen { settings, avst }.into())
}

impl AvqaSettings {
    /// How questions come.
    pub(super) fn question(&self) -> QuestionKind {
        match self.question_width {
            Some(width) => QuestionKind::Vector { width },
            None => QuestionKind::Words { vocabulary: self.vocabulary },
        }
    }
}

/// A head of question answering.
#[derive(Debug)]
struct Chosen {
    settings: AvqaSettings,
    /// None: the linear head.
    avst: Option<AvstSettings>,
}

impl HeadSettings for Chosen {
    fn values(&self) -> Vec<(&'static str, String)> {
        let of_avst = self.avst.iter().flat_map(Settings::values);
        Settings::values(&self.settings).into_iter().chain(of_avst).collect()
    }

    fn asks(&self) -> bool {
        true
    }

    /// The linear head matches nothing.
    fn negatives(&self) -> Option<usize> {
        self.avst.as_ref().map(|avst| avst.negatives)
    }

    fn start(&self) -> Option<(&Path, &'static [&'static str])> {
        Some((self.avst.as_ref()?.head_weights.as_deref()?, &GROUNDING))
    }

    fn build(&self, place: HeadPlace<'_>) -> Result<Box<dyn Head>> {
        if self.avst.is_some() {
            return Ok(Box::new(AvqaHead::new(&self.settings, place)?));
        }
        Ok(Box::new(LinearAnswers {
            question: self.settings.question(),
            map: final_map(place.visual)?,
            audio: place.audio.out_dim(),
            width: self.settings.head_width,
            answers: place.classes,
            execution: place.execution,
            dropout: self.settings.dropout,
        }))
    }
}
