//! Threads for the parts of a batch.
//!
//! The clips of a batch need nothing of each other, so each part of it is walked forward and backward by threads of its own;
//! only the gradients are summed. Threads that share every operation instead wait for each other at its end, and for the one
//! that does the small ones between (docs/speed.md has what it gains).

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use copl_networks::{Error, Result};
use rayon::{ThreadPool, ThreadPoolBuilder};

/// Stack of a thread: candle's walk back through a graph recurses; pages that are not touched cost nothing.
const STACK_BYTES: usize = 64 << 20;

/// Groups of threads, by their number, made when they are first wanted.
#[derive(Debug)]
pub(crate) struct BatchParts {
    divides: bool,
    groups: Mutex<BTreeMap<usize, Arc<[ThreadPool]>>>,
}

impl BatchParts {
    /// One that `divides` batches, or walks them whole.
    pub(crate) fn new(divides: bool) -> Self {
        Self { divides, groups: Mutex::default() }
    }

    /// Parts that `clips` clips are worth: as many as there are threads, if there are as many clips.
    pub(crate) fn parts(&self, clips: usize) -> usize {
        if self.divides { clips.min(rayon::current_num_threads()).max(1) } else { 1 }
    }

    /// Does every piece of work on threads of its own, all at once; what comes back is in the order of the work. One piece is
    /// done by the caller with all its threads.
    pub(crate) fn each<T: Send, R: Send>(&self, work: Vec<T>, task: impl Fn(T) -> Result<R> + Sync) -> Result<Vec<R>> {
        if work.len() < 2 {
            return work.into_iter().map(task).collect();
        }
        let groups = self.groups(work.len())?;
        let task = &task;
        std::thread::scope(|scope| {
            let begin = |(group, work): (_, T)| {
                let group: &ThreadPool = group;
                scope.spawn(move || group.install(|| task(work)))
            };
            let begun: Vec<_> = groups.iter().zip(work).map(begin).collect();
            let end = |thread: std::thread::ScopedJoinHandle<'_, Result<R>>| {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            begun.into_iter().map(end).collect()
        })
    }

    /// `count` groups that share the threads of the caller's.
    fn groups(&self, count: usize) -> Result<Arc<[ThreadPool]>> {
        let mut made = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(groups) = made.get(&count) {
            return Ok(groups.clone());
        }
        let all = rayon::current_num_threads();
        let group = |index: usize| {
            let threads = ((index + 1) * all / count - index * all / count).max(1);
            ThreadPoolBuilder::new()
                .num_threads(threads)
                .stack_size(STACK_BYTES)
                .thread_name(move |thread| format!("part-{index}-{thread}"))
                .build()
                .map_err(|e| Error::Config(format!("{threads} threads for a part of a batch: {e}")))
        };
        let groups: Arc<[ThreadPool]> = (0..count).map(group).collect::<Result<Vec<_>>>()?.into();
        made.insert(count, groups.clone());
        Ok(groups)
    }
}

/// `count` things in `parts` runs, one after the other, whose lengths differ by one at most.
pub(crate) fn runs(count: usize, parts: usize) -> impl Iterator<Item = Range<usize>> {
    (0..parts).map(move |part| part * count / parts..(part + 1) * count / parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_comes_back_in_its_order_and_the_threads_are_shared_out() {
        let pool = ThreadPoolBuilder::new().num_threads(5).build().unwrap();
        let batch_parts = BatchParts::new(true);
        pool.install(|| {
            assert_eq!((batch_parts.parts(1), batch_parts.parts(3), batch_parts.parts(9)), (1, 3, 5));
            let threads = batch_parts.each(vec![0, 1, 2], |work| Ok((work, rayon::current_num_threads()))).unwrap();
            assert_eq!(threads, [(0, 1), (1, 2), (2, 2)]);
            assert_eq!(batch_parts.each(vec![7], |work| Ok((work, rayon::current_num_threads()))).unwrap(), [(7, 5)]);
        });
    }

    #[test]
    fn the_first_error_is_the_one_that_is_told() {
        let fail = |work: usize| if work == 0 { Ok(0) } else { Err(Error::Config(format!("work {work}"))) };
        let error = BatchParts::new(true).each(vec![0, 1, 2], fail).unwrap_err();
        assert!(error.to_string().contains("work 1"), "{error}");
    }
}
