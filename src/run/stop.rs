//! The user's wish to stop: Ctrl-C, SIGTERM, SIGHUP.
//!
//! The engine would stop all nodes at once, in the midst of a step, so its handlers of these signals are replaced by one that
//! counts. The first signal asks for a checkpoint, which comes between two batches; with it on disk, or after
//! `--stop-timeout`, the nodes are stopped. A second signal stops them at once. Nodes are started with the usual handlers.

use std::path::PathBuf;
use std::time::Duration;

use copl_contract::checkpoint;

use crate::interrupt;

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
    asked: Option<Duration>,
    answered: bool,
    stopped: bool,
}

impl Stop {
    /// Listens from now on.
    pub(crate) fn listen(run_dir: PathBuf, can_checkpoint: bool, patience_secs: f64) -> Self {
        interrupt::take_over();
        let patience = Duration::from_secs_f64(patience_secs.clamp(0.0, 1e6));
        let acted = interrupt::seen();
        Self { acted, run_dir, can_checkpoint, patience, asked: None, answered: false, stopped: false }
    }

    /// Whether a signal has come that was not acted upon.
    fn has_new_signal(&mut self) -> bool {
        // The engine sets its handlers when it starts, some time after the run has.
        interrupt::take_over();
        let seen = interrupt::seen();
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

    /// Looks for new signals, and at the clock of the command's own time.
    pub(crate) fn look(&mut self, now: Duration) -> Wish {
        if self.stopped {
            return Wish::None;
        }
        let Some(asked) = self.asked else {
            if !self.has_new_signal() {
                return Wish::None;
            }
            self.asked = Some(now);
            // Where no checkpoint can be asked for the run stops at once, and goes on from the one before.
            self.stopped = !self.can_checkpoint || checkpoint::request(&self.run_dir).is_err();
            return if self.stopped { Wish::Stop } else { Wish::Asked };
        };
        self.stopped = self.answered || now.saturating_sub(asked) > self.patience || self.has_new_signal();
        if self.stopped { Wish::Stop } else { Wish::None }
    }
}
