//! Single lines of a run's progress.

use std::time::{Duration, Instant};

use super::state::RunState;
use crate::terminal::shown;

/// Numbers of a whole pass: `epoch 3 val: loss 1.234, accuracy 61.2 %, majority 33.1 %`.
pub(super) fn pass(epoch: u32, split: &str, values: &[(String, f64)]) -> String {
    let values: Vec<String> = values.iter().map(|(name, value)| metric(name, *value)).collect();
    format!("epoch {epoch} {split}: {}", values.join(", "))
}

/// A metric with its unit.
fn metric(name: &str, value: f64) -> String {
    // It may stand beneath the bars, which are drawn as they are.
    let short = &*shown(name.strip_prefix("step/").unwrap_or(name));
    match short.split('/').next().unwrap_or(short) {
        "accuracy" | "majority" | "match_accuracy" | "miou" | "f_score" => format!("{short} {value:.1} %"),
        "clips" | "segments" | "questions" => format!("{short} {value:.0}"),
        _ => format!("{short} {value:.3}"),
    }
}

/// A clip that was given up.
pub(super) fn quarantined(clip: &str, path: &str, stage: &str, reason: &str, detail: &str) -> String {
    let detail = if detail.is_empty() { String::new() } else { format!(" ({detail})") };
    format!("clip {clip} quarantined by {stage}: {reason}{detail}: {path}")
}

/// A node's note.
pub(super) fn note(node: &str, level: &str, message: &str) -> String {
    if level == "warning" { format!("{node}: warning: {message}") } else { format!("{node}: {message}") }
}

/// Where the run is: `epoch 3/12 train: 120/240 clips, 14.2 clips/s, loss 1.234; 34 % of the run, 2 min 10 s left`.
pub(super) fn progress(state: &RunState, now: Instant) -> Option<String> {
    let node = state.last()?;
    let epochs = state.epochs().map_or_else(String::new, |e| format!("/{e}"));
    let clips = state.clips(node.split).map_or_else(String::new, |c| format!("/{c}"));
    let mut line = format!("epoch {}{epochs} {}: {}{clips} clips", node.epoch, node.split, node.done);
    if let Some(speed) = node.clips_per_sec(now) {
        line += &format!(", {speed:.1} clips/s");
    }
    if let Some((_, loss)) =
        state.train_loss().filter(|(epoch, _)| *epoch == node.epoch && node.split == copl_contract::Split::Train)
    {
        line += &format!(", loss {loss:.3}");
    }
    if let (Some(done), Some(total)) = (state.done_of_run(), state.clips_of_run()) {
        line += &format!("; {} % of the run", done * 100 / total.max(1));
    }
    if let Some(left) = state.time_left(now) {
        line += &format!(", {} left", duration(left));
    }
    Some(line)
}

/// Epoch, running training loss and the last validation: the line beneath the bars.
pub(super) fn numbers(state: &RunState) -> String {
    let mut parts = Vec::new();
    if let Some(node) = state.last() {
        let epochs = state.epochs().map_or_else(String::new, |e| format!("/{e}"));
        parts.push(format!("epoch {}{epochs} {}", node.epoch, node.split));
    }
    if let Some((_, loss)) = state.train_loss() {
        parts.push(format!("train loss {loss:.3}"));
    }
    if let Some((epoch, values)) = state.val() {
        let values: Vec<String> = values.iter().map(|(name, value)| metric(name, *value)).collect();
        parts.push(format!("val (epoch {epoch}): {}", values.join(", ")));
    }
    if state.quarantined() > 0 {
        parts.push(format!("quarantined {}", state.quarantined()));
    }
    parts.join("  ·  ")
}

/// The metric that tells how good a model is.
const SCORES: [&str; 2] = ["accuracy", "miou"];

/// Epoch, running training loss and the last score in few words, for a line that holds more: `epoch 3/12 train, loss 1.234,
/// accuracy 61.2 %`.
pub(super) fn brief(state: &RunState) -> String {
    let mut parts = Vec::new();
    if let Some(node) = state.last() {
        let epochs = state.epochs().map_or_else(String::new, |e| format!("/{e}"));
        parts.push(format!("epoch {}{epochs} {}", node.epoch, node.split));
    }
    parts.extend(state.train_loss().map(|(_, loss)| format!("loss {loss:.3}")));
    let score = state.val().and_then(|(_, values)| values.iter().find(|(name, _)| SCORES.contains(&name.as_str())));
    parts.extend(score.map(|(name, value)| metric(name, *value)));
    if state.quarantined() > 0 {
        parts.push(format!("quarantined {}", state.quarantined()));
    }
    parts.join(", ")
}

/// A duration as people say it.
pub(super) fn duration(time: Duration) -> String {
    let secs = time.as_secs();
    match (secs / 3600, secs / 60 % 60, secs % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s:02} s"),
        (h, m, _) => format!("{h} h {m:02} min"),
    }
}

#[cfg(test)]
mod tests {
    use copl_contract::events::Event;

    use super::*;

    #[test]
    fn a_pass_is_one_line_with_units() {
        let values = [("loss".to_owned(), 1.23), ("accuracy".to_owned(), 61.2), ("majority".to_owned(), 33.14)];
        assert_eq!(pass(3, "val", &values), "epoch 3 val: loss 1.230, accuracy 61.2 %, majority 33.1 %");
    }

    #[test]
    fn the_brief_line_holds_the_score_and_not_all_that_was_measured() {
        let (mut state, now) = (RunState::default(), Instant::now());
        let clips = [320, 60, 100];
        let plan = Event::Plan { dataset: "d".into(), epochs: 12, clips, fingerprint: "f".into() };
        let values = vec![("loss".into(), 1.23), ("accuracy".into(), 61.2), ("accuracy/Bell".into(), 50.0)];
        let val = Event::Metrics { epoch: 9, split: "val".into(), whole: true, values };
        let step = vec![("step/loss".into(), 1.234)];
        let step = Event::Metrics { epoch: 10, split: "train".into(), whole: false, values: step };
        let progress = Event::Progress { epoch: 10, split: "train".into(), done: 3 };
        for event in [plan, val, progress, step] {
            state.take("loss", &event, now);
        }
        assert_eq!(brief(&state), "epoch 10/12 train, loss 1.234, accuracy 61.2 %");
    }

    #[test]
    fn durations_are_short() {
        let say = |secs| duration(Duration::from_secs(secs));
        assert_eq!([say(7), say(130), say(3720)], ["7 s", "2 min 10 s", "1 h 02 min"]);
    }
}
