//! The run store: `runs/<id>/`, with what was run (`dataflow.yml`), with what and how it ended (`run.json`).
//!
//! Ids begin with the UTC time, so they sort by it; a run's folder is made by one `mkdir`, so two runs that start at
//! once get two folders.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::ReportError;
use crate::parquet::{aside, remove_aside, rename};
use crate::time::{compact, rfc3339, since_epoch};

const RECORD: &str = "run.json";
const DATAFLOW: &str = "dataflow.yml";
const ID_LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Exit code of the command.
    pub exit_code: i32,
    /// What the code means, in words.
    pub status: String,
    /// What went wrong, and where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// The place of a run in a sweep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepPlace {
    /// Name of the sweep.
    pub sweep: String,
    /// Name of the case: a row of its table.
    pub case: String,
}

/// A run that was cut goes on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resumption {
    /// When, RFC 3339, UTC.
    pub at: String,
    /// Name of the checkpoint it went on from, or `the beginning`.
    pub from: String,
    /// Seconds since its command had ended; none in the records of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_secs: Option<f64>,
}

/// What was run, with what, and how it ended: `run.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Id of the run.
    pub id: String,
    /// The dataflow file as it was given.
    pub dataflow: String,
    /// The folder it lay in, absolute: the relative paths in it start there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
    /// Overrides as they were given: `model.VISUAL_ENCODER=vit-large-16`.
    #[serde(default)]
    pub overrides: Vec<String>,
    /// Seed of sampler and parameters.
    #[serde(default)]
    pub seed: Option<u64>,
    /// Versions of copl, dora, candle, ffmpeg, …
    #[serde(default)]
    pub versions: BTreeMap<String, String>,
    /// What the model ran on.
    #[serde(default)]
    pub device: String,
    /// Fingerprint of the dataset's annotation files.
    #[serde(default)]
    pub data_fingerprint: Option<String>,
    /// Fingerprint of its description: of what its descriptor says, and how the set was made if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_description: Option<String>,
    /// The sweep it is part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweep: Option<SweepPlace>,
    /// Each time it was cut and went on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resumed: Vec<Resumption>,
    /// When it started, RFC 3339, UTC.
    pub started: String,
    /// The same in seconds since 1970.
    pub started_unix: f64,
    /// When it ended; none while it runs, or if it was killed.
    #[serde(default)]
    pub finished: Option<String>,
    /// The same in seconds since 1970.
    #[serde(default)]
    pub finished_unix: Option<f64>,
    /// How it ended.
    #[serde(default)]
    pub outcome: Option<Outcome>,
}

impl RunRecord {
    /// The record of a run that starts now.
    pub fn begin(id: &str, dataflow: &str) -> Self {
        let now = since_epoch();
        Self {
            id: id.to_owned(),
            dataflow: dataflow.to_owned(),
            folder: None,
            overrides: Vec::new(),
            seed: None,
            versions: BTreeMap::new(),
            device: String::new(),
            data_fingerprint: None,
            data_description: None,
            sweep: None,
            resumed: Vec::new(),
            started: rfc3339(now),
            started_unix: seconds(now),
            finished: None,
            finished_unix: None,
            outcome: None,
        }
    }

    /// The run ends now.
    pub fn finish(&mut self, exit_code: i32, status: &str, message: Option<&str>) {
        let now = since_epoch();
        self.finished = Some(rfc3339(now));
        self.finished_unix = Some(seconds(now));
        self.outcome = Some(Outcome { exit_code, status: status.to_owned(), message: message.map(str::to_owned) });
    }

    /// The run, cut some time ago (`last_sign`, in seconds since 1970), goes on now.
    pub fn resume(&mut self, from: &str, last_sign: Option<f64>) {
        let now = since_epoch();
        let dead_secs = last_sign.map(|last| seconds(Duration::from_secs_f64((seconds(now) - last).max(0.0))));
        self.resumed.push(Resumption { at: rfc3339(now), from: from.to_owned(), dead_secs });
        (self.finished, self.finished_unix, self.outcome) = (None, None, None);
    }

    /// Seconds in which its command ran, from start to end without the times between a cut and its going on; none if it has
    /// not ended, or if one of those times is not known.
    pub fn wall_secs(&self) -> Option<f64> {
        let dead: f64 = self.resumed.iter().map(|r| r.dead_secs).sum::<Option<f64>>()?;
        self.finished_unix.map(|end| (end - self.started_unix - dead).max(0.0))
    }
}

