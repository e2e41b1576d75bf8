//! A pool of threads whose results come back in the order the jobs were submitted.
//!
//! A node submits a job for each clip it receives and sends results on as they come: order is kept, so a run does not
//! depend on which clip decodes fastest. A job that panics gives an error result; the pool and the other jobs go on.
//!
//! Written here: rayon and threadpool give results as they come, and a panic of one job is not told of by its place.

use std::any::Any;
use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// A job ended in a panic; holds what it said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a job panicked: {0}")]
pub struct JobPanic(pub String);

type Job<T> = (u64, Box<dyn FnOnce() -> T + Send>);
type Outcome<T> = Result<T, JobPanic>;

/// Threads and the results that are still to be handed out. Dropping it abandons the jobs that have not begun.
pub struct Pool<T> {
    jobs: Sender<Job<T>>,
    results: Receiver<(u64, Outcome<T>)>,
    /// Results that came before their turn.
    early: BTreeMap<u64, Outcome<T>>,
    submitted: u64,
    returned: u64,
}

impl<T: Send + 'static> Pool<T> {
    /// Starts `threads` threads (at least one) named `name`.
    pub fn new(name: &str, threads: usize) -> io::Result<Self> {
        #[allow(clippy::disallowed_methods, reason = "credits bound the clips under way")]
        let (jobs, queue) = channel::<Job<T>>();
        #[allow(clippy::disallowed_methods, reason = "a result a job, and those are bounded")]
        let (send, results) = channel();
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..threads.max(1) {
            let (queue, send) = (Arc::clone(&queue), send.clone());
            thread::Builder::new().name(name.to_owned()).spawn(move || work(&queue, &send))?;
        }
        Ok(Self { jobs, results, early: BTreeMap::new(), submitted: 0, returned: 0 })
    }

    /// Queues a job. The queue has no bound of its own: credits bound what a node has in flight.
    pub fn submit(&mut self, job: impl FnOnce() -> T + Send + 'static) {
        let number = self.submitted;
        self.submitted += 1;
        if self.jobs.send((number, Box::new(job))).is_err() {
            self.early.insert(number, Err(JobPanic("every thread of the pool is gone".to_owned())));
        }
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

fn work<T>(queue: &Mutex<Receiver<Job<T>>>, results: &Sender<(u64, Outcome<T>)>) {
    loop {
        // Jobs run outside the lock, so a poisoned one still guards a sound queue.
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((number, job)) = next else { return };
        let outcome = catch_unwind(AssertUnwindSafe(job)).map_err(|payload| JobPanic(words(payload.as_ref())));
        if results.send((number, outcome)).is_err() {
            return;
        }
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

    #[test]
    fn results_come_in_submission_order_whatever_finishes_first() {
        let mut pool = Pool::new("test", 4).unwrap();
        for number in 0..40_u64 {
            pool.submit(move || {
                thread::sleep(Duration::from_millis((number * 7919) % 13));
                number
            });
        }
        let results: Vec<_> = (0..40).map(|_| pool.next_timeout(LONG).unwrap().unwrap()).collect();
        assert_eq!(results, (0..40).collect::<Vec<_>>());
        assert_eq!(pool.pending(), 0);
        assert!(pool.next_timeout(LONG).is_none(), "nothing pending returns at once");
    }

    #[test]
    fn a_panic_is_an_error_in_its_place_and_the_pool_goes_on() {
        let mut pool = Pool::new("test", 1).unwrap();
        pool.submit(|| 1);
        pool.submit(|| panic!("clip {} is odd", 7));
        pool.submit(|| 3);
        assert_eq!(pool.next_timeout(LONG), Some(Ok(1)));
        assert_eq!(pool.next_timeout(LONG), Some(Err(JobPanic("clip 7 is odd".to_owned()))));
        assert_eq!(pool.next_timeout(LONG), Some(Ok(3)));
    }

    #[test]
    fn waiting_ends_at_the_time_limit() {
        let mut pool = Pool::new("test", 1).unwrap();
        pool.submit(|| thread::sleep(Duration::from_secs(2)));
        assert!(pool.try_next().is_none());
        assert!(pool.next_timeout(Duration::from_millis(20)).is_none());
        assert_eq!(pool.pending(), 1);
    }

    #[test]
    fn many_jobs_on_many_threads_are_all_returned_once() {
        let mut pool = Pool::new("test", 8).unwrap();
        let mut seen = Vec::new();
        for number in 0..2000 {
            pool.submit(move || number);
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
