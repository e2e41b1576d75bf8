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

/// A part of a new vector as zeros, set so by the thread that is to fill it, in its cache.
pub(crate) fn zeroed<T: Copy + Default>(part: &mut [MaybeUninit<T>]) -> &mut [T] {
    part.fill(MaybeUninit::new(T::default()));
    // SAFETY: every number of the part was just set.
    unsafe { part.assume_init_mut() }
}

/// `length` numbers filled in parts of `part`, each by `fill` from its first place on and zeros.
pub(crate) fn filled(length: usize, part: usize, fill: impl Fn(usize, &mut [f32]) + Sync + Send) -> Vec<f32> {
    filled_with::<()>(length, part, false, |first, part, _| fill(first, part)).0
}

/// As [`filled`], beside as many of another kind filled in the same parts; none of these unless `keep`.
pub(crate) fn filled_with<E: Copy + Default + Send>(
    length: usize,
    part: usize,
    keep: bool,
    fill: impl Fn(usize, &mut [f32], Option<&mut [E]>) + Sync + Send,
) -> (Vec<f32>, Vec<E>) {
    let part = part.max(1);
    let kept = if keep { length } else { 0 };
    let (mut all, mut beside) = (Vec::with_capacity(length), Vec::with_capacity(kept));
    let parts = all.spare_capacity_mut()[..length].par_chunks_mut(part).enumerate();
    match keep {
        true => {
            let both = parts.zip(beside.spare_capacity_mut()[..length].par_chunks_mut(part));
            both.for_each(|((index, all), beside)| fill(index * part, zeroed(all), Some(zeroed(beside))));
        }
        false => parts.for_each(|(index, all)| fill(index * part, zeroed(all), None)),
    }
    // SAFETY: the parts are all numbers up to these lengths, and each was set before it was filled.
    unsafe {
        all.set_len(length);
        beside.set_len(kept);
    }
    (all, beside)
}

/// So many tasks at most sum over parts: each has sums of its own, which for weights are as large as these.
const SUMS: usize = 32;

/// `length` numbers filled in parts of `part`, and sums over the parts by task, in their order. A task takes parts that follow
/// on each other, as many as `length` and `part` say; it has its sums, and a memory that it shares with others. A part is
/// handed over with its index, and is zero: it is set so when its turn comes, in a core's cache, and not before in memory.
pub(crate) fn filled_by_tasks<M, S: Send>(
    length: usize,
    part: usize,
    memory: impl Fn() -> M + Sync + Send,
    sums: impl Fn() -> S + Sync + Send,
    fill: impl Fn(&mut M, &mut S, usize, &mut [f32]) + Sync + Send,
) -> (Vec<f32>, Vec<S>) {
    let part = part.max(1);
    let of_task = length.div_ceil(part).div_ceil(SUMS).max(1);
    let mut all = Vec::with_capacity(length);
    let tasks = all.spare_capacity_mut()[..length].par_chunks_mut(of_task * part).enumerate();
    let results = tasks
        .map_init(memory, |memory, (task, parts)| {
            let mut sums = sums();
            for (index, part) in parts.chunks_mut(part).enumerate() {
                fill(memory, &mut sums, task * of_task + index, zeroed(part));
            }
            sums
        })
        .collect();
    // SAFETY: the parts are all numbers up to `length`, and each task that returned had set its parts before; had one not
    // returned, this would not be reached.
    unsafe { all.set_len(length) };
    (all, results)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_begin_as_zeros_and_know_their_place() {
        for (length, part) in [(0, 3), (1, 3), (9, 3), (1000, 7)] {
            let fill = |first: usize, part: &mut [f32], beside: Option<&mut [u16]>| {
                part.iter_mut().enumerate().for_each(|(at, x)| *x += (first + at) as f32);
                beside.into_iter().flatten().for_each(|x| *x += 1);
            };
            let expected: Vec<f32> = (0..length).map(|at| at as f32).collect();
            assert_eq!(filled_with(length, part, true, fill), (expected.clone(), vec![1; length]));
            assert_eq!(filled_with(length, part, false, fill), (expected, Vec::new()));
        }
    }

    #[test]
    fn each_part_begins_as_zero_and_is_filled_once_and_few_tasks_sum_in_order() {
        for (length, part) in [(0, 3), (1, 3), (9, 3), (1000, 7)] {
            let fill = |(): &mut (), seen: &mut Vec<usize>, index: usize, part: &mut [f32]| {
                assert!(part.iter().all(|x| *x == 0.0));
                part.fill(index as f32 + 1.0);
                seen.push(index);
            };
            let (all, seen) = filled_by_tasks(length, part, || (), Vec::new, fill);
            assert_eq!(all, (0..length).map(|at| (at / part) as f32 + 1.0).collect::<Vec<_>>());
            assert!(seen.len() <= SUMS);
            assert_eq!(seen.concat(), (0..length.div_ceil(part)).collect::<Vec<_>>());
        }
    }
}
