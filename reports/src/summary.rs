//! The numbers of a run, drawn from its tables: what the command prints at the end, and the check that no clip was lost.
//!
//! *Clips read* is the span of positions of a pass: a clip source numbers the clips of a run without a gap. Each must
//! have one `samples` row, so read = trained or evaluated + quarantined; the counts of the node that computed the loss
//! (`clips`, `clips_quarantined`) and the rows of `quarantine` must agree with them.

mod judge;
mod show;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use polars::prelude::DataFrame;
use serde::Serialize;

use crate::error::ReportError;
use crate::frame::{integers, numbers, texts};
use crate::parts::read;
use crate::tables::Table;
use judge::{Judge, Metrics, PassKey};

/// An epoch's split.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Pass {
    /// Epoch, from 1.
    pub epoch: i64,
    /// `train`, `val` or `test`.
    pub split: String,
    /// Clips the source sent.
    pub read: i64,
    /// Clips trained on.
    pub trained: i64,
    /// Clips evaluated.
    pub evaluated: i64,
    /// Clips given up.
    pub quarantined: i64,
    /// Mean loss in nats.
    pub loss: Option<f64>,
    /// The metric by which the model is picked ([`Summary::metric`]), in percent.
    pub accuracy: Option<f64>,
}

/// A clip that was given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QuarantinedClip {
    /// Clip id.
    pub clip: String,
    /// Media file.
    pub path: String,
    /// Node that gave it up.
    pub stage: String,
    /// Reason code.
    pub reason: String,
    /// What was seen.
    pub detail: String,
    /// In how many passes.
    pub times: i64,
}

/// Where a node's time went, over the whole run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct NodeTime {
    /// Node id.
    pub node: String,
    /// Messages handled.
    pub items: i64,
    /// Seconds at work.
    pub busy_secs: f64,
    /// Seconds waiting for messages.
    pub waiting_secs: f64,
    /// Seconds in the model's arithmetic.
    pub compute_secs: f64,
    /// Seconds in all.
    pub wall_secs: f64,
    /// Most memory its process held, in bytes; 0 where nobody told.
    pub peak_memory_bytes: i64,
}

/// The numbers of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    /// Every epoch's splits, in the order they ran.
    pub passes: Vec<Pass>,
    /// The metric by which the model is picked, which `accuracy` stands for: what the loss node says, such as `accuracy`,
    /// `miou` or `match_accuracy`.
    pub metric: String,
    /// Epoch at which it is best on the validation split; the earliest of equals.
    pub best_epoch: Option<i64>,
    /// Its value there, in percent.
    pub val_accuracy: Option<f64>,
    /// Its value on the test split, in percent.
    pub test_accuracy: Option<f64>,
    /// Clips given up.
    pub quarantine: Vec<QuarantinedClip>,
    /// Time by node.
    pub nodes: Vec<NodeTime>,
    /// Seconds of the passes: of the node whose passes took longest, from its first message to its last.
    pub wall_secs: f64,
    /// Share of it in which the model's arithmetic did not run; none if no node told of its arithmetic.
    pub not_compute: Option<f64>,
    /// Where numbers of clips do not add up; empty if all is well.
    pub mismatches: Vec<String>,
}

impl Summary {
    /// Refuses a report that lost or repeated a clip.
    ///
    /// # Errors
    /// Every pass whose numbers do not add up.
    pub fn check(&self) -> Result<(), ReportError> {
        if self.mismatches.is_empty() { Ok(()) } else { Err(ReportError::DoesNotAddUp(self.mismatches.join("; "))) }
    }
}

