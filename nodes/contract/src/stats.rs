//! How a node spends its time: the rows of the report's `nodes` table.

use std::time::{Duration, Instant};

use arrow::array::RecordBatch;

use crate::schema::{BatchBuilder, Schema};

/// Counters of one pass over a split.
#[derive(Debug)]
pub struct Stats {
    since: Instant,
    items: i64,
    waiting: Duration,
    compute: Duration,
}

impl Default for Stats {
    fn default() -> Self {
        Self { since: Instant::now(), items: 0, waiting: Duration::ZERO, compute: Duration::ZERO }
    }
}

impl Stats {
    pub(crate) fn item(&mut self) {
        self.items += 1;
    }

    pub(crate) fn waited(&mut self, time: Duration) {
        self.waiting += time;
    }

    /// Counts time spent in the model's arithmetic.
    pub fn compute(&mut self, time: Duration) {
        self.compute += time;
    }

    /// The row of the pass so far; counting starts anew.
    pub(crate) fn take_row(&mut self, node: &str) -> Result<(Schema, RecordBatch), String> {
        let stats = std::mem::take(self);
        let wall = stats.since.elapsed();
        BatchBuilder::new(Schema::Nodes)
            .utf8([node])
            .int64([stats.items])
            .float64([wall.saturating_sub(stats.waiting).as_secs_f64()])
            .float64([stats.waiting.as_secs_f64()])
            .float64([stats.compute.as_secs_f64()])
            .float64([wall.as_secs_f64()])
            .int64([peak_memory_bytes()])
            .build()
    }
}

/// Most memory this process has held, in bytes: Linux's `VmHWM`; 0 where the system does not tell.
pub fn peak_memory_bytes() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kibibytes =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok());
    kibibytes.map_or(0, |k: i64| k * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn memory_that_was_held_is_counted_after_it_is_given_back() {
        let before = peak_memory_bytes();
        assert!(before > 0);
        let held = vec![1u8; 64 << 20];
        assert!(held.iter().step_by(4096).map(|&b| u64::from(b)).sum::<u64>() > 0);
        drop(held);
        assert!(peak_memory_bytes() >= 64 << 20);
    }
}
