//! Confusions of classes or answers, from the metrics `confusion/TRUE/PREDICTED`. Of questions there are those of each kind
//! too, `confusion/KIND/TRUE/PREDICTED`, which count the same questions once more.

use serde::Serialize;

/// The class behind all others.
const BACKGROUND: &str = "background";

/// Segments by true and predicted class.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Confusion {
    /// Names of the classes.
    pub classes: Vec<String>,
    /// Segments, `[true][predicted]`.
    pub counts: Vec<Vec<f64>>,
}

/// What a count is of.
struct Cell {
    /// Whether it is of one kind of question alone.
    of_kind: bool,
    truth: String,
    predicted: String,
}

/// Reads the parts of a metric's name behind `confusion`. `named` are the classes, or kinds of questions, that have a metric of
/// their own.
fn cell(parts: &[String], named: &[String]) -> Option<Cell> {
    let known = |name: &String| named.contains(name) || name == BACKGROUND;
    // More than two parts of a known pair: a run that is older than the rule that a `/` within a part is marked.
    let cut = |at: usize| [parts[..at].join("/"), parts[at..].join("/")];
    let whole = (1..parts.len()).map(cut).find(|pair| parts.len() == 2 || pair.iter().all(known));
    if let (None, [kind, truth, predicted]) = (&whole, parts)
        && known(kind)
    {
        return Some(Cell { of_kind: true, truth: truth.clone(), predicted: predicted.clone() });
    }
    let last_two = || Some([parts.get(parts.len().checked_sub(2)?)?.clone(), parts.last()?.clone()]);
    let [truth, predicted] = whole.or_else(last_two)?;
    Some(Cell { of_kind: false, truth, predicted })
}

/// The counts; classes in the order in which metrics of theirs are told, those without one behind them, background last.
pub(super) fn confusion(counts: &[(Vec<String>, f64)], mut classes: Vec<String>) -> Option<Confusion> {
    let read = counts.iter().filter_map(|(parts, count)| Some((cell(parts, &classes)?, *count)));
    let read: Vec<(Cell, f64)> = read.collect();
    let kinds_alone = read.iter().all(|(cell, _)| cell.of_kind);
    let mut cells = Vec::new();
    for (Cell { truth, predicted, .. }, count) in read.into_iter().filter(|(cell, _)| kinds_alone || !cell.of_kind) {
        let mut place = |class: String| {
            classes.iter().position(|c| *c == class).unwrap_or_else(|| {
                classes.push(class);
                classes.len() - 1
            })
        };
        cells.push((place(truth), place(predicted), count));
    }
    // Background last, as in the labels; those that nobody was, and nobody was taken for, left out.
    let seen = |i: &usize| cells.iter().any(|(truth, predicted, _)| truth == i || predicted == i);
    let mut order: Vec<usize> = (0..classes.len()).filter(seen).collect();
    order.sort_by_key(|i| classes[*i] == BACKGROUND);
    let mut counts = vec![vec![0.0; order.len()]; order.len()];
    let place = |i: usize| order.iter().position(|o| *o == i).unwrap_or(i);
    for (truth, predicted, count) in cells {
        counts[place(truth)][place(predicted)] += count;
    }
    let classes: Vec<String> = order.iter().map(|i| classes[*i].clone()).collect();
    (!classes.is_empty()).then_some(Confusion { classes, counts })
}
