//! All that the page of a run shows, drawn from the run's folder. As JSON it is what `copl report --json` prints.

mod confusion;
mod curves;
mod readings;
mod settings;

use std::path::{Path, PathBuf};

use copl_contract::task;
use serde::Serialize;

use crate::error::ReportError;
use crate::frame::{integers, texts};
use crate::parts::read;
use crate::status::Status;
use crate::store::{RunFolder, RunRecord};
use crate::summary::{Summary, summarise};
use crate::tables::Table;

pub use confusion::Confusion;
pub use curves::{Curve, by_step};
pub use readings::Reading;
pub use settings::{NodeSettings, Setting, nodes};

/// A group of parameters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ParameterGroup {
    /// Such as `visual.global_prompts`, or an encoder.
    pub group: String,
    /// Tensors.
    pub tensors: i64,
    /// Numbers.
    pub count: i64,
    /// Whether they learn.
    pub trainable: bool,
}

/// A run as the page shows it.
#[derive(Clone, Debug, Serialize)]
pub struct RunView {
    /// The record.
    pub record: RunRecord,
    /// How the run stands.
    pub status: Status,
    /// The letters that name it.
    pub letters: String,
    /// The task's name, among those of [`task::TASKS`] or not.
    pub task: String,
    /// The method, or the dataflow's file where it has no model of ours.
    pub method: String,
    /// The encoders in words.
    pub encoders: String,
    /// Settings by node, in the order of the dataflow.
    pub nodes: Vec<NodeSettings>,
    /// Counts, best epoch, quarantine, time.
    pub summary: Summary,
    /// Results on the split that counts: the test split, or the validation split where there was no test yet.
    pub results: Vec<Reading>,
    /// The same by class or by kind of question.
    pub details: Vec<Reading>,
    /// Confusions of the classes on that split.
    pub confusion: Option<Confusion>,
    /// Metrics over epochs, and the training loss over steps.
    pub curves: Vec<Curve>,
    /// Parameters by group.
    pub parameters: Vec<ParameterGroup>,
    /// Numbers that learn.
    pub trainable: i64,
    /// Numbers that learn beside the head: the paper's "additional parameters".
    pub additional: i64,
    /// All numbers.
    pub total: i64,
    /// Most memory any node held, in bytes; 0 where nobody told.
    pub peak_memory_bytes: i64,
}

impl RunView {
    /// Reads a run. `defaults` gives a node kind's settings with their defaults, for those the dataflow leaves out.
    ///
    /// # Errors
    /// If the record, the dataflow or a table cannot be read. A run that goes on is read as far as it is.
    pub fn load(run: &RunFolder, defaults: &dyn Fn(&str) -> Vec<(String, String)>) -> Result<Self, ReportError> {
        let record = run.read_record()?;
        let nodes = settings::of_dataflow(run, &record, defaults)?;
        let table = |table| read(&run.path, table);
        let metrics = readings::Metrics::new(&table(Table::Metrics)?)?;
        let parameters = parameters(&table(Table::Params)?)?;
        let sum = |keep: &dyn Fn(&ParameterGroup) -> bool| parameters.iter().filter(|p| keep(p)).map(|p| p.count).sum();
        let summary = summarise(&run.path)?;
        let model = nodes.iter().find(|n| n.kind == "copl-model");
        let of_model = |key: &str| model.and_then(|m| m.value(key)).unwrap_or_default().to_owned();
        let (results, details, confusion) = metrics.results();
        Ok(Self {
            status: run.status(&record),
            letters: run.letters().to_owned(),
            task: task_of(&of_model("TASK")).to_owned(),
            method: if model.is_some() { of_model("METHOD") } else { record.dataflow.clone() },
            encoders: match (of_model("VISUAL_ENCODER"), of_model("AUDIO_ENCODER")) {
                (visual, audio) if audio.is_empty() || audio == "shared" => visual,
                (visual, audio) => format!("{visual}, {audio}"),
            },
            curves: metrics.curves(),
            results,
            details,
            confusion,
            trainable: sum(&|p| p.trainable),
            additional: sum(&|p| p.trainable && p.group != "head"),
            total: sum(&|_| true),
            peak_memory_bytes: summary.nodes.iter().map(|n| n.peak_memory_bytes).max().unwrap_or(0),
            parameters,
            summary,
            nodes,
            record,
        })
    }

    /// Name of the run in tables and legends: its letters, and what sets it apart from the others.
    pub fn name(&self) -> String {
        let seed = self.record.seed.map(|s| format!(", seed {s}")).unwrap_or_default();
        format!("{} ({}{seed})", self.letters, self.method)
    }

    /// The folder its dataflow lies in, for the relative paths in it.
    pub fn dataflow_folder(&self) -> PathBuf {
        let beside = || Path::new(&self.record.dataflow).parent().unwrap_or(Path::new("")).to_owned();
        self.record.folder.clone().unwrap_or_else(beside)
    }

    /// A result by the name of its metric.
    pub fn result(&self, metric: &str) -> Option<f64> {
        self.results.iter().chain(&self.details).find(|r| r.metric == metric).map(|r| r.value)
    }

    /// The metric by which the model is picked; where it is not told, the first that is better the higher it is.
    pub fn headline(&self) -> Option<&Reading> {
        let judged = self.results.iter().find(|r| r.metric == self.summary.metric);
        judged.or_else(|| self.results.iter().find(|r| r.higher_is_better == 1))
    }

    /// A setting by `node.KEY`.
    pub fn setting(&self, name: &str) -> Option<&str> {
        let (node, key) = name.rsplit_once('.')?;
        self.nodes.iter().find(|n| n.node == node)?.value(key)
    }
}

/// The name of the task that the model's setting names; where nothing is set, the setting's default.
fn task_of(setting: &str) -> &str {
    let known = if setting.is_empty() { Some(task::AVE) } else { task::by_name(setting) };
    known.map_or(setting, |task| task.name)
}

fn parameters(frame: &polars::prelude::DataFrame) -> Result<Vec<ParameterGroup>, ReportError> {
    let (groups, tensors) = (texts(frame, "group")?, integers(frame, "tensors")?);
    let (counts, trainable) = (integers(frame, "count")?, integers(frame, "trainable")?);
    let mut found: Vec<ParameterGroup> = Vec::new();
    for (i, group) in groups.into_iter().enumerate() {
        // A run that was carried on tells of its parameters again.
        if found.iter().all(|p| p.group != group) {
            found.push(ParameterGroup { group, tensors: tensors[i], count: counts[i], trainable: trainable[i] == 1 });
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
