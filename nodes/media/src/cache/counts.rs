//! What a cache counts.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a cache has done since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheCounts {
    pub hits: u64,
    pub misses: u64,
    /// Entries that failed their checksum and were removed.
    pub damaged: u64,
    /// Entries removed to keep the bound.
    pub evicted: u64,
    /// Results that could not be stored, because of the disk or for want of room. They were used.
    pub not_stored: u64,
    /// Those of them for which there was no room.
    pub no_room: u64,
}

impl CacheCounts {
    /// What came since `before`.
    pub(super) fn since(self, before: Self) -> Self {
        Self {
            hits: self.hits - before.hits,
            misses: self.misses - before.misses,
            damaged: self.damaged - before.damaged,
            evicted: self.evicted - before.evicted,
            not_stored: self.not_stored - before.not_stored,
            no_room: self.no_room - before.no_room,
        }
    }
}

/// Counts as they go; what was evicted is counted where room is made.
#[derive(Default)]
pub(super) struct Counters {
    pub hits: Counter,
    pub misses: Counter,
    pub damaged: Counter,
    pub not_stored: Counter,
    pub no_room: Counter,
}

impl Counters {
    pub fn counts(&self, evicted: u64) -> CacheCounts {
        CacheCounts {
            hits: self.hits.get(),
            misses: self.misses.get(),
            damaged: self.damaged.get(),
            evicted,
            not_stored: self.not_stored.get(),
            no_room: self.no_room.get(),
        }
    }
}

#[derive(Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub fn one_more(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
