//! The `metrics` table sorted out: results, their details by class, confusions, curves.

use std::collections::BTreeMap;

use copl_contract::names;
use polars::prelude::DataFrame;
use serde::Serialize;

use super::confusion::{Confusion, confusion};
use super::curves::Curve;
use crate::error::ReportError;
use crate::frame::{integers, numbers, texts};

/// Prefix of the numbers of single steps.
const STEP: &str = "step/";
/// A number of a pass.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reading {
    /// Name of the metric.
    pub metric: String,
    /// Value.
    pub value: f64,
    /// Unit.
    pub unit: String,
    /// 1, 0, or -1 where neither holds.
    pub higher_is_better: i64,
    /// `val` or `test`.
    pub split: String,
    /// Epoch of the pass.
    pub epoch: i64,
}

/// The rows of the table.
pub(super) struct Metrics {
    rows: Vec<(Reading, i64)>,
}

impl Metrics {
    pub(super) fn new(frame: &DataFrame) -> Result<Self, ReportError> {
        let (epochs, splits) = (integers(frame, "epoch")?, texts(frame, "split")?);
        let (steps, names) = (integers(frame, "step")?, texts(frame, "metric")?);
        let (values, units) = (numbers(frame, "value")?, texts(frame, "unit")?);
        let better = integers(frame, "higher_is_better")?;
        let rows = (0..names.len()).map(|i| {
            let (metric, unit, split) = (names[i].clone(), units[i].clone(), splits[i].clone());
            let reading =
                Reading { metric, value: values[i], unit, higher_is_better: better[i], split, epoch: epochs[i] };
            (reading, steps[i])
        });
        Ok(Self { rows: rows.collect() })
    }

    /// Results, details and confusions of the last test pass, or of the last validation pass.
    pub(super) fn results(&self) -> (Vec<Reading>, Vec<Reading>, Option<Confusion>) {
        let passes = || self.rows.iter().map(|(r, _)| r).filter(|r| r.split != "train");
        let of =
            |split: &str| passes().filter(|r| r.split == split).map(|r| r.epoch).max().map(|e| (split.to_owned(), e));
        let Some((split, epoch)) = of("test").or_else(|| of("val")) else { return Default::default() };
        let mut last: BTreeMap<&str, (usize, &Reading)> = BTreeMap::new();
        for (i, reading) in passes().enumerate().filter(|(_, r)| r.split == split && r.epoch == epoch) {
            let first = last.get(reading.metric.as_str()).map_or(i, |(first, _)| *first);
            last.insert(&reading.metric, (first, reading));
        }
        let mut ordered: Vec<(usize, &Reading)> = last.into_values().collect();
        ordered.sort_by_key(|(first, _)| *first);
        let (mut results, mut details, mut confusions) = (Vec::new(), Vec::new(), Vec::new());
        // Classes, and kinds of questions.
        let mut named = Vec::new();
        for (_, reading) in ordered {
            match names::parts(&reading.metric).as_slice() {
                [first, cell @ ..] if first == "confusion" && !cell.is_empty() => {
                    confusions.push((cell.to_vec(), reading.value));
                }
                [_] => results.push(reading.clone()),
                [_, of @ ..] => {
                    let of = of.join("/");
                    if !named.contains(&of) {
                        named.push(of);
                    }
                    details.push(reading.clone());
                }
                [] => {}
            }
        }
        (results, details, confusion(&confusions, named))
    }

    /// Every metric of whole passes over epochs by split, and the training loss over steps.
    pub(super) fn curves(&self) -> Vec<Curve> {
        let mut curves: Vec<Curve> = Vec::new();
        for (reading, step) in &self.rows {
            let by_step = reading.metric == "step/loss";
            let plain = names::parts(&reading.metric).len() == 1 && reading.unit != "count";
            if !(by_step || plain) {
                continue;
            }
            let metric = reading.metric.strip_prefix(STEP).unwrap_or(&reading.metric);
            let x = if by_step { *step as f64 } else { reading.epoch as f64 };
            let same = |c: &&mut Curve| c.metric == metric && c.split == reading.split && c.by_step == by_step;
            match curves.iter_mut().find(same) {
                Some(curve) => match curve.points.last_mut() {
                    // A pass that was resumed is told of again: the last word counts.
                    Some(last) if last.0 == x => last.1 = reading.value,
                    _ => curve.points.push((x, reading.value)),
                },
                None => curves.push(Curve {
                    metric: metric.to_owned(),
                    unit: reading.unit.clone(),
                    split: reading.split.clone(),
                    by_step,
                    points: vec![(x, reading.value)],
                }),
            }
        }
        curves
    }
}
