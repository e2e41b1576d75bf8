//! What differs between runs: facts of their records, settings, results.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::view::{Reading, RunView};

/// A fact or setting of several runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Compared {
    /// `node.KEY`, or the fact's name.
    pub name: String,
    /// Its value in each run; none where a run has no such thing.
    pub values: Vec<Option<String>>,
}

impl Compared {
    /// Whether the runs differ in it.
    pub fn differs(&self) -> bool {
        self.values.windows(2).any(|pair| pair[0] != pair[1])
    }
}

/// A result of several runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ComparedResult {
    /// Name of the metric.
    pub metric: String,
    /// Its unit.
    pub unit: String,
    /// Its value in each run.
    pub values: Vec<Option<f64>>,
    /// 1, 0, or -1 where neither holds.
    pub higher_is_better: i64,
}

impl ComparedResult {
    /// Index of the best value where more than one is known and they differ.
    pub fn best(&self) -> Option<usize> {
        let sign = match self.higher_is_better {
            1 => 1.0,
            0 => -1.0,
            _ => return None,
        };
        let known = || self.values.iter().enumerate().filter_map(|(i, v)| Some((i, sign * (*v)?)));
        let best = known().max_by(|a, b| a.1.total_cmp(&b.1))?;
        known().any(|(_, v)| v < best.1).then_some(best.0)
    }
}

/// Facts and settings of the runs, in the order of the first run's dataflow.
pub fn settings(views: &[RunView]) -> Vec<Compared> {
    let all: Vec<BTreeMap<String, String>> = views.iter().map(|v| of(v).into_iter().collect()).collect();
    let mut names: Vec<String> = Vec::new();
    for view in views {
        for (name, _) in of(view) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
        .into_iter()
        .map(|name| Compared { values: all.iter().map(|run| run.get(&name).cloned()).collect(), name })
        .collect()
}

/// Facts and settings of a run by name.
fn of(view: &RunView) -> Vec<(String, String)> {
    let record = &view.record;
    let mut facts = vec![
        ("dataflow".to_owned(), record.dataflow.clone()),
        ("device".to_owned(), record.device.clone()),
        ("data fingerprint".to_owned(), record.data_fingerprint.clone().unwrap_or_default()),
    ];
    facts.extend(record.versions.iter().map(|(what, version)| (format!("version of {what}"), version.clone())));
    for node in &view.nodes {
        facts.extend(node.settings.iter().map(|s| (format!("{}.{}", node.node, s.key), s.value.clone())));
    }
    facts
}

/// Results of the runs, in the order of the first run's; then parameters, memory and time.
pub fn results(views: &[RunView]) -> Vec<ComparedResult> {
    let mut found: Vec<ComparedResult> = Vec::new();
    for reading in views.iter().flat_map(|v| &v.results).filter(|r| r.unit != "count") {
        if found.iter().any(|f| f.metric == reading.metric) {
            continue;
        }
        let Reading { metric, unit, higher_is_better, .. } = reading.clone();
        let values = views.iter().map(|v| v.result(&metric)).collect();
        // What a constant answer scores says something of the data, not of the run.
        let higher_is_better = if metric == "majority" { -1 } else { higher_is_better };
        found.push(ComparedResult { metric, unit, values, higher_is_better });
    }
    let mut cost = |metric: &str, unit: &str, value: &dyn Fn(&RunView) -> Option<f64>| {
        let values: Vec<Option<f64>> = views.iter().map(value).collect();
        if values.iter().any(Option::is_some) {
            found.push(ComparedResult { metric: metric.into(), unit: unit.into(), values, higher_is_better: -1 });
        }
    };
    let known = |number: i64| (number > 0).then_some(number as f64);
    cost("numbers that learn", "count", &|v| known(v.trainable));
    cost("peak memory of a node", "MB", &|v| known(v.peak_memory_bytes).map(|b| b / 1e6));
    cost("wall time", "s", &|v| v.record.wall_secs());
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(values: [Option<f64>; 3], higher_is_better: i64) -> ComparedResult {
        ComparedResult { metric: "m".into(), unit: String::new(), values: values.into(), higher_is_better }
    }

    #[test]
    fn the_best_is_known_where_a_direction_and_a_difference_are() {
        assert_eq!(result([Some(1.0), Some(3.0), None], 1).best(), Some(1));
        assert_eq!(result([Some(1.0), Some(3.0), None], 0).best(), Some(0));
        assert_eq!(result([Some(1.0), Some(3.0), None], -1).best(), None);
        assert_eq!(result([Some(1.0), Some(1.0), None], 1).best(), None);
        assert_eq!(result([Some(1.0), None, None], 1).best(), None);
    }

    #[test]
    fn a_value_that_one_run_lacks_is_a_difference() {
        let same = Compared { name: "a".into(), values: vec![Some("1".into()), Some("1".into())] };
        let lacks = Compared { name: "a".into(), values: vec![Some("1".into()), None] };
        assert!(!same.differs() && lacks.differs());
    }
}
