//! Ctrl-C for verbs that start runs as processes of their own: the run under way gets the interrupt too and stops by
//! itself, and the verb must outlive it to say what was done so far.

use std::sync::atomic::{AtomicBool, Ordering};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

extern "C" fn note(_signal: libc::c_int) {
    INTERRUPTED.store(true, Ordering::SeqCst);
}

/// From now on Ctrl-C is noted instead of ending this process.
pub(crate) fn watch() {
    // SAFETY: the handler does nothing but store to an atomic.
    unsafe { libc::signal(libc::SIGINT, note as *const () as libc::sighandler_t) };
}

/// Whether it was pressed.
pub(crate) fn told() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}
