//! Task heads: from what a method gives of every segment to the predictions of a task. One file (or folder) a task, one
//! trait for all.

pub mod align;
pub mod ave;
pub mod avqa;
pub mod avs;
pub mod dropout;
mod layers;

use std::collections::BTreeMap;

use candle_core::Tensor;
use copl_networks::Result;
use copl_networks::encoders::{Maps, Outputs};
use copl_networks::kernels::Execution;
use copl_networks::weights::{TensorSpec, Tensors};

use self::ave::AveHead;
use self::avqa::QuestionBatch;
use self::avs::{AvsHead, LinearHead};
use crate::config::{DecoderKind, ModelConfig, Task};
use crate::methods::{ClipShape, Features};
use crate::parameters::ParamSpec;

/// What a head is given of a batch.
#[derive(Debug, Clone, Copy)]
pub struct HeadInput<'a> {
    /// Pooled features, and the maps of [`Head::maps`].
    pub features: &'a Features,
    /// The questions; none where nothing is asked.
    pub questions: Option<&'a QuestionBatch>,
    /// Clips and segments.
    pub shape: ClipShape,
    /// A training step: statistics are those of the batch.
    pub training: bool,
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

/// The head of a task on encoders of these sizes.
///
/// # Errors
/// If settings and encoders do not fit together.
pub fn head(
    config: &ModelConfig,
    visual: &dyn Outputs,
    audio: &dyn Outputs,
    execution: Execution,
) -> Result<Box<dyn Head>> {
    Ok(match config.task {
        Task::Ave => Box::new(AveHead::new(config.head, config.classes, visual.out_dim(), audio.out_dim())),
        Task::Avs => match config.decoder {
            DecoderKind::Avsbench => Box::new(AvsHead::new(config, visual, audio, execution)?),
            DecoderKind::Linear => Box::new(LinearHead::new(config.mask_size, visual, audio, execution)?),
        },
        Task::Avqa => avqa::head(config, visual, audio, execution)?,
    })
}
