//! The user's wish to stop: Ctrl-C, SIGTERM, SIGHUP.
//!
//! These signals are blocked in all threads of the command, the engine's too, and taken by a thread that waits for them: the
//! engine would stop all nodes at once, in the midst of a step. The first asks for a checkpoint, which comes between two
//! batches; with it on disk, or after `--stop-timeout`, the nodes are stopped. A second signal stops them at once.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use copl_contract::checkpoint;

const SIGNALS: [i32; 3] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP];

/// Blocks the signals in this thread and all it starts; processes that it starts get them as usual.
///
/// To be called before any thread is started.
pub(crate) fn block() {
    with_set(|set| {
        // SAFETY: the set is a valid one, and the old mask is not asked for.
        unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, set, std::ptr::null_mut()) };
    });
}

fn with_set<T>(f: impl FnOnce(&libc::sigset_t) -> T) -> T {
    let mut set = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset makes the set a valid one before anything reads it.
    let set = unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        let mut set = set.assume_init();
        for signal in SIGNALS {
            libc::sigaddset(&raw mut set, signal);
        }
        set
    };
    f(&set)
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
    signals: Receiver<i32>,
    run_dir: PathBuf,
    /// Whether the dataflow can write checkpoints.
    can_checkpoint: bool,
    patience: Duration,
    asked: Option<Instant>,
    answered: bool,
    stopped: bool,
}

impl Stop {
    /// Listens from now on; [`block`] must have been called.
    pub(crate) fn listen(run_dir: PathBuf, can_checkpoint: bool, patience_secs: f64) -> Self {
        let (sender, signals) = channel();
        std::thread::spawn(move || {
            loop {
                let mut signal = 0;
                // SAFETY: the set is valid and `signal` outlives the call.
                let status = with_set(|set| unsafe { libc::sigwait(set, &raw mut signal) });
                if status != 0 || sender.send(signal).is_err() {
                    return;
                }
            }
        });
        let patience = Duration::from_secs_f64(patience_secs.clamp(0.0, 1e6));
        Self { signals, run_dir, can_checkpoint, patience, asked: None, answered: false, stopped: false }
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
            if self.signals.try_recv().is_err() {
                return Wish::None;
            }
            self.asked = Some(Instant::now());
            // Where no checkpoint can be asked for the run stops at once, and goes on from the one before.
            self.stopped = !self.can_checkpoint || checkpoint::request(&self.run_dir).is_err();
            return if self.stopped { Wish::Stop } else { Wish::Asked };
        };
        self.stopped = self.answered || asked.elapsed() > self.patience || self.signals.try_recv().is_ok();
        if self.stopped { Wish::Stop } else { Wish::None }
    }
}
