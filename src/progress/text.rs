//! Single lines of a run's progress.

use std::time::{Duration, Instant};

use super::state::{Measured, RunState};
use crate::terminal::shown;

/// Numbers of a whole pass: `epoch 3 val: loss 1.234, accuracy 61.2 %, majority 33.1 %`.
pub(super) fn pass(epoch: u32, split: &str, values: &[Measured]) -> String {
    let values: Vec<String> = values.iter().map(metric).collect();
    format!("epoch {epoch} {split}: {}", values.join(", "))
}

/// A metric, as exactly as its unit asks for.
fn metric(told: &Measured) -> String {
    let (name, value) = (&told.name, told.value);
    // It may stand beneath the bars, which are drawn as they are.
    let short = &*shown(name.strip_prefix("step/").unwrap_or(name));
    match told.unit.as_str() {
        "percent" => format!("{short} {value:.1} %"),
        "count" => format!("{short} {value:.0}"),
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
        let values: Vec<String> = values.iter().map(metric).collect();
        parts.push(format!("val (epoch {epoch}): {}", values.join(", ")));
    }
    if state.quarantined() > 0 {
        parts.push(format!("quarantined {}", state.quarantined()));
    }
    parts.join("  ·  ")
}

/// Epoch, running training loss and the last value of what picks the model in few words, for a line that holds more:
/// `epoch 3/12 train, loss 1.234, accuracy 61.2 %`.
pub(super) fn brief(state: &RunState) -> String {
    let mut parts = Vec::new();
    if let Some(node) = state.last() {
        let epochs = state.epochs().map_or_else(String::new, |e| format!("/{e}"));
        parts.push(format!("epoch {}{epochs} {}", node.epoch, node.split));
    }
    parts.extend(state.train_loss().map(|(_, loss)| format!("loss {loss:.3}")));
    let score = state.val().and_then(|(_, values)| values.iter().find(|told| told.picks));
    parts.extend(score.map(metric));
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
        let values = [("loss", 1.23), ("recall", 61.24), ("frames", 5.0)].map(|(name, value)| (name.to_owned(), value));
        let units = ["nats", "percent", "count"].map(str::to_owned);
        let said = |units: &[String]| pass(3, "val", &Measured::all(&values, units, None));
        assert_eq!(said(&units), "epoch 3 val: loss 1.230, recall 61.2 %, frames 5");
        assert_eq!(said(&[]), "epoch 3 val: loss 1.230, recall 61.240, frames 5.000", "of a node that tells no units");
    }

    #[test]
    fn the_brief_line_holds_the_score_and_not_all_that_was_measured() {
        let (mut state, now) = (RunState::default(), Instant::now());
        let clips = [320, 60, 100];
        let plan = Event::Plan { dataset: "d".into(), epochs: 12, clips, fingerprint: "f".into(), description: None };
        let metrics =
            |epoch, split: &str, values: &[(&str, f64)], units: &[&str], picks: Option<&str>| Event::Metrics {
                epoch,
                split: split.into(),
                whole: split == "val",
                values: values.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect(),
                units: units.iter().map(|unit| (*unit).to_owned()).collect(),
                picks: picks.map(str::to_owned),
            };
        let values = [("loss", 1.23), ("accuracy", 50.0), ("match_accuracy", 61.2)];
        let val = |picks| metrics(9, "val", &values, &["nats", "percent", "percent"], picks);
        let step = metrics(10, "train", &[("step/loss", 1.234)], &["nats"], None);
        let progress = Event::Progress { epoch: 10, split: "train".into(), done: 3 };
        for event in [plan, val(Some("match_accuracy")), progress, step] {
            state.take("loss", &event, now);
        }
        assert_eq!(brief(&state), "epoch 10/12 train, loss 1.234, match_accuracy 61.2 %");
        state.take("loss", &val(None), now);
        assert_eq!(brief(&state), "epoch 10/12 train, loss 1.234, accuracy 50.0 %", "of a node that does not tell");
    }

    #[test]
    fn durations_are_short() {
        let say = |secs| duration(Duration::from_secs(secs));
        assert_eq!([say(7), say(130), say(3720)], ["7 s", "2 min 10 s", "1 h 02 min"]);
    }
}
