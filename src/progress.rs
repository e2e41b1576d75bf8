//! What the command shows while a run goes on: bars on a terminal, plain lines elsewhere, JSON for programs, or next to
//! nothing. All are fed from the one stream of node events.
//!
//! - [`state`]: how far the run is, from the events; no output;
//! - [`text`]: single lines: numbers of a pass, quarantined clips, durations;
//! - [`bars`]: the bars of a terminal; [`live`]: a dashboard of the whole screen.
//!
//! Failures are not shown here: the command prints its verdict, which names the first cause. What nodes say is printed as
//! [`crate::terminal`] has it, but for JSON.

mod bars;
mod live;
mod state;
mod text;

use std::io::Write;
use std::time::{Duration, Instant};

use copl_contract::events::Event;
use serde::Serialize;

use crate::terminal::shown;
use bars::Bars;
use live::Live;
use state::{Measured, RunState};

/// Time between two lines of progress where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(2);

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Bars that move, on a terminal.
    Bars,
    /// A dashboard of the whole terminal.
    Live,
    /// Plain lines, in a file or a pipe.
    Lines,
    /// Warnings and the summary only.
    Quiet,
    /// One JSON object a line, heartbeats included.
    Json,
}

impl Mode {
    /// The mode for these flags; `is_terminal` of standard output.
    pub(crate) fn pick(quiet: bool, json: bool, live: bool, is_terminal: bool) -> Self {
        match (json, quiet, is_terminal) {
            (true, _, _) => Self::Json,
            (_, true, _) => Self::Quiet,
            (_, _, true) if live => Self::Live,
            (_, _, true) => Self::Bars,
            _ => Self::Lines,
        }
    }
}

/// Shows a run.
pub(crate) struct Progress {
    mode: Mode,
    state: RunState,
    bars: Option<Bars>,
    live: Option<Live>,
    out: Box<dyn Write>,
    warnings: Box<dyn Write>,
    told: Option<Instant>,
    failures: Vec<String>,
}

#[derive(Serialize)]
struct EventLine<'a> {
    node: &'a str,
    #[serde(flatten)]
    event: &'a Event,
}

#[derive(Serialize)]
struct LogLine<'a> {
    node: &'a str,
    event: &'static str,
    line: &'a str,
}

impl Progress {
    /// Shows to standard output; quiet, warnings go to standard error.
    pub(crate) fn new(mode: Mode) -> Self {
        Self::to(mode, Box::new(std::io::stdout()), Box::new(std::io::stderr()))
    }

    fn to(mode: Mode, out: Box<dyn Write>, warnings: Box<dyn Write>) -> Self {
        // A terminal that cannot be taken over shows bars.
        let live = (mode == Mode::Live).then(Live::new).and_then(Result::ok);
        let bars = (mode == Mode::Bars || (mode == Mode::Live && live.is_none())).then(Bars::new);
        Self { mode, state: RunState::default(), bars, live, out, warnings, told: None, failures: Vec::new() }
    }

    /// Takes an event of a node.
    pub(crate) fn event(&mut self, node: &str, event: &Event) {
        if self.mode == Mode::Json {
            return self.json(&EventLine { node, event });
        }
        let now = Instant::now();
        // The name stands in front of a bar.
        let node = &*shown(node);
        let news = self.state.take(node, event, now);
        if let Some(live) = &mut self.live {
            live.take(event);
        }
        match event {
            Event::Plan { dataset, epochs, clips: [train, val, test], .. } => {
                self.say(&format!("dataset {dataset}: {epochs} epochs of {train} training and {val} validation clips, {test} test clips"));
            }
            Event::Metrics { epoch, split, whole: true, values, units, picks } => {
                self.say(&text::pass(*epoch, split, &Measured::all(values, units, picks.as_deref())));
            }
            Event::Quarantined { clip, path, stage, reason, detail } if news => {
                self.say(&text::quarantined(clip, path, stage, reason, detail));
            }
            Event::Note { level, message } if level == "warning" => self.warn(&text::note(node, level, message)),
            Event::Note { level, message } => self.say(&text::note(node, level, message)),
            Event::Failed { message, .. } => self.failures.push(message.clone()),
            Event::Progress { .. } if self.mode == Mode::Lines => self.tick(now),
            _ => {}
        }
        if let Some(bars) = &mut self.bars {
            bars.show(&self.state, now);
        }
        if let Some(live) = &mut self.live {
            live.show(&self.state, now);
        }
    }

