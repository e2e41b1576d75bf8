//! Audio-visual question answering: the official head (`network`) on the encoders' features, or a linear one (`linear`).
//!
//! The visual map is that of the last block after the final norm (LAVISH: 6 x 6 x 1536), ViT's class token left out; the
//! sound is the pooled feature. Features of a video do not depend on the question, so a batch holds V videos and Q
//! questions and says whose each is: a video about which five questions are asked is encoded once.

mod attention;
mod grounding;
mod linear;
pub mod negatives;
mod network;
mod question;
mod settings;

use std::ops::Range;

use candle_core::{DType, Tensor};
use copl_networks::encoders::{EncoderShape, MapSize, Maps};
use copl_networks::weights::Tensors;
use copl_networks::{Error, Result};

pub use self::linear::LinearAnswers;
pub use self::network::{Avst, AvstConfig, AvstInput, AvstOutput};
pub use self::question::{QuestionKind, Questions};
pub use self::settings::{AnswerHead, AvqaSettings, AvstSettings, FAMILY};
use super::dropout::Dropout;
use super::{Head, HeadInput, HeadOutput, HeadPlace};
use crate::methods::Context;
use crate::parameters::ParamSpec;

/// Names of what learns in grounding pretraining, and initialises a head from it: the official fc_a1, fc_a2, fc_gl, fc1 to
/// fc4, and the projection of the maps.
pub const GROUNDING: [&str; 8] = ["yb_fc_v.", "fc_a1.", "fc_a2.", "fc_gl.", "fc1.", "fc2.", "fc3.", "fc4."];

/// What is asked about the videos of a batch.
#[derive(Debug, Clone)]
pub struct QuestionBatch {
    /// The questions.
    pub questions: Questions,
    /// The video of the batch each is about, u32 `[Q]`.
    pub videos: Tensor,
    /// Token maps of frames of other videos, [Q T, L, d_v] ([`negatives`]); none if no other video is known.
    pub negatives: Option<Tensor>,
    /// Questions of the step's batch before these, where they are a part of it.
    pub before: usize,
}

impl QuestionBatch {
    /// Dropout of the step they are asked in; none in evaluation.
    fn dropout(&self, rate: f64, context: Context) -> Option<Dropout> {
        let Context { training, step, seed } = context;
        training.then_some(Dropout { rate, seed, step, row: self.before })
    }

    /// The questions about some of the videos, which become the videos 0, 1, ...; none if nothing is asked about them, or
    /// questions do not come in the order of their videos.
    pub(crate) fn about(&self, videos: Range<usize>) -> Result<Option<Self>> {
        let of: Vec<u32> = self.videos.to_vec1()?;
        let first = |video: usize| of.partition_point(|of| (*of as usize) < video);
        let (start, count) = (first(videos.start), first(videos.end) - first(videos.start));
        if count == 0 || !of.is_sorted() {
            return Ok(None);
        }
        let (all, of) = (of.len(), &of[start..start + count]);
        let of: Vec<u32> = of.iter().map(|video| video - videos.start as u32).collect();
        let frames = |maps: &Tensor| {
            let seconds = maps.dim(0)? / all;
            maps.narrow(0, start * seconds, count * seconds)
        };
        Ok(Some(Self {
            questions: self.questions.rows(start, count)?,
            videos: Tensor::new(of, self.videos.device())?,
            negatives: self.negatives.as_ref().map(frames).transpose()?,
            before: self.before + start,
        }))
    }
}

fn final_map(visual: &dyn EncoderShape) -> Result<MapSize> {
    let map = visual.maps(Maps::Final)?.pop();
    map.ok_or_else(|| Error::Config("the visual encoder has no token maps".to_string()))
}

/// The questions, and the last token map.
fn given<'a>(input: &HeadInput<'a>) -> Result<(&'a QuestionBatch, &'a Tensor)> {
    let asked = input.questions.ok_or_else(|| Error::Config("question answering without questions".to_string()))?;
    let map = input.features.maps.last().ok_or_else(|| Error::Config("no token map was kept".to_string()))?;
    Ok((asked, map))
}

/// The official head.
#[derive(Debug, Clone)]
pub struct AvqaHead {
    network: Avst,
    map: MapSize,
    dropout: f64,
}

impl AvqaHead {
    /// On encoders of these sizes.
    ///
    /// # Errors
    /// If the width cannot be divided as the layers need it, or the encoder's tokens make no map.
    pub fn new(settings: &AvqaSettings, place: HeadPlace<'_>) -> Result<Self> {
        let map = final_map(place.visual)?;
        let sizes = AvstConfig {
            visual: map.width,
            audio: place.audio.out_dim(),
            width: settings.head_width,
            heads: settings::HEADS,
            question: settings.question(),
            answers: place.classes,
        };
        Ok(Self { network: Avst::new(sizes, place.execution)?, map, dropout: settings.dropout })
    }
}

impl Head for AvqaHead {
    fn maps(&self) -> Maps {
        Maps::Final
    }

    fn parameters(&self) -> Vec<ParamSpec> {
        self.network.parameters()
    }

    /// Logits [Q, answers]; `match_positive` and `match_negative` [Q, T, 2].
    fn predict(&self, parameters: &Tensors, _: &Tensors, input: HeadInput<'_>) -> Result<HeadOutput> {
        let (asked, map) = given(&input)?;
        let HeadInput { features, context, .. } = input;
        let input = AvstInput {
            maps: self.map.places(map)?,
            audio: features.audio.clone(),
            negatives: asked.negatives.as_ref().map(|maps| self.map.places(maps)).transpose()?,
            questions: asked.questions.clone(),
            videos: asked.videos.clone(),
        };
        let dropout = asked.dropout(self.dropout, context);
        let AvstOutput { answers, positive, negative } = self.network.forward(parameters, &input, dropout.as_ref())?;
        let negative = match negative {
            Some(negative) => negative,
            None => Tensor::full(f32::NAN, positive.shape(), positive.device())?.to_dtype(DType::F32)?,
        };
        let others = vec![("match_positive", positive), ("match_negative", negative)];
        Ok(HeadOutput { logits: answers, others, buffers: Default::default() })
    }
}

#[cfg(test)]
mod tests;
