//! A pool of threads whose results come back in the order the jobs were submitted.
//!
//! A node submits a job for each clip it receives and sends results on as they come: order is kept, so a run does not
//! depend on which clip decodes fastest. A thread takes its share of the jobs that wait, several at once where that is
//! cheaper. A job that panics gives an error result; the pool and the other jobs go on.
//!
//! Written here: rayon and threadpool give results as they come, and a panic of one job is not told of by its place.

use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// A job ended in a panic; holds what it said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a job panicked: {0}")]
pub struct JobPanic(pub String);

/// What a pool does with some jobs: as many results, in their order.
pub trait Batch<J, T>: Fn(&[J]) -> Vec<T> + Send + Sync + 'static {}

impl<J, T, F: Fn(&[J]) -> Vec<T> + Send + Sync + 'static> Batch<J, T> for F {}

type Outcome<T> = Result<T, JobPanic>;

/// Threads and the results that are still to be handed out. Dropping it abandons the jobs that have not begun.
pub struct Pool<J, T> {
    queue: Arc<Queue<J>>,
    results: Receiver<(u64, Outcome<T>)>,
    /// Results that came before their turn.
    early: BTreeMap<u64, Outcome<T>>,
    submitted: u64,
    returned: u64,
}

impl<J: Send + 'static, T: Send + 'static> Pool<J, T> {
    /// Starts `threads` threads (at least one) named `name`, which take up to `most` jobs at once.
    pub fn new(name: &str, threads: usize, most: usize, work: impl Batch<J, T>) -> io::Result<Self> {
        #[allow(clippy::disallowed_methods, reason = "a result a job, and those are bounded")]
        let (send, results) = channel();
        let (threads, work) = (threads.max(1), Arc::new(work));
        let queue = Arc::new(Queue { waiting: Mutex::default(), changed: Condvar::new(), threads, most: most.max(1) });
        for _ in 0..threads {
            let (queue, work, send) = (Arc::clone(&queue), Arc::clone(&work), send.clone());
            thread::Builder::new().name(name.to_owned()).spawn(move || serve(&queue, work.as_ref(), &send))?;
        }
        Ok(Self { queue, results, early: BTreeMap::new(), submitted: 0, returned: 0 })
    }

    /// Queues a job. The queue has no bound of its own: credits bound what a node has in flight.
    pub fn submit(&mut self, job: J) {
        self.queue.waiting().jobs.push_back((self.submitted, job));
        self.submitted += 1;
        self.queue.changed.notify_one();
    }

    /// Jobs submitted whose result has not been returned yet.
    pub fn pending(&self) -> usize {
        (self.submitted - self.returned) as usize
    }

    /// The next result in submission order, if it is there already.
    pub fn try_next(&mut self) -> Option<Outcome<T>> {
        while let Ok((number, outcome)) = self.results.try_recv() {
            self.early.insert(number, outcome);
        }
        self.take()
    }

    /// The next result in submission order; `None` if it does not come within `timeout` or nothing is pending.
    pub fn next_timeout(&mut self, timeout: Duration) -> Option<Outcome<T>> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(outcome) = self.try_next() {
                return Some(outcome);
            }
            if self.pending() == 0 {
                return None;
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            let (number, outcome) = self.results.recv_timeout(left).ok()?;
            self.early.insert(number, outcome);
        }
    }

    fn take(&mut self) -> Option<Outcome<T>> {
        let outcome = self.early.remove(&self.returned)?;
        self.returned += 1;
        Some(outcome)
    }
}

impl<J, T> Drop for Pool<J, T> {
    fn drop(&mut self) {
        self.queue.waiting().is_closed = true;
        self.queue.changed.notify_all();
    }
}

struct Waiting<J> {
    jobs: VecDeque<(u64, J)>,
    is_closed: bool,
}

impl<J> Default for Waiting<J> {
    fn default() -> Self {
        Self { jobs: VecDeque::new(), is_closed: false }
    }
}

struct Queue<J> {
    waiting: Mutex<Waiting<J>>,
    changed: Condvar,
    threads: usize,
    most: usize,
}