/// Summarises the tables of a run, whether it goes on or has ended.
///
/// # Errors
/// If a table cannot be read. Numbers that do not add up are told by [`Summary::check`].
pub fn summarise(run_dir: &Path) -> Result<Summary, ReportError> {
    let table = |table| read(run_dir, table);
    let metrics = Metrics::new(&table(Table::Metrics)?)?;
    let judge = Judge::of(&metrics, &table(Table::Checkpoints)?)?;
    let (quarantine, given_up) = quarantined(&table(Table::Quarantine)?)?;
    let (passes, mismatches) = passes(&table(Table::Samples)?, &metrics, &judge, &given_up)?;
    let nodes = nodes(&table(Table::Nodes)?)?;
    let val = passes.iter().filter(|p| p.split == "val");
    let best = judge::best(val.filter_map(|p| Some((p.epoch, p.accuracy?))));
    let test_accuracy = passes.iter().rev().find(|p| p.split == "test").and_then(|p| p.accuracy);
    let wall_secs = nodes.iter().map(|n| n.wall_secs).fold(0.0, f64::max);
    // Nodes that compute at the same time (encoders of their own) leave no share of the wall time to tell.
    let computing: Vec<f64> = nodes.iter().map(|n| n.compute_secs).filter(|secs| *secs > 0.0).collect();
    let compute = if let [one] = *computing { one } else { 0.0 };
    Ok(Summary {
        metric: judge.metric,
        best_epoch: best.map(|b| b.0),
        val_accuracy: best.map(|b| b.1),
        test_accuracy,
        not_compute: (compute > 0.0 && wall_secs > 0.0).then(|| (1.0 - compute / wall_secs).clamp(0.0, 1.0)),
        wall_secs,
        passes,
        quarantine,
        nodes,
        mismatches,
    })
}

#[derive(Default)]
struct Tally {
    pass: Pass,
    positions: BTreeSet<i64>,
    repeated: Vec<String>,
    unknown: Vec<String>,
    score: f64,
    loss: f64,
}

fn passes(
    samples: &DataFrame,
    metrics: &Metrics,
    judge: &Judge,
    given_up: &BTreeMap<PassKey, BTreeSet<String>>,
) -> Result<(Vec<Pass>, Vec<String>), ReportError> {
    let (epochs, splits) = (integers(samples, "epoch")?, texts(samples, "split")?);
    let (clips, positions) = (texts(samples, "clip")?, integers(samples, "position")?);
    let (status, score, loss) = (texts(samples, "status")?, numbers(samples, "score")?, numbers(samples, "loss")?);
    let mut tallies: BTreeMap<PassKey, Tally> = BTreeMap::new();
    for i in 0..clips.len() {
        let tally = tallies.entry((epochs[i], splits[i].clone())).or_default();
        if !tally.positions.insert(positions[i]) {
            tally.repeated.push(clips[i].clone());
        }
        match status[i].as_str() {
            "trained" => tally.pass.trained += 1,
            "evaluated" => tally.pass.evaluated += 1,
            "quarantined" => tally.pass.quarantined += 1,
            other => tally.unknown.push(format!("{} is `{other}`", clips[i])),
        }
        if status[i] != "quarantined" {
            tally.score += score[i];
            tally.loss += loss[i];
        }
    }
    for key in given_up.keys() {
        tallies.entry(key.clone()).or_default();
    }
    let mut mismatches = Vec::new();
    let mut passes = Vec::new();
    for (key, tally) in tallies {
        let first = tally.positions.first().copied().unwrap_or(i64::MAX);
        let pass = settle(&key, tally, (metrics, judge), given_up.get(&key), &mut mismatches);
        passes.push((first, pass));
    }
    passes.sort_by_key(|(first, _)| *first);
    Ok((passes.into_iter().map(|(_, pass)| pass).collect(), mismatches))
}

