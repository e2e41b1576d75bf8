//! The table of a sweep: a row a case with mean and deviation over its seeds, the paper's number beside it.

use serde::Serialize;

use super::file::{Case, Column, SweepFile};
use super::plan::Planned;
use crate::paper::PaperRow;
use crate::view::RunView;

/// A run of the sweep that has ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunResult {
    /// Id of the run.
    pub run: String,
    /// Its seed.
    pub seed: Option<u64>,
    /// The sweep's metric.
    pub value: Option<f64>,
    /// The further metrics.
    pub also: Vec<Option<f64>>,
    /// The further columns.
    pub columns: Vec<Option<f64>>,
    /// The data it ran on.
    pub data_fingerprint: Option<String>,
}

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CaseResult {
    /// Name of the case.
    pub case: String,
    /// The named case alone; empty where the file has a grid only.
    pub named: String,
    /// Value on each axis of the grid.
    pub at: Vec<String>,
    /// Runs wanted.
    pub planned: usize,
    /// Runs that have ended.
    pub runs: Vec<RunResult>,
    /// Mean of the metric.
    pub mean: Option<f64>,
    /// Its sample standard deviation; none for fewer than two runs.
    pub deviation: Option<f64>,
    /// Means of the further metrics.
    pub also: Vec<Option<f64>>,
    /// Means of the further columns.
    pub columns: Vec<Option<f64>>,
    /// The paper's row.
    pub paper: Option<PaperRow>,
}

/// The table of a sweep.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Table {
    /// Name of the sweep.
    pub name: String,
    /// What it shows.
    pub title: String,
    /// What a reader must know.
    pub note: String,
    /// The metric.
    pub metric: String,
    /// Further metrics.
    pub also: Vec<String>,
    /// Further columns.
    pub columns: Vec<Column>,
    /// Rows.
    pub cases: Vec<CaseResult>,
}

/// The table from the runs that have ended: for every planned run its run in the store, if there is one.
pub fn table(file: &SweepFile, planned: &[(Planned, Option<RunView>)]) -> Table {
    let picks = || planned.iter().find_map(|(_, view)| Some(view.as_ref()?.summary.metric.clone()));
    let metric = file.metric.clone().or_else(picks).unwrap_or_else(|| "result".to_owned());
    let mut cases: Vec<CaseResult> = Vec::new();
    for (plan, view) in planned {
        let at = cases.iter().position(|c| c.case == plan.case).unwrap_or_else(|| {
            let named = |c: &&Case| plan.named == c.name;
            let paper = file.cases.iter().find(named).and_then(|c| file.row(c)).copied();
            cases.push(CaseResult {
                case: plan.case.clone(),
                named: plan.named.clone(),
                at: plan.at.clone(),
                planned: 0,
                runs: Vec::new(),
                mean: None,
                deviation: None,
                also: Vec::new(),
                columns: Vec::new(),
                paper,
            });
            cases.len() - 1
        });
        cases[at].planned += 1;
        if let Some(view) = view {
            cases[at].runs.push(result(file, &metric, plan, view));
        }
    }
    for case in &mut cases {
        let values: Vec<f64> = case.runs.iter().filter_map(|r| r.value).collect();
        (case.mean, case.deviation) = mean_and_deviation(&values);
        let runs = std::mem::take(&mut case.runs);
        let mean = |of: &dyn Fn(&RunResult) -> Option<f64>| {
            mean_and_deviation(&runs.iter().filter_map(of).collect::<Vec<_>>()).0
        };
        case.also = (0..file.also.len()).map(|i| mean(&|r| r.also[i])).collect();
        case.columns = (0..file.columns.len()).map(|i| mean(&|r| r.columns[i])).collect();
        case.runs = runs;
    }
    Table {
        name: file.name.clone(),
        title: file.title.clone(),
        note: file.note.trim().to_owned(),
        metric,
        also: file.also.clone(),
        columns: file.columns.clone(),
        cases,
    }
}

fn result(file: &SweepFile, metric: &str, plan: &Planned, view: &RunView) -> RunResult {
    let known = |number: i64| (number > 0).then_some(number as f64);
    let column = |column: &Column| match column {
        Column::Additional => Some(view.additional as f64 / 1e6),
        Column::Trainable => known(view.trainable).map(|n| n / 1e6),
        Column::Total => known(view.total).map(|n| n / 1e6),
        Column::Memory => {
            let model = view.nodes.iter().find(|n| n.kind == "copl-model")?;
            let node = view.summary.nodes.iter().find(|n| n.node == model.node)?;
            known(node.peak_memory_bytes).map(|b| b / 1e6)
        }
        Column::Time => view.record.wall_secs(),
        Column::Validation => view.summary.val_accuracy,
    };
    RunResult {
        run: view.record.id.clone(),
        seed: plan.seed,
        value: view.result(metric),
        also: file.also.iter().map(|metric| view.result(metric)).collect(),
        columns: file.columns.iter().map(column).collect(),
        data_fingerprint: view.record.data_fingerprint.clone(),
    }
}

/// Mean, and sample standard deviation of two values or more.
pub(super) fn mean_and_deviation(values: &[f64]) -> (Option<f64>, Option<f64>) {
    if values.is_empty() {
        return (None, None);
    }
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let square: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (Some(mean), (values.len() > 1).then(|| (square / (count - 1.0)).sqrt()))
}

impl Table {
    /// What is amiss: runs that are missing, runs of different data.
    pub fn warnings(&self) -> Vec<String> {
        let mut found = Vec::new();
        let missing: usize = self.cases.iter().map(|c| c.planned - c.runs.len()).sum();
        if missing > 0 {
            found
                .push(format!("{missing} of {} runs are missing", self.cases.iter().map(|c| c.planned).sum::<usize>()));
        }
        let mut data: Vec<&str> =
            self.cases.iter().flat_map(|c| &c.runs).filter_map(|r| r.data_fingerprint.as_deref()).collect();
        data.sort_unstable();
        data.dedup();
        if data.len() > 1 {
            found.push(format!("the runs are of {} different sets of annotations", data.len()));
        }
        found
    }
}
