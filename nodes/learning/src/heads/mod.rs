//! Task heads: from what a method gives of every segment to the predictions of a task.
//!
//! One folder a task (or several tasks of one kind). It owns its heads, their names and settings, and is an entry of
//! [`FAMILIES`]; nothing else asks which head a model has.

pub mod align;
pub mod ave;
pub mod avqa;
pub mod avs;
mod config;
pub mod dropout;
mod layers;

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::Tensor;
use copl_contract::schema::Schema;
use copl_contract::task::Task;
use copl_networks::Result;
use copl_networks::encoders::{EncoderShape, Maps};
use copl_networks::kernels::Execution;
use copl_networks::weights::{TensorSpec, Tensors};

use self::avqa::QuestionBatch;
pub use self::config::{Family, HeadConfig, groups};
use crate::methods::{ClipShape, Context, Features};
use crate::parameters::ParamSpec;

/// The heads of every task: those of a new one are a line here.
pub static FAMILIES: [&Family; 3] = [&ave::FAMILY, &avs::FAMILY, &avqa::FAMILY];

/// A head with its settings, before there are encoders.
pub trait HeadSettings: std::fmt::Debug + Send + Sync {
    /// Every setting with the value it has.
    fn values(&self) -> Vec<(&'static str, String)>;

    /// Whether a batch comes with questions.
    fn asks(&self) -> bool {
        false
    }

    /// Training videos whose maps are kept, to draw frames of other videos from; none where no such are wanted.
    fn negatives(&self) -> Option<usize> {
        None
    }

    /// The checkpoint that parameters of these prefixes start from; none where all start from the seed.
    fn start(&self) -> Option<(&Path, &'static [&'static str])> {
        None
    }

    /// Schemas of its predictions and of the gradients that answer them.
    fn schemas(&self, task: Task) -> (Schema, Schema) {
        (task.predictions, task.gradients)
    }

    /// The head.
    ///
    /// # Errors
    /// If settings and encoders do not fit together.
    fn build(&self, place: HeadPlace<'_>) -> Result<Box<dyn Head>>;
}

/// What a head is built on.
#[derive(Clone, Copy)]
pub struct HeadPlace<'a> {
    /// Classes of a segment, or answers.
    pub classes: usize,
    /// The encoder of the frames.
    pub visual: &'a dyn EncoderShape,
    /// The encoder of the spectrograms.
    pub audio: &'a dyn EncoderShape,
    /// How it is computed.
    pub execution: Execution,
}

/// What a head is given of a batch.
#[derive(Debug, Clone, Copy)]
pub struct HeadInput<'a> {
    /// Pooled features, and the maps of [`Head::maps`].
    pub features: &'a Features,
    /// The questions; none where nothing is asked.
    pub questions: Option<&'a QuestionBatch>,
    /// Clips and segments.
    pub shape: ClipShape,
    /// What it is for.
    pub context: Context,
}

/// What a head says of a batch.
#[derive(Debug, Clone)]
pub struct HeadOutput {
    /// The task's prediction: event logits [B, T, classes], mask logits [B, T, H, W] (in training [B, 1, H, W], of first
    /// frames), answer logits [B, answers].
    pub logits: Tensor,
    /// What else enters the loss, by the name of its column and in the order of the columns, [B, ...] each.
    pub others: Vec<(&'static str, Tensor)>,
    /// In training, the running statistics after the batch, by name.
    pub buffers: BTreeMap<String, Tensor>,
}

impl HeadOutput {
    /// Logits alone.
    pub fn of(logits: Tensor) -> Self {
        Self { logits, others: Vec::new(), buffers: BTreeMap::new() }
    }
}

/// A head of a task. It holds no numbers of its own: what it learns is handed to it at every call.
pub trait Head: Send + Sync {
    /// Visual token maps it needs beside pooled features.
    fn maps(&self) -> Maps {
        Maps::None
    }

    /// What it learns.
    fn parameters(&self) -> Vec<ParamSpec>;

    /// Running statistics it keeps beside its parameters, and stores with them.
    fn buffers(&self) -> Vec<TensorSpec> {
        Vec::new()
    }

    /// True if the predictions of a clip depend on the other clips of its batch, as where a norm takes the batch's statistics.
    fn joins_clips(&self, _training: bool) -> bool {
        false
    }

    /// The predictions of a batch.
    ///
    /// # Errors
    /// If shapes do not fit or a tensor is absent.
    fn predict(&self, parameters: &Tensors, buffers: &Tensors, input: HeadInput<'_>) -> Result<HeadOutput>;
}