/// Finishes a pass's numbers and notes what does not add up.
fn settle(
    key: &PassKey,
    tally: Tally,
    (metrics, judge): (&Metrics, &Judge),
    given_up: Option<&BTreeSet<String>>,
    mismatches: &mut Vec<String>,
) -> Pass {
    let Tally { pass, positions, repeated, unknown, score, loss } = tally;
    let mut wrong = |problem: String| mismatches.push(format!("epoch {}, {}: {problem}", key.0, key.1));
    let read = match (positions.first(), positions.last()) {
        (Some(first), Some(last)) => last - first + 1,
        _ => 0,
    };
    let used = pass.trained + pass.evaluated;
    if used + pass.quarantined != read {
        wrong(format!("{read} clips read, {used} trained or evaluated + {} quarantined", pass.quarantined));
    }
    if !repeated.is_empty() {
        wrong(format!("more than one row for {}", repeated.join(", ")));
    }
    for problem in unknown {
        wrong(problem);
    }
    for (metric, rows) in [("clips", used), ("clips_quarantined", pass.quarantined)] {
        match metrics.get(key, metric) {
            Some(count) if count != rows as f64 => {
                wrong(format!("metric `{metric}` is {count}, but there are {rows} rows"))
            }
            _ => {}
        }
    }
    let listed = given_up.map_or(0, BTreeSet::len);
    if i64::try_from(listed) != Ok(pass.quarantined) {
        wrong(format!("{} clips quarantined, but {listed} stand in the quarantine table", pass.quarantined));
    }
    let mean = |sum: f64| (used > 0).then(|| sum / used as f64);
    Pass {
        epoch: key.0,
        split: key.1.clone(),
        read,
        loss: metrics.get(key, "loss").or(mean(loss)),
        accuracy: metrics.get(key, &judge.metric).or(mean(100.0 * score).filter(|_| judge.is_score)),
        ..pass
    }
}

type GivenUp = BTreeMap<PassKey, BTreeSet<String>>;

fn quarantined(frame: &DataFrame) -> Result<(Vec<QuarantinedClip>, GivenUp), ReportError> {
    let (epochs, splits) = (integers(frame, "epoch")?, texts(frame, "split")?);
    let columns = ["clip", "path", "stage", "reason", "detail"].map(|name| texts(frame, name));
    let [clips, paths, stages, reasons, details] = columns;
    let (clips, paths, stages, reasons, details) = (clips?, paths?, stages?, reasons?, details?);
    let mut by_clip: BTreeMap<String, QuarantinedClip> = BTreeMap::new();
    let mut by_pass = GivenUp::new();
    for i in 0..clips.len() {
        by_clip
            .entry(clips[i].clone())
            .or_insert_with(|| QuarantinedClip {
                clip: clips[i].clone(),
                path: paths[i].clone(),
                stage: stages[i].clone(),
                reason: reasons[i].clone(),
                detail: details[i].clone(),
                times: 0,
            })
            .times += 1;
        by_pass.entry((epochs[i], splits[i].clone())).or_default().insert(clips[i].clone());
    }
    Ok((by_clip.into_values().collect(), by_pass))
}

fn nodes(frame: &DataFrame) -> Result<Vec<NodeTime>, ReportError> {
    let (ids, items) = (texts(frame, "node")?, integers(frame, "items")?);
    let (busy, waiting) = (numbers(frame, "busy_secs")?, numbers(frame, "waiting_secs")?);
    let (compute, wall) = (numbers(frame, "compute_secs")?, numbers(frame, "wall_secs")?);
    let memory = integers(frame, "peak_memory_bytes")?;
    let mut nodes: BTreeMap<String, NodeTime> = BTreeMap::new();
    for (i, id) in ids.iter().enumerate() {
        let node = nodes.entry(id.clone()).or_insert_with(|| NodeTime { node: id.clone(), ..NodeTime::default() });
        node.items += items[i];
        node.busy_secs += busy[i];
        node.waiting_secs += waiting[i];
        node.compute_secs += compute[i];
        node.wall_secs += wall[i];
        node.peak_memory_bytes = node.peak_memory_bytes.max(memory[i]);
    }
    Ok(nodes.into_values().collect())
}

#[cfg(test)]
mod tests;
