//! The runs of a sweep, in the order they are run.

use std::path::{Path, PathBuf};

use serde_yaml::{Mapping, Value};

use super::file::{Axis, Case, SweepFile};

/// A run to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// The row it belongs to: its named case and its place on the grid.
    pub case: String,
    /// The named case alone; empty where the file has a grid only.
    pub named: String,
    /// Its dataflow, relative to the working folder.
    pub dataflow: PathBuf,
    /// Overrides as `node.KEY=value`.
    pub overrides: Vec<String>,
    /// The seed of every node that has one.
    pub seed: Option<u64>,
    /// Value on each axis of the grid.
    pub at: Vec<String>,
}

/// All runs: for every seed, every case with every point of the grid. A sweep that is cut has whole rounds.
pub fn plan(file: &SweepFile, folder: &Path) -> Vec<Planned> {
    let unnamed = [Case::default()];
    let cases = if file.cases.is_empty() { &unnamed[..] } else { &file.cases };
    let seeds: Vec<Option<u64>> =
        if file.seeds.is_empty() { vec![None] } else { file.seeds.iter().copied().map(Some).collect() };
    let mut planned = Vec::new();
    for seed in seeds {
        for case in cases {
            for point in points(&file.grid) {
                planned.push(one(file, folder, case, &point, seed));
            }
        }
    }
    planned
}

fn one(file: &SweepFile, folder: &Path, case: &Case, point: &[(&Axis, String)], seed: Option<u64>) -> Planned {
    let mut overrides = of(&file.set);
    overrides.extend(of(&case.set));
    for (axis, value) in point {
        overrides.extend(axis.set.iter().map(|key| format!("{key}={value}")));
    }
    let at = point.iter().map(|(axis, value)| format!("{} {value}", axis.name));
    let words: Vec<String> = (!case.name.is_empty()).then(|| case.name.clone()).into_iter().chain(at).collect();
    Planned {
        case: words.join(", "),
        named: case.name.clone(),
        dataflow: folder.join(case.dataflow.as_ref().unwrap_or(&file.dataflow)),
        overrides,
        seed,
        at: point.iter().map(|(_, value)| value.clone()).collect(),
    }
}

/// The product of the axes; one empty point where there is none.
fn points(grid: &[Axis]) -> Vec<Vec<(&Axis, String)>> {
    let mut points = vec![Vec::new()];
    for axis in grid {
        let values: Vec<String> = axis.values.iter().map(text).collect();
        let longer = |point: &Vec<(_, String)>| {
            let with = |value: &String| point.iter().cloned().chain([(axis, value.clone())]).collect();
            values.iter().map(with).collect::<Vec<Vec<_>>>()
        };
        points = points.iter().flat_map(longer).collect();
    }
    points
}

fn of(set: &Mapping) -> Vec<String> {
    set.iter().map(|(key, value)| format!("{}={}", text(key), text(value))).collect()
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(truth) => truth.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Null => String::new(),
        other => serde_yaml::to_string(other).unwrap_or_default().trim_end().to_owned(),
    }
}
