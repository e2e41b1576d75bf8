//! The linear head of question answering: what the encoders' features say to a question with nothing learned between.
//!
//! [Linear(f_v) ; Linear(f_a)], means over places and seconds, through one Linear, times the question, through one Linear:
//! given a question, the logits are linear in the features. The official head grounds sounds in frames and attends to
//! seconds, and so adapts frozen features itself; this head leaves that to the method. There is no match of sound and frame,
//! and so nothing to tell frames of other videos from. Names are those of the official head's layers.
//!
//! A question is linear too: the sum of a learned vector for each word at its place. "is there a drum sound" has what
//! "is there a flute sound" has but for one vector, which asks for the drum: the official LSTM needs many more questions to
//! learn as much.

use candle_core::Tensor;
use copl_networks::encoders::{MapSize, Maps};
use copl_networks::kernels::Execution;
use copl_networks::weights::{Init, Tensors};
use copl_networks::{Error, Result};

use super::given;
use super::question::{QuestionKind, Questions};
use crate::heads::dropout::dropped;
use crate::heads::layers::{dense, linear_specs, spec};
use crate::heads::{Head, HeadInput, HeadOutput};
use crate::parameters::ParamSpec;

/// Words of a question at most, padding included.
const WORDS: usize = 14;
/// A vector for each word at each place.
const TABLE: &str = "words.weight";

/// The head.
#[derive(Debug)]
pub struct LinearAnswers {
    pub(super) question: QuestionKind,
    pub(super) map: MapSize,
    pub(super) audio: usize,
    pub(super) width: usize,
    pub(super) answers: usize,
    pub(super) execution: Execution,
    /// Rate of dropout: of what was projected, and of its product with the question.
    pub(super) dropout: f64,
}

impl LinearAnswers {
    fn question_parameters(&self) -> Vec<ParamSpec> {
        match self.question {
            QuestionKind::Words { vocabulary } => {
                // A sum of fourteen has variance 1.
                let init = Init::Normal { std: 1.0 / (WORDS as f64).sqrt() };
                vec![spec(TABLE.to_string(), &[WORDS * vocabulary, self.width], init)]
            }
            vector @ QuestionKind::Vector { .. } => vector.parameters(self.width),
        }
    }

    /// Questions -> [Q, w].
    fn question(&self, parameters: &Tensors, questions: &Questions) -> Result<Tensor> {
        let (QuestionKind::Words { vocabulary }, Questions::Words(ids)) = (self.question, questions) else {
            return self.question.forward(parameters, questions, self.execution);
        };
        let (count, words) = ids.dims2()?;
        let highest: u32 = ids.max_all()?.to_scalar()?;
        if words > WORDS || highest as usize >= vocabulary {
            return Err(Error::Config(format!(
                "questions of {words} words up to number {highest}: the head has a table for {WORDS} words below {vocabulary}"
            )));
        }
        let places: Vec<u32> = (0..words).map(|place| (place * vocabulary) as u32).collect();
        let rows = ids.broadcast_add(&Tensor::new(places, ids.device())?)?.flatten_all()?;
        Ok(parameters.get(TABLE)?.index_select(&rows, 0)?.reshape((count, words, self.width))?.sum(1)?)
    }
}

impl Head for LinearAnswers {
    fn maps(&self) -> Maps {
        Maps::Final
    }

    fn parameters(&self) -> Vec<ParamSpec> {
        let width = self.width;
        let mut specs = self.question_parameters();
        specs.extend(linear_specs("yb_fc_v", self.map.width, width));
        specs.extend(linear_specs("fc_a1", self.audio, width));
        specs.extend(linear_specs("fc_fusion", 2 * width, width));
        specs.extend(linear_specs("fc_ans", width, self.answers));
        specs
    }

    /// Logits [Q, answers]; `match_positive` and `match_negative` [Q, T, 2] are NaN: they do not count.
    fn predict(&self, parameters: &Tensors, _: &Tensors, input: HeadInput<'_>) -> Result<HeadOutput> {
        let (asked, map) = given(&input)?;
        let HeadInput { features, shape, context, .. } = input;
        let dropout = asked.dropout(self.dropout, context);
        let layer = |name: &str, x: &Tensor| dense(parameters, name, x, self.execution);
        let of_video = |x: Tensor| x.reshape((shape.clips, shape.segments, self.width))?.mean(1);
        let frames = of_video(layer("yb_fc_v", &self.map.places(map)?)?.mean(1)?)?;
        let sounds = of_video(layer("fc_a1", &features.audio.contiguous()?)?)?;
        let both = Tensor::cat(&[&sounds, &frames], 1)?.index_select(&asked.videos, 0)?;
        let question = self.question(parameters, &asked.questions)?;
        let both = dropped(dropout.as_ref(), "features", &both)?;
        let product = dropped(dropout.as_ref(), "product", &(layer("fc_fusion", &both)? * question)?)?;
        let logits = layer("fc_ans", &product)?;
        let none = Tensor::full(f32::NAN, (logits.dim(0)?, shape.segments, 2), logits.device())?;
        let others = vec![("match_positive", none.clone()), ("match_negative", none)];
        Ok(HeadOutput { logits, others, buffers: Default::default() })
    }
}