/// Seconds in whole milliseconds: few enough digits to be read back from JSON as the same number.
fn seconds(time: Duration) -> f64 {
    time.as_millis() as f64 / 1000.0
}

/// A run's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFolder {
    /// Id of the run: the folder's name.
    pub id: String,
    /// The folder.
    pub path: PathBuf,
}

impl RunFolder {
    /// The random letters of the id, or the id where it has none: enough to name the run.
    pub fn letters(&self) -> &str {
        self.id.rsplit('-').next().unwrap_or(&self.id)
    }

    /// Writes `run.json`, replacing the one before at once.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn write_record(&self, record: &RunRecord) -> Result<(), ReportError> {
        let path = self.path.join(RECORD);
        let json = serde_json::to_string_pretty(record)
            .map_err(|source| ReportError::Record { path: path.clone(), source })?;
        write_whole(&path, &format!("{json}\n"))
    }

    /// Reads `run.json`.
    ///
    /// # Errors
    /// If it is missing or malformed.
    pub fn read_record(&self) -> Result<RunRecord, ReportError> {
        let path = self.path.join(RECORD);
        let json = fs::read_to_string(&path).map_err(ReportError::io("read", &path))?;
        serde_json::from_str(&json).map_err(|source| ReportError::Record { path, source })
    }

    /// Writes `dataflow.yml`, the dataflow as run.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn write_dataflow(&self, yaml: &str) -> Result<(), ReportError> {
        write_whole(&self.path.join(DATAFLOW), yaml)
    }

    /// The dataflow as run.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read_dataflow(&self) -> Result<String, ReportError> {
        let path = self.path.join(DATAFLOW);
        fs::read_to_string(&path).map_err(ReportError::io("read", &path))
    }
}

fn write_whole(path: &Path, text: &str) -> Result<(), ReportError> {
    write_file(path, text.as_bytes())
}

/// Writes a file aside and gives it its final name when it is whole.
///
/// # Errors
/// If the folder cannot be written.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), ReportError> {
    let aside = aside(path);
    let mut file = File::create(&aside).map_err(ReportError::io("create", &aside))?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all()).map_err(ReportError::io("write", &aside));
    let written = written.and_then(|()| rename(&aside, path));
    if written.is_err() {
        remove_aside(&aside);
    }
    written
}

/// The folder that holds the runs.
#[derive(Clone, Debug)]
pub struct Store {
    runs: PathBuf,
}

impl Store {
    /// The store in this folder, which is made with the first run.
    pub fn new(runs: impl Into<PathBuf>) -> Self {
        Self { runs: runs.into() }
    }

    /// Makes the folder of a new run.
    ///
    /// # Errors
    /// If the folder cannot be made.
    pub fn create(&self) -> Result<RunFolder, ReportError> {
        loop {
            match self.create_as(&new_id()) {
                Err(ReportError::RunExists(_)) => {}
                result => return result,
            }
        }
    }

    /// Makes the folder of a new run of this id.
    ///
    /// # Errors
    /// If there is such a run, the id is no folder name, or the folder cannot be made.
    pub fn create_as(&self, id: &str) -> Result<RunFolder, ReportError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if id.is_empty() || id.starts_with('.') || id == "last" || !id.chars().all(plain) {
            return Err(ReportError::BadId(id.to_owned()));
        }
        fs::create_dir_all(&self.runs).map_err(ReportError::io("create", &self.runs))?;
        let runs = fs::canonicalize(&self.runs).map_err(ReportError::io("read", &self.runs))?;
        let path = runs.join(id);
        match fs::create_dir(&path) {
            Ok(()) => Ok(RunFolder { id: id.to_owned(), path }),
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Err(ReportError::RunExists(id.to_owned())),
            Err(e) => Err(ReportError::io("create", &path)(e)),
        }
    }

    /// The run of this id, of an id or of random letters that begin so, or the `last` one.
    ///
    /// # Errors
    /// If none or more than one fits.
    pub fn open(&self, id: &str) -> Result<RunFolder, ReportError> {
        let mut runs = self.list()?;
        let wanted = |run: &RunFolder| run.id == id;
        let none = |candidates| ReportError::NoRun { id: id.to_owned(), folder: self.runs.clone(), candidates };
        if let Some(back) = before_last(id) {
            return runs.into_iter().nth_back(back).ok_or_else(|| none(Vec::new()));
        }
        if let Some(at) = runs.iter().position(wanted) {
            return Ok(runs.swap_remove(at));
        }
        let recent: Vec<String> = runs.iter().rev().take(3).map(|r| r.id.clone()).collect();
        runs.retain(|run| !id.is_empty() && (run.id.starts_with(id) || run.letters().starts_with(id)));
        match (runs.pop(), runs.len()) {
            (Some(run), 0) => Ok(run),
            (None, _) => Err(none(recent)),
            (Some(run), _) => Err(none(runs.into_iter().chain([run]).map(|r| r.id).collect())),
        }
    }

    /// All runs, oldest first.
    ///
    /// # Errors
    /// If the folder cannot be read; a missing one holds no runs.
    pub fn list(&self) -> Result<Vec<RunFolder>, ReportError> {
        let entries = match fs::read_dir(&self.runs) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(ReportError::io("read", &self.runs)(e)),
        };
        let mut runs = Vec::new();
        for entry in entries {
            let path = entry.map_err(ReportError::io("read", &self.runs))?.path();
            if let (Some(id), true) = (path.file_name().and_then(|n| n.to_str()), path.join(RECORD).is_file()) {
                runs.push(RunFolder { id: id.to_owned(), path: path.clone() });
            }
        }
        runs.sort_by(|a, b| started(a).total_cmp(&started(b)).then_with(|| a.id.cmp(&b.id)));
        Ok(runs)
    }
}

