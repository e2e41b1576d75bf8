//! The numbers of a run as trackers take them.

use std::path::Path;

use crate::error::ReportError;
use crate::frame::{integers, numbers, texts};
use crate::parts::read;
use crate::tables::Table;

/// A number of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// `SPLIT/METRIC`; of single steps `train/step/METRIC`.
    pub tag: String,
    /// Training step.
    pub step: i64,
    /// Value.
    pub value: f64,
}

/// All numbers of a run but its confusions, in the order in which they were told.
///
/// # Errors
/// If the table cannot be read.
pub fn points(run_dir: &Path) -> Result<Vec<Point>, ReportError> {
    let frame = read(run_dir, Table::Metrics)?;
    let (splits, names) = (texts(&frame, "split")?, texts(&frame, "metric")?);
    let (steps, values) = (integers(&frame, "step")?, numbers(&frame, "value")?);
    let point = |i: usize| Point { tag: format!("{}/{}", splits[i], names[i]), step: steps[i], value: values[i] };
    Ok((0..names.len()).filter(|i| !names[*i].starts_with("confusion/")).map(point).collect())
}