    /// Takes a line of a node that is no event; of the command itself if `node` is empty.
    pub(crate) fn log(&mut self, node: &str, line: &str) {
        let line = line.trim_end();
        match self.mode {
            Mode::Json => self.json(&LogLine { node, event: "log", line }),
            _ if node.is_empty() => self.say(line),
            // A node that fails also says so on standard error; the command's verdict repeats it.
            _ if self.failures.iter().flat_map(|f| f.lines()).any(|f| !f.is_empty() && line.ends_with(f)) => {}
            _ => self.say(&format!("{node}: {line}")),
        }
    }

    /// Takes the bars away and shows the summary, which is JSON in [`Mode::Json`].
    pub(crate) fn finish(&mut self, summary: &str) {
        if let Some(bars) = self.bars.take() {
            bars.clear();
        }
        if let Some(live) = self.live.take() {
            let said = live.finish();
            said.iter().for_each(|line| self.write(line));
        }
        let summary = if self.mode == Mode::Json { summary.into() } else { shown(summary) };
        if self.mode == Mode::Quiet && self.state.quarantined() > 0 {
            self.warn(&format!("warning: clips quarantined: {}", self.state.quarantined()));
        }
        if !summary.is_empty() {
            self.write(summary.trim_end());
        }
    }

    /// A line of progress if the last one is old enough.
    fn tick(&mut self, now: Instant) {
        if self.told.is_none_or(|t| now.duration_since(t) >= LINE_EVERY)
            && let Some(line) = text::progress(&self.state, now)
        {
            self.told = Some(now);
            self.write(&line);
        }
    }

    fn say(&mut self, line: &str) {
        let line = shown(line);
        match (self.mode, &self.bars, &mut self.live) {
            (Mode::Quiet, ..) => {}
            (_, Some(bars), _) => bars.line(&line),
            (.., Some(live)) => live.line(&line),
            _ => self.write(&line),
        }
    }

    fn warn(&mut self, line: &str) {
        if self.mode == Mode::Quiet {
            // Nobody may be reading; the run goes on.
            let _ = writeln!(self.warnings, "{}", shown(line));
        } else {
            self.say(line);
        }
    }

    fn json(&mut self, line: &impl Serialize) {
        if let Ok(line) = serde_json::to_string(line) {
            self.write(&line);
        }
    }

