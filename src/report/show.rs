//! Runs side by side in the terminal.

use copl_reports::compare::{results, settings};
use copl_reports::lead::{Lead, RESAMPLES, RunScore};
use copl_reports::view::RunView;

use crate::terminal::shown;

/// Widest column of values; longer ones are cut in the middle, where paths and digests tell least.
const WIDEST: usize = 44;

fn cut(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    if letters.len() <= WIDEST {
        return text.to_owned();
    }
    let half = (WIDEST - 1) / 2;
    let (head, tail) = (&letters[..half], &letters[letters.len() - half..]);
    head.iter().chain(['…'].iter()).chain(tail).collect()
}

/// A table of columns as wide as their widest cell; the first column is on the left, `right` says which others are not.
pub(crate) fn columns(rows: &[Vec<String>], right: bool) -> String {
    let rows: Vec<Vec<_>> = rows.iter().map(|row| row.iter().map(|cell| shown(cell)).collect()).collect();
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let wide = |c: usize| rows.iter().filter_map(|r| r.get(c)).map(|t| t.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..count).map(wide).collect();
    let mut out = String::new();
    for row in &rows {
        let mut line = String::new();
        for (i, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let gap = if i == 0 { "" } else { "  " };
            line += &if right && i > 0 { format!("{gap}{cell:>width$}") } else { format!("{gap}{cell:<width$}") };
        }
        out += line.trim_end();
        out.push('\n');
    }
    out
}

/// Settings, then results. What differs is marked with a star where everything is shown.
pub(super) fn compared(views: &[RunView], only_changed: bool) -> String {
    let mut head = vec![String::new()];
    head.extend(views.iter().map(|v| v.record.id.clone()));
    let mut rows = vec![head.clone()];
    for c in settings(views) {
        if only_changed && !c.differs() {
            continue;
        }
        let star = if !only_changed && c.differs() { " *" } else { "" };
        let values = c.values.iter().map(|v| cut(v.as_deref().unwrap_or("-")));
        rows.push(std::iter::once(format!("{}{star}", c.name)).chain(values).collect());
    }
    let mut out =
        if rows.len() > 1 { columns(&rows, false) } else { "the same settings, versions and data\n".to_owned() };
    let mut rows = vec![head];
    for r in results(views) {
        let digits = if matches!(r.unit.as_str(), "count" | "MB") { 0 } else { 2 };
        let best = r.best();
        let value = |(i, v): (usize, &Option<f64>)| {
            let star = if best == Some(i) { "*" } else { " " };
            v.map_or_else(|| "- ".to_owned(), |v| format!("{v:.digits$}{star}"))
        };
        let values = r.values.iter().enumerate().map(value);
        rows.push(std::iter::once(format!("{} [{}]", r.metric, r.unit)).chain(values).collect());
    }
    out += "\n";
    out += &columns(&rows, true);
    out
}

/// Scores of the runs on both sides, the lead and its interval.
pub(super) fn lead(found: &Lead) -> String {
    let row = |side: &str, run: &RunScore| vec![side.to_owned(), run.run.clone(), format!("{:.2}", run.score)];
    let mut rows = vec![vec![String::new(), "run".to_owned(), "score".to_owned()]];
    rows.extend(found.runs.iter().map(|run| row("runs", run)));
    rows.extend(found.over.iter().map(|run| row("over", run)));
    let mut out = columns(&rows, true);
    let Lead { lead, interval: [low, high], without, clips, videos, given_up, .. } = found;
    out += &format!("\nlead: {lead:+.2} points on {clips} clips of {videos} videos");
    if *given_up > 0 {
        out += &format!(", without {given_up} that a run gave up");
    }
    let seeds = if found.runs.len() + found.over.len() > 2 { "videos and runs" } else { "videos" };
    out += &format!(
        "\n95 % interval: {low:+.2} to {high:+.2} ({RESAMPLES} resamples of {seeds}; {without:.1} % without a lead)\n"
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_cells() {
        let row = |a: &str, b: &str| vec![a.to_owned(), b.to_owned()];
        assert_eq!(columns(&[row("a", "12"), row("long", "1")], true), "a     12\nlong   1\n");
        assert_eq!(columns(&[row("a", "x"), row("b", "")], false), "a  x\nb\n");
        assert_eq!(columns(&[row("a\x1b[m", "x"), row("b", "y")], false), "a\\u{1b}[m  x\nb          y\n");
    }

    #[test]
    fn a_long_value_keeps_its_ends() {
        let text = cut(&format!("/data/{}/file.yml", "x".repeat(60)));
        assert_eq!(text.chars().count(), 43);
        assert!(text.starts_with("/data/") && text.ends_with("/file.yml"));
    }
}
