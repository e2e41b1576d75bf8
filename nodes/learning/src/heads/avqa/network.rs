//! The network of the official MUSIC-AVQA code (AVST), of any width.
//!
//! Per second, the sound is grounded in the frame (`grounding`); the question (`question`) attends to the seconds of both
//! modalities (`attention`); both answers, each with the mean of its seconds, are joined, multiplied with the question, and
//! sorted into one of the answers. Beside it stands the match of each second's sound with its own frame and with a frame of
//! another video.
//!
//! Names are the official code's, and one of LAVISH's: `yb_fc_v`, from token maps to the network's width, where widths
//! differ. `fc_a1` takes pooled audio features (LAVISH's code has `yb_fc_a` there and leaves `fc_a1` out). Layers declared
//! in the official code and never used are left out.

use candle_core::Tensor;
use copl_networks::kernels::Execution;
use copl_networks::weights::Tensors;
use copl_networks::{Error, Result};

use super::attention::Attention;
use super::grounding;
use super::question::{QuestionKind, Questions};
use crate::heads::dropout::Dropout;
use crate::heads::layers::{dense, linear_specs};
use crate::parameters::ParamSpec;

/// Sizes of a head.
#[derive(Debug, Clone, PartialEq)]
pub struct AvstConfig {
    /// Width of the visual token maps.
    pub visual: usize,
    /// Width of the pooled audio features.
    pub audio: usize,
    /// Width of the head (512), a multiple of 4 and of `heads`.
    pub width: usize,
    /// Attention heads (4).
    pub heads: usize,
    /// How questions come.
    pub question: QuestionKind,
    /// Answers to choose from (42).
    pub answers: usize,
}

/// A batch as the head takes it.
#[derive(Debug, Clone)]
pub struct AvstInput {
    /// Token maps of each video's frames, [V T, L, d_v].
    pub maps: Tensor,
    /// Pooled audio features, [V, T, d_a].
    pub audio: Tensor,
    /// Token maps of frames of other videos, [Q T, L, d_v]; none where no match is learned, as in evaluation.
    pub negatives: Option<Tensor>,
    /// The questions.
    pub questions: Questions,
    /// The video each question is about, u32 `[Q]`.
    pub videos: Tensor,
}

/// What the head says of a batch.
#[derive(Debug, Clone)]
pub struct AvstOutput {
    /// [Q, answers]
    pub answers: Tensor,
    /// Match of sounds with their own frames, [Q, T, 2].
    pub positive: Tensor,
    /// Match with the frames of other videos, [Q, T, 2], where there were any.
    pub negative: Option<Tensor>,
}

/// The network.
#[derive(Debug, Clone)]
pub struct Avst {
    config: AvstConfig,
    visual: Attention,
    audio: Attention,
    execution: Execution,
}

impl Avst {
    /// Of these sizes.
    ///
    /// # Errors
    /// If the width cannot be divided as the layers need it.
    pub fn new(config: AvstConfig, execution: Execution) -> Result<Self> {
        let (width, heads) = (config.width, config.heads);
        if heads == 0 || width == 0 || !width.is_multiple_of(heads) || !width.is_multiple_of(4) {
            return Err(Error::Config(format!(
                "a head of width {width} needs a multiple of 4 and of its {heads} heads"
            )));
        }
        let visual = Attention {
            attention: "attn_v",
            layers: ["linear11", "linear12"],
            norm: "norm1",
            dropouts: ["dropout1", "dropout2"],
            heads,
        };
        let audio = Attention {
            attention: "attn_a",
            layers: ["linear21", "linear22"],
            norm: "norm2",
            dropouts: ["dropout3", "dropout4"],
            heads,
        };
        Ok(Self { config, visual, audio, execution })
    }

    /// What it learns.
    pub fn parameters(&self) -> Vec<ParamSpec> {
        let AvstConfig { visual, audio, width, question, answers, .. } = self.config;
        let mut specs = question.parameters(width);
        if visual != width {
            specs.extend(linear_specs("yb_fc_v", visual, width));
        }
        specs.extend(linear_specs("fc_a1", audio, width));
        specs.extend(linear_specs("fc_a2", width, width));
        specs.extend(grounding::parameters(width));
        specs.extend(self.visual.parameters(width));
        specs.extend(self.audio.parameters(width));
        specs.extend(linear_specs("fc_fusion", 2 * width, width));
        specs.extend(linear_specs("fc_ans", width, answers));
        specs
    }

    /// Answers and matches of a batch; `dropout` in training (the official rate is 0.1).
    ///
    /// # Errors
    /// If shapes do not fit or a parameter is absent.
    pub fn forward(&self, parameters: &Tensors, input: &AvstInput, dropout: Option<&Dropout>) -> Result<AvstOutput> {
        let (videos, seconds, _) = input.audio.dims3()?;
        let (questions, width) = (input.videos.dim(0)?, self.config.width);
        let per_question = |x: &Tensor| x.reshape((videos, seconds, width))?.index_select(&input.videos, 0);
        let layer = |name: &str, x: &Tensor| dense(parameters, name, x, self.execution);

        let sounds = input.audio.reshape((videos * seconds, self.config.audio))?;
        let sounds = layer("fc_a2", &self.execution.relu(&layer("fc_a1", &sounds)?)?)?;
        let maps = self.projected(parameters, &input.maps)?;
        let frames = grounding::ground(parameters, &maps, &sounds, self.execution)?;
        let matched = grounding::matches(parameters, &sounds, &frames, self.execution)?;
        let positive = matched.reshape((videos, seconds, 2))?.index_select(&input.videos, 0)?;
        let (sounds, frames) = (per_question(&sounds)?, per_question(&frames)?);
        let negative = match &input.negatives {
            None => None,
            Some(maps) => {
                let maps = self.projected(parameters, maps)?;
                let sounds = sounds.reshape((questions * seconds, width))?;
                let frames = grounding::ground(parameters, &maps, &sounds, self.execution)?;
                let matched = grounding::matches(parameters, &sounds, &frames, self.execution)?;
                Some(matched.reshape((questions, seconds, 2))?)
            }
        };

        let question = self.config.question.forward(parameters, &input.questions, self.execution)?;
        let asked = |attention: &Attention, x: &Tensor| -> Result<Tensor> {
            let attended = attention.forward(parameters, &question, x, dropout, self.execution)?;
            Ok((attended + x.mean(1)?)?)
        };
        let both = Tensor::cat(&[&asked(&self.audio, &sounds)?, &asked(&self.visual, &frames)?], 1)?;
        let fused = (layer("fc_fusion", &both.tanh()?)? * question)?.tanh()?;
        Ok(AvstOutput { answers: layer("fc_ans", &fused)?, positive, negative })
    }

    /// Token maps at the head's width.
    fn projected(&self, parameters: &Tensors, maps: &Tensor) -> Result<Tensor> {
        if self.config.visual == self.config.width {
            return Ok(maps.contiguous()?);
        }
        dense(parameters, "yb_fc_v", maps, self.execution)
    }
}
