//! The linear head of question answering: what the encoders' features say to a question with nothing learned between.
//!
//! [Linear(f_v) ; Linear(f_a)], means over places and seconds, through one Linear, times the question, through one Linear:
//! given a question, the logits are linear in the features. The official head grounds sounds in frames and attends to
//! seconds, and so adapts frozen features itself; this head leaves that to the method. There is no match of sound and frame,
//! and so nothing to tell frames of other videos from. Questions are read as there; names are those of its layers.

use candle_core::Tensor;

use super::given;
use super::question::QuestionKind;
use crate::encoders::{MapSize, Maps};
use crate::error::Result;
use crate::heads::layers::{dense, linear_specs};
use crate::heads::{Head, HeadInput, HeadOutput};
use crate::kernels::Execution;
use crate::parameters::ParamSpec;
use crate::weights::Tensors;

/// The head.
#[derive(Debug)]
pub struct LinearAnswers {
    pub(super) question: QuestionKind,
    pub(super) map: MapSize,
    pub(super) audio: usize,
    pub(super) width: usize,
    pub(super) answers: usize,
    pub(super) execution: Execution,
}

impl Head for LinearAnswers {
    fn maps(&self) -> Maps {
        Maps::Final
    }

    fn parameters(&self) -> Vec<ParamSpec> {
        let width = self.width;
        let mut specs = self.question.parameters(width);
        specs.extend(linear_specs("yb_fc_v", self.map.width, width));
        specs.extend(linear_specs("fc_a1", self.audio, width));
        specs.extend(linear_specs("fc_fusion", 2 * width, width));
        specs.extend(linear_specs("fc_ans", width, self.answers));
        specs
    }

    /// Logits [Q, answers]; `match_positive` and `match_negative` [Q, T, 2] are NaN: they do not count.
    fn predict(&self, parameters: &Tensors, _: &Tensors, input: HeadInput<'_>) -> Result<HeadOutput> {
        let (asked, map) = given(&input)?;
        let HeadInput { features, shape, .. } = input;
        let layer = |name: &str, x: &Tensor| dense(parameters, name, x, self.execution);
        let of_video = |x: Tensor| x.reshape((shape.clips, shape.segments, self.width))?.mean(1);
        let frames = of_video(layer("yb_fc_v", &self.map.places(map)?)?.mean(1)?)?;
        let sounds = of_video(layer("fc_a1", &features.audio.contiguous()?)?)?;
        let both = Tensor::cat(&[&sounds, &frames], 1)?.index_select(&asked.videos, 0)?;
        let question = self.question.forward(parameters, &asked.questions, self.execution)?;
        let logits = layer("fc_ans", &(layer("fc_fusion", &both)? * question)?)?;
        let none = Tensor::full(f32::NAN, (logits.dim(0)?, shape.segments, 2), logits.device())?;
        let others = vec![("match_positive", none.clone()), ("match_negative", none)];
        Ok(HeadOutput { logits, others, buffers: Default::default() })
    }
}
