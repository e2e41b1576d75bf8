//! The arithmetic of frozen encoders, written for speed on the CPU.
//!
//! Two layers. The slice functions (`matrix`, `math`, `dense`, `attention`, the rows of `norm` and `softmax`) know
//! nothing of tensors or graphs; a frozen block ([`crate::encoders`]) runs forward and backward through them as one
//! operation, keeps only what its backward needs and computes no gradient of a frozen weight. The tensor functions
//! ([`linear`], [`layer_norm`], [`gelu`], [`softmax`], [`lstm`], [`attention::trainable`], and those of maps,
//! [`convolve`], [`resize`], [`batch_norm`], [`relu`]) are differentiable in all their arguments and serve what is
//! trained. Each has a plain composition of candle operations beside it: used on every
//! device but the CPU, and the oracle of the tests.
//!
//! For a fixed number of threads the same call gives the same bits: work is split where no sum crosses, and what is
//! summed over tasks is summed in their order.

pub mod attention;
mod batch_norm;
mod conv;
pub(crate) mod dense;
mod gelu;
mod linear;
mod lstm;
pub(crate) mod math;
pub(crate) mod matrix;
mod norm;
mod relu;
mod resize;
mod softmax;
mod stages;

use std::sync::{Mutex, PoisonError};

pub use batch_norm::{BatchStatistics, batch_norm, batch_norm_plain};
use candle_core::{CpuStorage, Layout, Storage, Tensor};
pub use conv::{Filter, convolve, convolve_plain};
pub use gelu::gelu;
pub(crate) use gelu::{gelu_in_place, gelu_in_place_packed, multiply_by_packed, multiply_in_place};
pub use linear::{linear, linear_plain};
pub use lstm::{lstm, lstm_plain};
pub(crate) use norm::{EPSILON, NormLayer, norm_rows, norm_rows_backward};
pub use norm::{layer_norm, layer_norm_plain, layer_norm_with};
pub use relu::{relu, relu_plain};
pub use resize::{Interpolation, resize};
pub use softmax::{softmax, softmax_plain};
pub use stages::Stages;

/// Which implementation a differentiable function takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Execution {
    /// The kernels where the device is the CPU, the plain composition elsewhere.
    Fast,
    /// As [`Execution::Fast`], but the frozen blocks of these stages forget their activations and compute them again in
    /// the backward pass: about a tenth of the memory, half as much time again, the same results bit for bit.
    Recompute(Stages),
    /// The plain composition everywhere.
    Plain,
}

impl Execution {
    /// True if a stage's blocks are to forget their activations.
    pub(crate) fn recomputes(self, stage: usize) -> bool {
        matches!(self, Self::Recompute(stages) if stages.contains(stage))
    }

    /// True if kernels are to be used for this tensor.
    pub(crate) fn uses_kernels(self, x: &Tensor) -> bool {
        self != Self::Plain && x.device().is_cpu()
    }
}

/// The numbers of a contiguous `f32` tensor on the CPU, inside an operation.
pub(crate) fn floats<'a>(storage: &'a CpuStorage, layout: &Layout) -> candle_core::Result<&'a [f32]> {
    let all = storage.as_slice::<f32>()?;
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&all[start..end]),
        None => candle_core::bail!("a kernel needs a contiguous tensor"),
    }
}

/// Reads the numbers of an `f32` tensor on the CPU.
pub(crate) fn with_floats<R>(
    tensor: &Tensor,
    read: impl FnOnce(&[f32]) -> candle_core::Result<R>,
) -> candle_core::Result<R> {
    let tensor = tensor.contiguous()?;
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => read(floats(storage, layout)?),
        _ => candle_core::bail!("a kernel needs a tensor on the CPU"),
    }
}

/// Rows a parallel task takes, so that a task is worth its start and sums of per-task results have a fixed order.
pub(crate) fn rows_per_task(width: usize) -> usize {
    (16 * 1024 / width.max(1)).max(1)
}

/// What a forward pass leaves for its backward pass, taken once.
pub(crate) struct Kept<T>(Mutex<Option<T>>);

impl<T> Kept<T> {
    pub(crate) fn empty() -> Self {
        Self(Mutex::new(None))
    }

    pub(crate) fn put(&self, value: T) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
    }

    pub(crate) fn take(&self) -> candle_core::Result<T> {
        match self.try_take() {
            Some(value) => Ok(value),
            None => candle_core::bail!("the activations of this step were not kept, or were used already"),
        }
    }

    pub(crate) fn try_take(&self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
