//! The user's wish to stop: Ctrl-C, SIGTERM, SIGHUP.
//!
//! The engine would stop all nodes at once, in the midst of a step, so its handlers of these signals are replaced by one that
//! counts. The first signal asks for a checkpoint, which comes between two batches; with it on disk, or after
//! `--stop-timeout`, the nodes are stopped. A second signal stops them at once. Nodes are started with the usual handlers.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use copl_contract::checkpoint;

const SIGNALS: [i32; 3] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP];

/// Signals so far.
static SEEN: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count(_: libc::c_int) {
    SEEN.fetch_add(1, Ordering::Relaxed);
}

/// Counts the signals from now on, whoever took them before.
fn take_over() {
    for signal in SIGNALS {
        let handler = count as extern "C" fn(libc::c_int) as libc::sighandler_t;
        // SAFETY: the handler only adds to an atomic number, which is allowed at any moment.
        unsafe { libc::signal(signal, handler) };
    }
}

/// What is to be done now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Nothing new.
    None,
    /// A checkpoint was asked for: say so.
    Asked,
    /// The nodes are to be stopped.
    Stop,
}

/// Takes the signals of a run.
#[derive(Debug)]
pub(crate) struct Stop {
    /// Signals before this run, and those acted upon.
    acted: usize,
    run_dir: PathBuf,
    /// Whether the dataflow can write checkpoints.
    can_checkpoint: bool,
    patience: Duration,
    asked: Option<Instant>,
    answered: bool,
    stopped: bool,
}

impl Stop {
    /// Listens from now on.
    pub(crate) fn listen(run_dir: PathBuf, can_checkpoint: bool, patience_secs: f64) -> Self {
        take_over();
        let patience = Duration::from_secs_f64(patience_secs.clamp(0.0, 1e6));
        let acted = SEEN.load(Ordering::Relaxed);
        Self { acted, run_dir, can_checkpoint, patience, asked: None, answered: false, stopped: false }
    }

    /// Whether a signal has come that was not acted upon.
    fn has_new_signal(&mut self) -> bool {
        // The engine sets its handlers when it starts, some time after the run has.
        take_over();
        let seen = SEEN.load(Ordering::Relaxed);
        std::mem::replace(&mut self.acted, seen) != seen
    }

    /// A checkpoint that was asked for is on disk.
    pub(crate) fn answered(&mut self) {
        self.answered = true;
    }

    /// Whether the user wished to stop.
    pub(crate) fn is_wished(&self) -> bool {
        self.asked.is_some()
    }

    /// Looks for new signals and at the clock.
    pub(crate) fn look(&mut self) -> Wish {
        if self.stopped {
            return Wish::None;
        }
        let Some(asked) = self.asked else {
            if !self.has_new_signal() {
                return Wish::None;
            }
            self.asked = Some(Instant::now());
            // Where no checkpoint can be asked for the run stops at once, and goes on from the one before.
            self.stopped = !self.can_checkpoint || checkpoint::request(&self.run_dir).is_err();
            return if self.stopped { Wish::Stop } else { Wish::Asked };
        };
        self.stopped = self.answered || asked.elapsed() > self.patience || self.has_new_signal();
        if self.stopped { Wish::Stop } else { Wish::None }
    }
}
