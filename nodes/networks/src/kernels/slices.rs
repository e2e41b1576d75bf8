//! Tensors on the CPU as slices of numbers, and how their rows are shared out among tasks.

use std::mem::MaybeUninit;

use candle_core::{CpuStorage, Layout, Result, Storage, Tensor};
use rayon::prelude::*;

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

/// `length` numbers filled by tasks, `part` numbers each, and what the tasks return, in their order. A task is handed its
/// memory, its index and its part, which is zero: it is set so by the task itself, in its core's cache, and not before all
/// tasks in memory.
pub(crate) fn filled_by_tasks<M, R: Send>(
    length: usize,
    part: usize,
    memory: impl Fn() -> M + Sync + Send,
    task: impl Fn(&mut M, usize, &mut [f32]) -> R + Sync + Send,
) -> (Vec<f32>, Vec<R>) {
    let mut all = Vec::with_capacity(length);
    let parts = all.spare_capacity_mut()[..length].par_chunks_mut(part.max(1)).enumerate();
    let results = parts
        .map_init(memory, |memory, (index, part)| {
            part.fill(MaybeUninit::new(0.0));
            // SAFETY: every number of the part was just set.
            task(memory, index, unsafe { part.assume_init_mut() })
        })
        .collect();
    // SAFETY: the parts are all numbers up to `length`, and each task that returned had set its part before; had one not
    // returned, this would not be reached.
    unsafe { all.set_len(length) };
    (all, results)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_task_fills_its_part_which_begins_as_zero() {
        for (length, part) in [(0, 3), (1, 3), (9, 3), (1000, 7)] {
            let (all, lengths) = filled_by_tasks(
                length,
                part,
                || (),
                |(), index, part| {
                    assert!(part.iter().all(|x| *x == 0.0));
                    part.fill(index as f32 + 1.0);
                    part.len()
                },
            );
            assert_eq!(all, (0..length).map(|at| (at / part) as f32 + 1.0).collect::<Vec<_>>());
            assert_eq!(lengths.iter().sum::<usize>(), length);
        }
    }
}
