//! What the cache did in a pass, in words, and how much room all that a node asked for would take.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::counts::CacheCounts;

/// The entries this process has asked for: their size, and whether they were stored.
#[derive(Default)]
pub(super) struct Needs {
    entries: Mutex<HashMap<String, (u64, bool)>>,
}

impl Needs {
    pub fn note(&self, entry: &str, size: u64, is_stored: bool) {
        self.entries().insert(entry.to_owned(), (size, is_stored));
    }

    /// Bytes of all of them, and of those that are not stored.
    pub fn bytes(&self) -> (u64, u64) {
        let entries = self.entries();
        let all = entries.values().map(|(size, _)| size).sum();
        let missing = entries.values().filter(|(_, is_stored)| !is_stored).map(|(size, _)| size).sum();
        (all, missing)
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<String, (u64, bool)>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the cache did since the pass before; clips that were begun ahead of the next pass are among it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassReport {
    pub counts: CacheCounts,
    /// Bytes that all clips take which this process has asked for so far.
    pub needed_bytes: u64,
    /// The bound at which they would fit beside what else is in the folder.
    pub wanted_max_bytes: u64,
    /// Why a result could not be stored, though there was room.
    pub problem: Option<String>,
}

impl PassReport {
    /// Whether clips are decoded again and again that need not be.
    pub fn is_worth_a_warning(&self) -> bool {
        self.counts.not_stored > 0
    }
}

impl fmt::Display for PassReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CacheCounts { hits, misses, damaged, evicted, not_stored, no_room } = self.counts;
        write!(f, "clip cache: {hits} clips were in it, {misses} were decoded")?;
        if evicted > 0 {
            write!(f, "; {evicted} that no run has asked for lately made room")?;
        }
        if damaged > 0 {
            write!(f, "; {damaged} were damaged and thrown away")?;
        }
        if no_room > 0 {
            let (needed, wanted) = (gib(self.needed_bytes), gib(self.wanted_max_bytes));
            write!(
                f,
                "; {no_room} do not fit: this node's clips need {needed} GiB, CACHE_MAX_GIB would have to be {wanted}"
            )?;
        }
        if not_stored > no_room {
            let problem = self.problem.as_deref().unwrap_or("no reason was given");
            write!(f, "; {} could not be stored: {problem}", not_stored - no_room)?;
        }
        Ok(())
    }
}

/// GiB, rounded up to a hundredth.
fn gib(bytes: u64) -> f64 {
    (bytes as f64 / (1_u64 << 30) as f64 * 100.0).ceil() / 100.0
}