impl<J> Queue<J> {
    /// Jobs run outside the lock, so a poisoned one still guards a sound queue.
    fn waiting(&self) -> MutexGuard<'_, Waiting<J>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A thread's share of what waits, once something does; none once the pool is dropped.
    fn share(&self) -> Option<Vec<(u64, J)>> {
        let mut waiting = self.waiting();
        while waiting.jobs.is_empty() && !waiting.is_closed {
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        if waiting.is_closed {
            return None;
        }
        let share = waiting.jobs.len().div_ceil(self.threads).min(self.most);
        Some(waiting.jobs.drain(..share).collect())
    }
}

fn serve<J, T>(queue: &Queue<J>, work: &impl Batch<J, T>, results: &Sender<(u64, Outcome<T>)>) {
    while let Some(share) = queue.share() {
        let (numbers, jobs): (Vec<u64>, Vec<J>) = share.into_iter().unzip();
        for (number, outcome) in numbers.into_iter().zip(outcomes(&jobs, work)) {
            if results.send((number, outcome)).is_err() {
                return;
            }
        }
    }
}

/// The result of each job. Where several at once panic, each is tried alone: the panic is that of one of them.
fn outcomes<J, T>(jobs: &[J], work: &impl Batch<J, T>) -> Vec<Outcome<T>> {
    match catch_unwind(AssertUnwindSafe(|| work(jobs))) {
        Ok(results) if results.len() == jobs.len() => results.into_iter().map(Ok).collect(),
        Ok(results) => {
            let wrong = JobPanic(format!("{} results of {} jobs", results.len(), jobs.len()));
            jobs.iter().map(|_| Err(wrong.clone())).collect()
        }
        Err(payload) if jobs.len() == 1 => vec![Err(JobPanic(words(payload.as_ref())))],
        Err(_) => jobs.chunks(1).flat_map(|job| outcomes(job, work)).collect(),
    }
}

fn words(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "no message".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    fn each<J, T>(work: impl Fn(&J) -> T + Send + Sync + 'static) -> impl Batch<J, T> {
        move |jobs: &[J]| jobs.iter().map(&work).collect()
    }

    #[test]
    fn results_come_in_submission_order_whatever_finishes_first() {
        let work = each(|number: &u64| {
            thread::sleep(Duration::from_millis((number * 7919) % 13));
            *number
        });
        let mut pool = Pool::new("test", 4, 3, work).unwrap();
        (0..40).for_each(|number| pool.submit(number));
        let results: Vec<_> = (0..40).map(|_| pool.next_timeout(LONG).unwrap().unwrap()).collect();
        assert_eq!(results, (0..40).collect::<Vec<_>>());
        assert_eq!(pool.pending(), 0);
        assert!(pool.next_timeout(LONG).is_none(), "nothing pending returns at once");
    }

    #[test]
    fn a_panic_is_an_error_in_its_place_and_the_pool_goes_on() {
        for most in [1, 8] {
            let work = each(|number: &i32| if *number == 7 { panic!("clip {number} is odd") } else { *number });
            let mut pool = Pool::new("test", 1, most, work).unwrap();
            [1, 7, 3].into_iter().for_each(|number| pool.submit(number));
            assert_eq!(pool.next_timeout(LONG), Some(Ok(1)));
            assert_eq!(pool.next_timeout(LONG), Some(Err(JobPanic("clip 7 is odd".to_owned()))));
            assert_eq!(pool.next_timeout(LONG), Some(Ok(3)));
        }
    }

    #[test]
    fn a_thread_takes_its_share_of_what_waits() {
        let (begin, begun) = std::sync::mpsc::sync_channel::<()>(1);
        let begun = Mutex::new(begun);
        let work = move |jobs: &[u64]| {
            if jobs[0] == 0 {
                begun.lock().unwrap().recv().unwrap();
            }
            vec![jobs.len(); jobs.len()]
        };
        let mut pool = Pool::new("test", 1, 4, work).unwrap();
        pool.submit(0);
        // The one thread waits with the first job in hand while the others come.
        while !pool.queue.waiting().jobs.is_empty() {
            thread::yield_now();
        }
        (1..8).for_each(|number| pool.submit(number));
        begin.send(()).unwrap();
        let shares: Vec<_> = (0..8).map(|_| pool.next_timeout(LONG).unwrap().unwrap()).collect();
        assert_eq!(shares, [1, 4, 4, 4, 4, 3, 3, 3]);
    }

    #[test]
    fn waiting_ends_at_the_time_limit() {
        let mut pool = Pool::new("test", 1, 1, each(|()| thread::sleep(Duration::from_secs(2)))).unwrap();
        pool.submit(());
        assert!(pool.try_next().is_none());
        assert!(pool.next_timeout(Duration::from_millis(20)).is_none());
        assert_eq!(pool.pending(), 1);
    }

    #[test]
    fn many_jobs_on_many_threads_are_all_returned_once() {
        let mut pool = Pool::new("test", 8, 5, each(|number: &u64| *number)).unwrap();
        let mut seen = Vec::new();
        for number in 0..2000 {
            pool.submit(number);
            while let Some(result) = pool.try_next() {
                seen.push(result.unwrap());
            }
        }
        while let Some(result) = pool.next_timeout(LONG) {
            seen.push(result.unwrap());
        }
        assert_eq!(seen, (0..2000).collect::<Vec<_>>());
    }
}
