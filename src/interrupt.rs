//! The user's wish to stop: Ctrl-C, SIGTERM, SIGHUP.
//!
//! A verb that has something to bring to an end first counts these signals instead of being ended by them.

use std::ffi::c_int;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::sys::signal::{SigHandler, Signal, signal};

const SIGNALS: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

/// Signals so far.
static SEEN: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count(_: c_int) {
    SEEN.fetch_add(1, Ordering::SeqCst);
}

/// Counts the signals from now on, whoever took them before. Programs that are started get them as usual.
pub(crate) fn take_over() {
    for wish in SIGNALS {
        // SAFETY: the handler only adds to an atomic number, which is allowed at any moment.
        let taken = unsafe { signal(wish, SigHandler::Handler(count)) };
        debug_assert!(taken.is_ok(), "these signals can be taken");
    }
}

/// How many have come.
pub(crate) fn seen() -> usize {
    SEEN.load(Ordering::SeqCst)
}
