//! An offline run of Weights & Biases, as `wandb sync` sends it: `offline-run-TIME-ID/run-ID.wandb`.
//!
//! The file is a log of LevelDB's framing (<https://github.com/google/leveldb/blob/main/doc/log_format.md>, with the plain
//! CRC-32 in place of Castagnoli's) behind seven bytes of its own; a record is a message of `wandb_internal.proto`. Read back
//! with wandb 0.19's `DataStore`, and sent by 0.31's `wandb sync` to a server of our own.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::point::Point;
use super::protobuf::Message;
use crate::error::ReportError;
use crate::store::write_file;
use crate::time::compact;
use crate::view::RunView;

/// `:W&B`, the lower half of the CRC-32 of "Weights & Biases", version 0.
const HEADER: [u8; 7] = *b":W&B\xe1\xbe\x00";
const BLOCK: usize = 32768;
const FRAME: usize = 7;
/// Whole, first, middle, last piece of a record.
const PIECES: [u8; 4] = [1, 2, 3, 4];
/// The project all runs go to; `wandb sync --project` names another.
const PROJECT: &str = "copl";
/// The axis of every curve: history rows are numbered, and several may be of one training step.
const STEP: &str = "step";
/// The oldest client whose records these are: the number the client itself writes.
const MIN_CONSUMER: &str = "0.70.0";

/// A log under way.
struct Log {
    out: Vec<u8>,
    records: i64,
}

impl Log {
    fn new() -> Self {
        Self { out: HEADER.to_vec(), records: 0 }
    }

    /// A record whose content is `field` of the message `Record`.
    fn record(&mut self, field: u32, content: &Message) {
        self.records += 1;
        self.frame(Message::default().integer(1, self.records).message(field, content).bytes());
    }

    /// Cuts a record where a block ends; fewer than seven bytes at its end are zeros.
    fn frame(&mut self, mut rest: &[u8]) {
        let [whole, first, middle, last] = PIECES;
        let mut begun = false;
        loop {
            let left = BLOCK - self.out.len() % BLOCK;
            if left < FRAME {
                self.out.resize(self.out.len() + left, 0);
                continue;
            }
            let (piece, after) = rest.split_at(rest.len().min(left - FRAME));
            let kind = match (begun, after.is_empty()) {
                (false, true) => whole,
                (false, false) => first,
                (true, false) => middle,
                (true, true) => last,
            };
            let mut check = crc32fast::Hasher::new();
            check.update(&[kind]);
            check.update(piece);
            self.out.extend(check.finalize().to_le_bytes());
            // A piece is shorter than a block.
            self.out.extend((piece.len() as u16).to_le_bytes());
            self.out.push(kind);
            self.out.extend(piece);
            (rest, begun) = (after, true);
            if rest.is_empty() {
                return;
            }
        }
    }
}

/// A number as JSON; what JSON has no number for, as the words that the client uses.
fn json(value: f64) -> String {
    match value {
        v if v.is_nan() => "\"NaN\"".to_owned(),
        v if v.is_infinite() => if v > 0.0 { "\"Infinity\"" } else { "\"-Infinity\"" }.to_owned(),
        v => v.to_string(),
    }
}

/// A key with its value in JSON, for history and summary: the key is not to be cut at its dots.
fn item(key: &str, value: &str) -> Message {
    Message::default().text(2, key).text(16, value)
}

/// Rows of the history: all numbers of a training step, in the order of the steps. A metric told twice of one step begins a
/// further row.
fn rows(points: &[Point]) -> Vec<(i64, BTreeMap<&str, f64>)> {
    let mut ordered: Vec<&Point> = points.iter().collect();
    ordered.sort_by_key(|p| p.step);
    let mut rows: Vec<(i64, BTreeMap<&str, f64>)> = Vec::new();
    for point in ordered {
        match rows.last_mut() {
            Some((step, row)) if *step == point.step && !row.contains_key(point.tag.as_str()) => {
                row.insert(&point.tag, point.value);
            }
            _ => rows.push((point.step, BTreeMap::from([(point.tag.as_str(), point.value)]))),
        }
    }
    rows
}

