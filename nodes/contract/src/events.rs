//! What a node tells the command while it runs: one JSON object a line on standard output, behind `copl-event `.
//!
//! Every reporter (bars, plain lines, `--json`) reads this one stream; under dora's own tools the lines are plain logs.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::header::Split;

/// What stands before the JSON on an event's line.
pub const PREFIX: &str = "copl-event ";

/// Seconds between two heartbeats.
pub const HEARTBEAT_SECS: u64 = 2;

/// Something that happened in a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The process is up.
    Started {
        /// Process id.
        pid: u32,
    },
    /// What the run will do.
    Plan {
        /// Name of the dataset.
        dataset: String,
        /// Epochs.
        epochs: u32,
        /// Clips a pass of train, val, test.
        clips: [u64; 3],
        /// SHA-256, in hexadecimal, of the dataset's annotation files.
        fingerprint: String,
        /// The same of what else decides what is read: what its descriptor says, and how the set was made if it was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        description: Option<String>,
    },
    /// What a model computes on.
    Device {
        /// Such as `cpu` or `cuda:0`.
        name: String,
    },
    /// A clip has gone through a node.
    Progress {
        /// Epoch, from 1.
        epoch: u32,
        /// `train`, `val`, `test`.
        split: String,
        /// Clips of this epoch's split that are done.
        done: u64,
    },
    /// Numbers of a step or a pass.
    Metrics {
        /// Epoch, from 1.
        epoch: u32,
        /// `train`, `val`, `test`.
        split: String,
        /// Whether they are of the whole pass, not of one step.
        whole: bool,
        /// Name and value.
        values: Vec<(String, f64)>,
        /// Unit of each, in the same order, as in the table `metrics`; none where the node does not tell them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        units: Vec<String>,
        /// The metric by which the model is picked, where the node tells it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        picks: Option<String>,
    },
    /// A checkpoint is whole on disk: the run can go on from here.
    Checkpoint {
        /// Its folder.
        path: String,
        /// Whether it was asked for.
        requested: bool,
    },
    /// A clip was given up.
    Quarantined {
        /// Clip id.
        clip: String,
        /// Media file.
        path: String,
        /// Node.
        stage: String,
        /// Reason code.
        reason: String,
        /// What was seen.
        detail: String,
    },
    /// Something worth reading: `info` or `warning`.
    Note {
        /// `info` or `warning`.
        level: String,
        /// Text.
        message: String,
    },
    /// The process is alive.
    Heartbeat {
        /// What it does.
        state: String,
        /// For how many seconds.
        secs: f64,
    },
    /// The node stops before the end of its streams.
    Failed {
        /// How it exits.
        code: i32,
        /// Why.
        message: String,
    },
    /// The node has done all its work.
    Finished,
}

impl Event {
    /// Writes the event to standard output.
    pub fn emit(&self) {
        if let Ok(json) = serde_json::to_string(self) {
            let mut out = std::io::stdout().lock();
            // The reader of our output is gone only when the run is over.
            let _ = writeln!(out, "{PREFIX}{json}");
            let _ = out.flush();
        }
    }

    /// Reads an event's line; `None` for any other line.
    pub fn parse(line: &str) -> Option<Self> {
        serde_json::from_str(line.strip_prefix(PREFIX)?).ok()
    }

    /// A warning.
    pub fn warning(message: impl Into<String>) -> Self {
        Self::Note { level: "warning".to_owned(), message: message.into() }
    }

    /// A note.
    pub fn info(message: impl Into<String>) -> Self {
        Self::Note { level: "info".to_owned(), message: message.into() }
    }
}

/// Tells of progress, at most ten times a second and always at the end of a pass.
#[derive(Debug, Default)]
pub struct ProgressMeter {
    pass: Option<(u32, Split)>,
    done: u64,
    told: Option<Instant>,
    told_done: u64,
}

impl ProgressMeter {
    /// Of a pass that is under way: so many of its clips are done.
    pub fn resumed(epoch: u32, split: Split, done: u64) -> Self {
        Self { pass: Some((epoch, split)), done, told: None, told_done: done }
    }

    /// Clips of this epoch's split that are done.
    pub fn done(&self, epoch: u32, split: Split) -> u64 {
        if self.pass == Some((epoch, split)) { self.done } else { 0 }
    }

    /// One clip more of this epoch's split.
    pub fn clip(&mut self, epoch: u32, split: Split) {
        if self.pass != Some((epoch, split)) {
            self.flush();
            *self = Self { pass: Some((epoch, split)), ..Self::default() };
        }
        self.done += 1;
        if self.told.is_none_or(|t| t.elapsed() > Duration::from_millis(100)) {
            self.flush();
        }
    }

    /// Tells what has not been told.
    pub fn flush(&mut self) {
        if let (Some((epoch, split)), true) = (self.pass, self.done > self.told_done) {
            Event::Progress { epoch, split: split.to_string(), done: self.done }.emit();
            self.told = Some(Instant::now());
            self.told_done = self.done;
        }
    }
}

/// Says every few seconds that the process lives and what it does, from a thread of its own.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    state: Arc<Mutex<(&'static str, Instant)>>,
    alive: Arc<AtomicU64>,
}

impl Heartbeat {
    /// Starts the thread; it ends when the last copy of this handle is dropped.
    pub fn start() -> Self {
        let heartbeat = Self { state: Arc::new(Mutex::new(("starting", Instant::now()))), alive: Arc::default() };
        let (state, alive) = (Arc::downgrade(&heartbeat.state), heartbeat.alive.clone());
        std::thread::spawn(move || {
            while let Some(state) = state.upgrade() {
                let (what, since) = *state.lock().unwrap_or_else(PoisonError::into_inner);
                drop(state);
                Event::Heartbeat { state: what.to_owned(), secs: since.elapsed().as_secs_f64() }.emit();
                alive.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(Duration::from_secs(HEARTBEAT_SECS));
            }
        });
        heartbeat
    }

    /// From now on the node does `what`.
    pub fn state(&self, what: &'static str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.0 != what {
            *state = (what, Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_back_and_other_lines_are_not_events() {
        let event = Event::Progress { epoch: 1, split: "train".into(), done: 3 };
        let line = format!("{PREFIX}{}", serde_json::to_string(&event).unwrap());
        assert_eq!(Event::parse(&line), Some(event));
        assert_eq!(Event::parse("hello"), None);
        assert_eq!(Event::parse("copl-event {}"), None);
    }

    #[test]
    fn numbers_need_neither_units_nor_what_picks() {
        let line =
            format!(r#"{PREFIX}{{"event":"metrics","epoch":1,"split":"val","whole":true,"values":[["recall",50.0]]}}"#);
        let values = vec![("recall".to_owned(), 50.0)];
        let told = |units: &[&str], picks: Option<&str>| Event::Metrics {
            epoch: 1,
            split: "val".into(),
            whole: true,
            values: values.clone(),
            units: units.iter().map(|unit| (*unit).to_owned()).collect(),
            picks: picks.map(str::to_owned),
        };
        assert_eq!(Event::parse(&line), Some(told(&[], None)));
        for event in [told(&[], None), told(&["percent"], Some("recall"))] {
            let line = format!("{PREFIX}{}", serde_json::to_string(&event).unwrap());
            assert_eq!(Event::parse(&line), Some(event));
        }
    }
}
