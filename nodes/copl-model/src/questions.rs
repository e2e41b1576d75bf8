//! Questions of a batch: which videos they are about, what they ask, and frames of other videos beside them.

use arrow::datatypes::{Float32Type, Int32Type};
use candle_core::{Device, Tensor};
use copl_contract::schema::{self, Schema};
use copl_contract::{ExitCode, Message, NodeError, tensor};
use copl_learning::heads::avqa::Questions;
use copl_learning::heads::avqa::negatives::NegativePool;
use copl_learning::model::Model;

use super::join::Clip;

/// The clips of a batch by video: the clips that stand for the videos, and whose video each clip is about.
pub(super) struct Videos<'a> {
    /// Ids, in the order of their first clip.
    ids: Vec<String>,
    /// The first clip of each.
    pub(super) first: Vec<&'a Clip>,
    /// Of each clip.
    pub(super) of: Vec<u32>,
}

fn question(clip: &Clip) -> Result<&Message, NodeError> {
    clip.question.as_ref().ok_or_else(|| NodeError::contract("questions", "a clip without a question"))
}

impl<'a> Videos<'a> {
    /// The videos of these clips.
    pub(super) fn of(clips: &'a [Clip]) -> Result<Self, NodeError> {
        let mut videos = Self { ids: Vec::new(), first: Vec::new(), of: Vec::with_capacity(clips.len()) };
        for clip in clips {
            let batch = &question(clip)?.batch;
            let id = schema::utf8(batch, "video").map_err(|e| NodeError::contract("questions", e))?.value(0);
            let known = videos.ids.iter().position(|known| known == id);
            let index = known.unwrap_or(videos.ids.len());
            if known.is_none() {
                videos.ids.push(id.to_owned());
                videos.first.push(clip);
            }
            videos.of.push(index as u32);
        }
        Ok(videos)
    }

    /// The videos whose maps the pool does not have.
    pub(super) fn unknown(&self, pool: &NegativePool) -> Vec<u32> {
        (0..self.ids.len()).filter(|i| !pool.has(&self.ids[*i])).map(|i| i as u32).collect()
    }

    /// Puts the maps of these videos into the pool, encoded without prompts; `frames` are all videos' [V, T, ...].
    pub(super) fn remember(
        &self,
        unknown: &[u32],
        pool: &mut NegativePool,
        model: &Model,
        frames: &Tensor,
    ) -> copl_networks::Result<()> {
        let chosen = Tensor::new(unknown, frames.device())?;
        let seconds = frames.dim(1)?;
        let maps = model.unadapted_maps(&frames.index_select(&chosen, 0)?)?;
        for (place, index) in unknown.iter().enumerate() {
            // A copy: a view would keep the maps of the whole batch alive.
            pool.add(&self.ids[*index as usize], maps.narrow(0, place * seconds, seconds)?.copy()?);
        }
        Ok(())
    }

    /// Frames of other videos for every question, T each; `place` decides the draw.
    pub(super) fn negatives(
        &self,
        pool: &NegativePool,
        seconds: usize,
        place: u64,
    ) -> copl_networks::Result<Option<Tensor>> {
        let asked: Vec<&str> = self.of.iter().map(|video| self.ids[*video as usize].as_str()).collect();
        pool.draw(&asked, seconds, place)
    }
}

/// What the clips of a batch ask.
pub(super) fn questions(clips: &[Clip], device: &Device) -> Result<Questions, NodeError> {
    let broken = |e: String| NodeError::contract("questions", e);
    let tensor_error = |e: candle_core::Error| NodeError::failed(ExitCode::NodeFailed, e);
    let (mut words, mut vectors, mut width) = (Vec::new(), Vec::new(), 0);
    for clip in clips {
        let message = question(clip)?;
        let found = if message.header.schema == Some(Schema::QuestionWords) {
            let view = tensor::view::<Int32Type>(&message.batch, "words").map_err(broken)?;
            for word in view.values {
                words.push(u32::try_from(*word).map_err(|_| broken(format!("{word} is no word's number")))?);
            }
            view.values.len()
        } else {
            let view = tensor::view::<Float32Type>(&message.batch, "pooled").map_err(broken)?;
            vectors.extend_from_slice(view.values);
            view.values.len()
        };
        if width != 0 && width != found {
            return Err(broken(format!("questions of {width} and of {found} numbers in a batch")));
        }
        width = found;
    }
    let shape = (clips.len(), width);
    if vectors.is_empty() {
        Tensor::from_vec(words, shape, device).map(Questions::Words).map_err(tensor_error)
    } else {
        Tensor::from_vec(vectors, shape, device).map(Questions::Vectors).map_err(tensor_error)
    }
}