/// `SECONDS` since 1970 as protobuf's timestamp.
fn timestamp(time: f64) -> Message {
    let nanos = (time.fract() * 1e9).round() as i64;
    Message::default().integer(1, time as i64).integer(2, nanos)
}

/// Settings by node, and what else tells runs apart.
fn config(view: &RunView) -> Message {
    let mut config = Message::default();
    let mut put = |key: &str, value: serde_json::Value| {
        let item = Message::default().text(1, key).text(16, &value.to_string());
        config = std::mem::take(&mut config).message(1, &item);
    };
    put("dataflow", view.record.dataflow.as_str().into());
    put("device", view.record.device.as_str().into());
    for node in &view.nodes {
        for setting in &node.settings {
            // A number or a boolean as such, so that runs can be filtered by it.
            let plain = serde_json::from_str(&setting.value)
                .ok()
                .filter(|v: &serde_json::Value| v.is_number() || v.is_boolean());
            put(&format!("{}.{}", node.node, setting.key), plain.unwrap_or_else(|| setting.value.as_str().into()));
        }
    }
    config
}

fn run(view: &RunView) -> Message {
    let record = &view.record;
    let mut run = Message::default().text(1, &record.id).text(3, PROJECT).message(4, &config(view));
    if let Some(place) = &record.sweep {
        run = run.text(6, &place.sweep);
    }
    let named = run.text(8, &record.id).text(10, &view.task).text(10, &view.method);
    named.message(17, &timestamp(record.started_unix))
}

/// The file's content. The tables hold no time of each number, so all carry the time the run started.
fn log(view: &RunView, points: &[Point]) -> Vec<u8> {
    let record = &view.record;
    let mut log = Log::new();
    let version = Message::default().text(1, concat!("copl ", env!("CARGO_PKG_VERSION"))).text(2, MIN_CONSUMER);
    log.record(21, &Message::default().message(1, &version));
    log.record(17, &run(view));
    log.record(12, &Message::default().text(1, STEP).message(6, &Message::default().integer(3, 1)));
    let axis = Message::default().integer(1, 1).integer(3, 1);
    log.record(12, &Message::default().text(2, "*").text(4, STEP).message(6, &axis));
    let secs = record.wall_secs().unwrap_or(0.0);
    let mut last = BTreeMap::new();
    for (number, (step, row)) in rows(points).into_iter().enumerate() {
        let number = number as i64;
        let mut history = Message::default();
        for (key, value) in &row {
            history = history.message(1, &item(key, &json(*value)));
        }
        for (key, value) in [(STEP, step.to_string()), ("_step", number.to_string())] {
            history = history.message(1, &item(key, &value));
        }
        history = history.message(1, &item("_timestamp", &json(record.started_unix)));
        log.record(2, &history.message(2, &Message::default().integer(1, number)));
        last.extend(row);
        last.insert(STEP, step as f64);
        last.insert("_step", number as f64);
    }
    last.extend([("_timestamp", record.started_unix), ("_runtime", secs)]);
    let summary = last.iter().fold(Message::default(), |all, (key, value)| all.message(1, &item(key, &json(*value))));
    log.record(3, &summary);
    // A run that was killed said no code.
    let code = record.outcome.as_ref().map_or(1, |o| o.exit_code);
    log.record(18, &Message::default().integer(1, code.into()).integer(2, secs as i64));
    log.out
}

/// Writes a run below `folder`, which may hold others.
///
/// # Errors
/// If the folder cannot be written.
pub fn wandb(folder: &Path, view: &RunView, points: &[Point]) -> Result<(), ReportError> {
    let id = &view.record.id;
    let started = compact(Duration::from_secs_f64(view.record.started_unix.max(0.0))).replace('-', "_");
    let run = folder.join(format!("offline-run-{started}-{id}"));
    fs::create_dir_all(run.join("files")).map_err(ReportError::io("create", &run))?;
    write_file(&run.join(format!("run-{id}.wandb")), &log(view, points))
}

#[cfg(test)]
mod tests;
