//! The figure of a sweep: results over an axis with numbers, or by case.

use super::file::SweepFile;
use super::table::{CaseResult, Table};
use crate::figure::{Chart, Dots, Row, Series};

/// The figure as SVG.
pub fn figure(file: &SweepFile, table: &Table) -> String {
    over_axis(file, table).unwrap_or_else(|| by_case(table))
}

/// Lines over the chosen axis, one a combination of all else; none where there is no axis of numbers.
fn over_axis(file: &SweepFile, table: &Table) -> Option<String> {
    let wanted = file.axis.as_deref();
    let axis = file.grid.iter().position(|a| wanted.is_none_or(|w| w == a.name))?;
    let x = |case: &CaseResult| case.at.get(axis)?.parse::<f64>().ok();
    if table.cases.iter().any(|c| x(c).is_none()) {
        return None;
    }
    let mut series: Vec<Series> = Vec::new();
    for case in &table.cases {
        let (Some(x), Some(mean)) = (x(case), case.mean) else { continue };
        let name = rest(file, case, axis);
        let at = series.iter().position(|s| s.name == name).unwrap_or_else(|| {
            series.push(Series { name, marks: true, ..Series::default() });
            series.len() - 1
        });
        series[at].points.push((x, mean));
        series[at].deviations.push(case.deviation.unwrap_or(0.0));
    }
    let ticks = table.cases.iter().filter_map(x).fold(Vec::new(), |mut ticks, tick| {
        if !ticks.contains(&tick) {
            ticks.push(tick);
        }
        ticks
    });
    // Ticks at every value, unless they would run into each other.
    let (low, high) = ticks.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), t| (l.min(*t), h.max(*t)));
    let nearest = ticks.windows(2).map(|w| (w[1] - w[0]).abs()).fold(f64::INFINITY, f64::min);
    let crowded = ticks.len() > 12 || nearest < 0.06 * (high - low);
    let chart = Chart {
        title: table.title.clone(),
        x: file.grid[axis].name.clone(),
        y: format!("{}, percent, mean and deviation", table.metric),
        series,
        ticks: if crowded { Vec::new() } else { ticks },
    };
    Some(chart.svg())
}

/// What a case is besides its place on the axis.
fn rest(file: &SweepFile, case: &CaseResult, axis: usize) -> String {
    let others = file.grid.iter().zip(&case.at).enumerate().filter(|(i, _)| *i != axis);
    let others = others.map(|(_, (axis, value))| format!("{} {value}", axis.name));
    let words: Vec<String> = (!case.named.is_empty()).then(|| case.named.clone()).into_iter().chain(others).collect();
    words.join(", ")
}

fn by_case(table: &Table) -> String {
    let rows = table.cases.iter().map(|c| Row {
        name: c.case.clone(),
        values: c.runs.iter().filter_map(|r| r.value).collect(),
        mean: c.mean,
        deviation: c.deviation,
    });
    Dots {
        title: table.title.clone(),
        x: format!("{}, percent: each run, their mean and deviation", table.metric),
        rows: rows.collect(),
    }
    .svg()
}