    fn write(&mut self, line: &str) {
        // The reader of a pipe may have left (`| head`); the run goes on, and its report is on disk.
        let _ = writeln!(self.out, "{line}").and_then(|()| self.out.flush());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn events() -> Vec<(&'static str, Event)> {
        let bad = Event::Quarantined {
            clip: "a".into(),
            path: "/d/a.mp4".into(),
            stage: "video".into(),
            reason: "truncated".into(),
            detail: "7 of 10 s".into(),
        };
        vec![
            ("source", Event::Started { pid: 1 }),
            (
                "source",
                Event::Plan {
                    dataset: "mini".into(),
                    epochs: 2,
                    clips: [4, 2, 2],
                    fingerprint: "f".into(),
                    description: None,
                },
            ),
            ("source", Event::Heartbeat { state: "working".into(), secs: 1.0 }),
            ("loss", Event::Progress { epoch: 1, split: "train".into(), done: 1 }),
            ("loss", Event::Progress { epoch: 1, split: "train".into(), done: 2 }),
            ("loss", bad.clone()),
            ("loss", bad),
            ("model", Event::warning("slow")),
            ("model", Event::Failed { code: 5, message: "broken".into() }),
            (
                "loss",
                Event::Metrics {
                    epoch: 1,
                    split: "val".into(),
                    whole: true,
                    values: vec![("accuracy".into(), 61.234)],
                    units: vec!["percent".into()],
                    picks: None,
                },
            ),
        ]
    }

    fn shown(mode: Mode) -> (String, String) {
        let (out, warnings) = (Shared::default(), Shared::default());
        let mut progress = Progress::to(mode, Box::new(out.clone()), Box::new(warnings.clone()));
        for (node, event) in events() {
            progress.event(node, &event);
        }
        progress.log("model", "hello\n");
        progress.log("model", "copl-model: broken\n");
        progress.log("", "stopping");
        progress.finish("{\"best\":1}\n");
        let text = |s: Shared| String::from_utf8(s.0.lock().unwrap().clone()).unwrap();
        (text(out), text(warnings))
    }

    #[test]
    fn modes_follow_the_flags() {
        assert_eq!(Mode::pick(false, true, true, true), Mode::Json);
        assert_eq!(Mode::pick(true, false, true, true), Mode::Quiet);
        assert_eq!(Mode::pick(false, false, false, true), Mode::Bars);
        assert_eq!(Mode::pick(false, false, true, true), Mode::Live);
        assert_eq!(Mode::pick(false, false, true, false), Mode::Lines);
    }

    #[test]
    fn lines_hold_a_pass_a_clip_once_a_warning_and_no_failure() {
        let (out, warnings) = shown(Mode::Lines);
        let lines: Vec<&str> = out.lines().collect();
        assert_eq!(lines[0], "dataset mini: 2 epochs of 4 training and 2 validation clips, 2 test clips");
        assert!(lines[1].starts_with("epoch 1/2 train: 1/4 clips"), "{out}");
        assert_eq!(lines[2], "clip a quarantined by video: truncated (7 of 10 s): /d/a.mp4");
        assert_eq!(lines[3], "model: warning: slow");
        assert_eq!(lines[4..], ["epoch 1 val: accuracy 61.2 %", "model: hello", "stopping", "{\"best\":1}"]);
        assert!(warnings.is_empty());
    }

    #[test]
    fn quiet_shows_warnings_a_count_and_the_summary() {
        let (out, warnings) = shown(Mode::Quiet);
        assert_eq!(out, "{\"best\":1}\n");
        assert_eq!(warnings, "model: warning: slow\nwarning: clips quarantined: 1\n");
    }

    #[test]
    fn json_shows_every_event_and_ends_with_the_summary() {
        let (out, _) = shown(Mode::Json);
        let lines: Vec<serde_json::Value> = out.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        assert_eq!(lines.len(), events().len() + 4);
        assert_eq!(lines[0], serde_json::json!({"node": "source", "event": "started", "pid": 1}));
        assert_eq!(lines[10], serde_json::json!({"node": "model", "event": "log", "line": "hello"}));
        assert_eq!(lines[13], serde_json::json!({"best": 1}));
    }

    #[test]
    fn no_word_of_a_node_moves_the_cursor() {
        for mode in [Mode::Lines, Mode::Quiet, Mode::Json] {
            let (out, warnings) = (Shared::default(), Shared::default());
            let mut progress = Progress::to(mode, Box::new(out.clone()), Box::new(warnings.clone()));
            let values = vec![("a\x1b[2Jb".into(), 1.0)];
            let quarantined = Event::Quarantined {
                clip: "c\x1b[1A".into(),
                path: "/d/\x1b]0;t\x07.mp4".into(),
                stage: "video".into(),
                reason: "truncated".into(),
                detail: "\r\x1b[K".into(),
            };
            let (split, units) = ("val".to_owned(), vec!["u\x1b[2J".to_owned()]);
            progress.event("loss", &Event::Metrics { epoch: 1, split, whole: true, values, units, picks: None });
            progress.event("loss", &quarantined);
            progress.event("loss", &Event::warning("w\x1b[31m"));
            progress.log("model", "l\x1b[2K\x07");
            progress.finish("");
            for said in [out, warnings] {
                let text = String::from_utf8(said.0.lock().unwrap().clone()).unwrap();
                assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{mode:?}: {text:?}");
                assert!(mode != Mode::Lines || text.is_empty() || text.contains("a\\u{1b}[2Jb"), "{text}");
            }
        }
    }
}
