//! The metric by which a run's model is picked. The loss node says which it is, in the column `picks` of the table `metrics`;
//! nothing else decides it.

use std::collections::BTreeMap;

use copl_contract::task::{AVE, TASKS};
use polars::prelude::DataFrame;

use crate::error::ReportError;
use crate::frame::{integers, numbers, texts};

/// The metric of grounding in old runs: no sample's score is a part of it.
const MATCHES: &str = "match_accuracy";

/// Epoch and split.
pub(super) type PassKey = (i64, String);

/// The last value of each metric of each pass.
pub(super) struct Metrics {
    values: BTreeMap<(PassKey, String), f64>,
    /// The metric that the loss node marked.
    picks: Option<String>,
}

impl Metrics {
    pub(super) fn new(frame: &DataFrame) -> Result<Self, ReportError> {
        let (epochs, splits) = (integers(frame, "epoch")?, texts(frame, "split")?);
        let (names, values) = (texts(frame, "metric")?, numbers(frame, "value")?);
        let picks = integers(frame, "picks")?.iter().rposition(|picks| *picks == 1).map(|row| names[row].clone());
        let keys = epochs.into_iter().zip(splits).zip(names);
        Ok(Self { values: keys.zip(values).collect(), picks })
    }

    pub(super) fn get(&self, pass: &PassKey, name: &str) -> Option<f64> {
        self.values.get(&(pass.clone(), name.to_owned())).copied()
    }
}

/// What a run is judged by.
pub(super) struct Judge {
    /// Name of the metric.
    pub(super) metric: String,
    /// Whether the mean score of the samples may stand for it where a pass does not tell it yet.
    pub(super) is_score: bool,
}

impl Judge {
    /// Of a run with these metrics; `checkpoints` is its table of them.
    pub(super) fn of(metrics: &Metrics, checkpoints: &DataFrame) -> Result<Self, ReportError> {
        Ok(match &metrics.picks {
            Some(metric) => Self { metric: metric.clone(), is_score: false },
            None => {
                let metric = of_old_run(metrics, kept_epoch(checkpoints)?);
                Self { metric: metric.to_owned(), is_score: metric != MATCHES }
            }
        })
    }
}

/// The best value with its epoch, the earliest of equals: as the loss node picks it.
pub(super) fn best(passes: impl Iterator<Item = (i64, f64)>) -> Option<(i64, f64)> {
    passes.reduce(|a, b| if b.1 > a.1 { b } else { a })
}

/// The epoch whose parameters were kept last.
fn kept_epoch(checkpoints: &DataFrame) -> Result<Option<i64>, ReportError> {
    let (epochs, best) = (integers(checkpoints, "epoch")?, integers(checkpoints, "best")?);
    Ok(best.iter().rposition(|best| *best == 1).map(|row| epochs[row]))
}

/// Fallback for runs made before loss nodes said by which metric they pick, and for loss nodes that do not say it: of the
/// metrics that picked then, the first told whose best epoch is the one that was kept, or the first that was told.
fn of_old_run(metrics: &Metrics, kept: Option<i64>) -> &'static str {
    let picked = || TASKS.iter().map(|task| task.judged_by).chain([MATCHES]);
    let told = |metric: &&'static str| metrics.values.keys().any(|(_, name)| name == *metric);
    let best_epoch = |metric: &str| {
        let of = metrics.values.iter().filter(|(((_, split), name), _)| split == "val" && name == metric);
        best(of.map(|(((epoch, _), _), value)| (*epoch, *value))).map(|(epoch, _)| epoch)
    };
    let agrees = |metric: &&'static str| kept.is_some() && best_epoch(metric) == kept;
    let all = || picked().filter(told);
    all().find(agrees).or_else(|| all().next()).unwrap_or(AVE.judged_by)
}
