//! Tensors on the CPU as slices of numbers, and how their rows are shared out among tasks.

use candle_core::{CpuStorage, Layout, Result, Storage, Tensor};

/// The numbers of a contiguous `f32` tensor on the CPU, inside an operation.
pub(crate) fn floats<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let all = storage.as_slice::<f32>()?;
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&all[start..end]),
        None => candle_core::bail!("a kernel needs a contiguous tensor"),
    }
}

/// Reads the numbers of an `f32` tensor on the CPU.
pub(crate) fn with_floats<R>(tensor: &Tensor, read: impl FnOnce(&[f32]) -> Result<R>) -> Result<R> {
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
