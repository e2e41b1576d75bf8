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
            .build()
    }
}