fn started(run: &RunFolder) -> f64 {
    run.read_record().map_or(0.0, |r| r.started_unix)
}

/// Time, and four random letters that keep apart the runs of one second.
fn new_id() -> String {
    let mut random = RandomState::new().hash_one(std::process::id());
    let letters: String = std::iter::repeat_with(|| {
        let letter = ID_LETTERS[usize::try_from(random % 32).unwrap_or(0)];
        random /= 32;
        char::from(letter)
    })
    .take(4)
    .collect();
    format!("{}-{letters}", compact(since_epoch()))
}

/// Runs before the last: 0 for `last`, N for `last~N`.
fn before_last(id: &str) -> Option<usize> {
    match id.strip_prefix("last")? {
        "" => Some(0),
        rest => rest.strip_prefix('~')?.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_that_start_at_once_get_folders_of_their_own() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path().join("runs"));
        let ids: std::collections::BTreeSet<String> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| (0..10).map(|_| store.create().unwrap().id).collect::<Vec<_>>()))
                .collect();
            threads.into_iter().flat_map(|t| t.join().unwrap()).collect()
        });
        assert_eq!(ids.len(), 80);
        let id = ids.first().unwrap();
        assert_eq!((id.len(), &id[8..9], &id[15..16]), (20, "-", "-"));
    }

    #[test]
    fn a_record_is_read_back_and_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let run = Store::new(dir.path()).create().unwrap();
        let mut record = RunRecord::begin(&run.id, "ave.yml");
        record.seed = Some(7);
        run.write_record(&record).unwrap();
        assert_eq!(run.read_record().unwrap(), record);
        assert_eq!(record.wall_secs(), None);
        record.finish(130, "interrupted", None);
        run.write_record(&record).unwrap();
        assert_eq!(run.read_record().unwrap().outcome.unwrap().exit_code, 130);
        run.write_dataflow("nodes: []\n").unwrap();
        assert_eq!(run.read_dataflow().unwrap(), "nodes: []\n");
        assert_eq!(fs::read_dir(&run.path).unwrap().count(), 2, "nothing stays aside");
    }

    #[test]
    fn a_run_is_found_by_id_by_its_beginning_and_as_the_last() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path());
        assert!(store.open("last").is_err());
        for id in ["20260101-000000-aaaa", "20260101-000000-bbbb", "20260102-000000-cccc"] {
            let run = store.create_as(id).unwrap();
            let record = RunRecord { started_unix: 1.0, ..RunRecord::begin(id, "x.yml") };
            run.write_record(&record).unwrap();
        }
        assert_eq!(store.open("last").unwrap().id, "20260102-000000-cccc");
        assert_eq!(store.open("20260101-000000-b").unwrap().id, "20260101-000000-bbbb");
        assert_eq!(store.open("cc").unwrap().id, "20260102-000000-cccc");
        assert!(store.open("20260101").unwrap_err().to_string().contains("20260101-000000-aaaa, 20260101-000000-bbbb"));
        assert!(store.open("2027").unwrap_err().to_string().contains("no run `2027`"));
        assert!(matches!(store.create_as("20260101-000000-aaaa"), Err(ReportError::RunExists(_))));
        assert!(matches!(store.create_as("../x"), Err(ReportError::BadId(_))));
        assert!(Store::new(dir.path().join("none")).list().unwrap().is_empty());
    }
}
