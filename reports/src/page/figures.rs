//! The figures of a page: curves of metrics by epoch, the training loss by step, time by node.

use copl_contract::names;

use super::html::section as section_of;
use crate::figure::{Chart, Part, Series, Stack, Stacked};
use crate::view::{RunView, by_step};

/// A figure with the name of its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    /// Such as `accuracy`.
    pub file: String,
    /// Drawn for the page; [`crate::figure::standalone`] makes a file of it.
    pub svg: String,
}

/// Metrics that need no curve of their own: parts of another, or the same in every epoch.
const LEFT_OUT: [&str; 1] = ["majority"];

/// All figures of the runs.
pub fn figures(views: &[RunView]) -> Vec<Figure> {
    let mut found = curves(views);
    found.extend(views.first().filter(|_| views.len() == 1).and_then(time));
    found
}

fn curves(views: &[RunView]) -> Vec<Figure> {
    let mut metrics: Vec<(&str, &str, bool)> = Vec::new();
    for curve in views.iter().flat_map(|v| &v.curves) {
        let key = (curve.metric.as_str(), curve.unit.as_str(), curve.by_step);
        if !metrics.contains(&key) && !LEFT_OUT.contains(&key.0) {
            metrics.push(key);
        }
    }
    // What the model is picked by first, then other shares, then losses, then what falls step by step.
    let picks = views.first().map(|view| view.summary.metric.as_str());
    metrics.sort_by_key(|(metric, unit, by_step)| {
        (*by_step, Some(*metric) != picks, *unit != "percent", *metric != "loss")
    });
    metrics.into_iter().map(|(metric, unit, steps)| curve(views, metric, unit, steps)).collect()
}

fn curve(views: &[RunView], metric: &str, unit: &str, steps: bool) -> Figure {
    let mut series = Vec::new();
    for view in views {
        let curves = view.curves.iter().filter(|c| c.metric == metric && c.by_step == steps);
        for curve in curves {
            // Of several runs one line each: what the model is picked by.
            if views.len() > 1 && curve.split != "val" && !steps {
                continue;
            }
            let points = if steps { by_step(&curve.points) } else { curve.points.clone() };
            let name = match views.len() {
                1 => curve.split.clone(),
                _ => view.name(),
            };
            series.push(Series { name, marks: !steps && points.len() <= 60, points, deviations: Vec::new() });
        }
    }
    let title = match (steps, views.len()) {
        (true, _) => format!("{metric} of the training steps"),
        (false, 1) => title_of(metric),
        (false, _) => format!("{} on the validation split", title_of(metric)),
    };
    let chart = Chart {
        title: capital(&title),
        x: if steps { "step" } else { "epoch" }.to_owned(),
        y: unit.to_owned(),
        series,
        ticks: Vec::new(),
    };
    // A name that every file system and every link takes.
    let plain = |c: char| if c.is_alphanumeric() || matches!(c, '_' | '-') { c } else { '-' };
    let file = format!("{metric}{}", if steps { "-by-step" } else { "" }).chars().map(plain).collect();
    Figure { file, svg: chart.svg() }
}

/// A metric as people write it.
pub(super) fn title_of(metric: &str) -> String {
    names::parts(metric).join("/").replace("f_score", "F-score").replace("miou", "mIoU").replace('_', " ")
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    match text.starts_with("mIoU") {
        true => text.to_owned(),
        false => letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect()),
    }
}

/// Time by node of one run.
fn time(view: &RunView) -> Option<Figure> {
    let stacks = view.summary.nodes.iter().map(|n| Stack {
        name: n.node.clone(),
        amounts: vec![n.compute_secs, n.busy_secs - n.compute_secs, n.waiting_secs],
        note: match n.peak_memory_bytes {
            0 => format!("{} items", n.items),
            bytes => format!("{} items, at most {:.0} MB", n.items, bytes as f64 / 1e6),
        },
    });
    let stacks: Vec<Stack> = stacks.collect();
    let parts = ["arithmetic", "other work"].map(|p| Part::Coloured(p.to_owned()));
    let parts: Vec<Part> = parts.into_iter().chain([Part::Idle("waiting".to_owned())]).collect();
    let title = format!("Time by node ({:.1} s)", view.summary.wall_secs);
    (!stacks.is_empty()).then(|| Figure { file: "time".into(), svg: Stacked { title, parts, stacks }.svg() })
}

/// The section of curves.
pub(super) fn section(views: &[RunView]) -> String {
    let figures = curves(views);
    if figures.is_empty() {
        return String::new();
    }
    let figures: String = figures.iter().map(|f| format!("<figure style=\"margin:0\">{}</figure>\n", f.svg)).collect();
    section_of("Curves", &format!("<div class=\"figures\">\n{figures}</div>\n"))
}

/// The figure of time, for its section.
pub(super) fn time_figure(view: &RunView) -> String {
    time(view).map(|f| f.svg).unwrap_or_default()
}
