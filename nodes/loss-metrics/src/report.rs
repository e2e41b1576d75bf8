//! What the node writes into the report.

use arrow::array::RecordBatch;
use copl_contract::schema::{BatchBuilder, Schema};

use crate::judged::JudgedClip;
use crate::metric::Metric;

/// Rows of the `metrics` table. `picks` is the metric by which the model is picked.
pub(crate) fn metrics(step: u64, metrics: &[Metric], picks: Option<&str>) -> Result<(Schema, RecordBatch), String> {
    BatchBuilder::new(Schema::Metrics)
        .int64(metrics.iter().map(|_| step as i64))
        .utf8(metrics.iter().map(|m| &m.name))
        .float64(metrics.iter().map(|m| m.value))
        .utf8(metrics.iter().map(|m| m.unit))
        .int64(metrics.iter().map(|m| m.higher_is_better))
        .int64(metrics.iter().map(|m| i64::from(picks == Some(m.name.as_str()))))
        .build()
}

/// A row of the `samples` table.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) clip: String,
    pub(crate) position: u64,
    pub(crate) status: &'static str,
    pub(crate) judged: JudgedClip,
}

/// Rows of the `samples` table.
pub(crate) fn samples(samples: &[Sample]) -> Result<(Schema, RecordBatch), String> {
    BatchBuilder::new(Schema::Samples)
        .utf8(samples.iter().map(|s| &s.clip))
        .int64(samples.iter().map(|s| s.position as i64))
        .utf8(samples.iter().map(|s| s.status))
        .list_i32(samples.iter().map(|s| s.judged.prediction.as_slice()))
        .list_i32(samples.iter().map(|s| s.judged.target.as_slice()))
        .float64(samples.iter().map(|s| s.judged.score))
        .float64(samples.iter().map(|s| s.judged.loss))
        .build()
}
