//! Checkpoints of a run: what its nodes must know to go on where it was cut, exactly.
//!
//! `resume/` in the run's folder holds one checkpoint, a folder with a part of each node that has a state, and the file
//! `LATEST` with its name. A checkpoint is taken between two batches and made in three steps, in the order of the stream:
//! the model writes its part into `NAME.partial` and sends a [`crate::Kind::Checkpoint`] message behind its predictions;
//! the loss node, having judged all of them, adds its part and passes the message on; the report-writer, having all rows
//! before it, puts them on disk, adds its part and gives the folder its name. So the parts belong together, and a folder
//! without `.partial` is whole. Every file and folder is flushed to disk before anything names it.
//!
//! All nodes that write a part must see the run's folder.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use serde::{Deserialize, Serialize};

use crate::events::ProgressMeter;
use crate::schema::{self, BatchBuilder, Schema};

const FOLDER: &str = "resume";
const LATEST: &str = "LATEST";
const CLAIM: &str = "report-writer";
const PARTIAL: &str = ".partial";
/// Asks the model for a checkpoint between its next two batches: an empty file in the run's folder.
const REQUEST: &str = "checkpoint.request";

/// What a checkpoint message says: its one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Name of the checkpoint; later ones sort behind earlier ones.
    pub name: String,
    /// Clips and boundaries of the run's plan that are done.
    pub items: u64,
    /// Clips of the header's epoch and split that are done.
    pub done: u64,
    /// Rows of the table `checkpoints` that the model has sent before it.
    pub checkpoint_rows: u64,
    /// Whether it was asked for, by [`request`].
    pub requested: bool,
    /// Files that nodes have put into its folder.
    pub parts: Vec<String>,
}

impl Mark {
    /// The mark of a place in the run.
    pub fn new(items: u64, step: u64) -> Self {
        let name = format!("place-{items:09}-step-{step:08}");
        Self { name, items, done: 0, checkpoint_rows: 0, requested: false, parts: Vec::new() }
    }

    /// As a message's payload.
    ///
    /// # Errors
    /// If a number is too large for a column.
    pub fn rows(&self) -> Result<(Schema, RecordBatch), String> {
        let int = |v: u64| i64::try_from(v).map_err(|e| e.to_string());
        BatchBuilder::new(Schema::Checkpoint)
            .utf8([&self.name])
            .int64([int(self.items)?])
            .int64([int(self.done)?])
            .int64([int(self.checkpoint_rows)?])
            .int64([i64::from(self.requested)])
            .list_utf8([self.parts.as_slice()])
            .build()
    }

    /// Reads a message's payload.
    ///
    /// # Errors
    /// If it has not one row, a number is negative, or the name is no plain folder name.
    pub fn read(batch: &RecordBatch) -> Result<Self, String> {
        if batch.num_rows() != 1 {
            return Err(format!("a checkpoint has one row, this one has {}", batch.num_rows()));
        }
        let int = |name: &str| -> Result<u64, String> {
            u64::try_from(schema::int64(batch, name)?.value(0)).map_err(|_| format!("`{name}` is negative"))
        };
        let name = schema::utf8(batch, "name")?.value(0).to_owned();
        let parts = schema::texts(batch, "parts", 0)?;
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        for name in parts.iter().chain([&name]) {
            if name.is_empty() || name.starts_with('.') || !name.bytes().all(plain) {
                return Err(format!("`{name}` is no name in a checkpoint"));
            }
        }
        let (items, done, checkpoint_rows) = (int("items")?, int("done")?, int("checkpoint_rows")?);
        Ok(Self { name, items, done, checkpoint_rows, requested: int("requested")? == 1, parts })
    }
}

/// The report-writer's part: where the run goes on, and how many rows of each table belong to what was before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportPart {
    /// Clips and boundaries of the run's plan that are done.
    pub items: u64,
    /// The pass under way: its epoch, its split, and how many of its clips are done.
    pub pass: (u32, String, u64),
    /// Rows by table.
    pub rows: BTreeMap<String, u64>,
    /// Clips that were quarantined, each once.
    pub quarantined: Vec<String>,
}

impl ReportPart {
    /// Name of its file.
    pub const FILE: &'static str = "report.yml";

    /// Reads it from a checkpoint.
    ///
    /// # Errors
    /// If it is missing or malformed.
    pub fn read(checkpoint: &Path) -> io::Result<Self> {
        read_part(checkpoint, Self::FILE)
    }

    /// A meter that goes on counting the pass under way.
    pub fn progress(&self) -> ProgressMeter {
        let (epoch, split, done) = &self.pass;
        split.parse().map_or_else(|_| ProgressMeter::default(), |split| ProgressMeter::resumed(*epoch, split, *done))
    }
}

fn folder(run_dir: &Path) -> PathBuf {
    run_dir.join(FOLDER)
}

fn named(error: io::Error, path: &Path) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

fn sync(path: &Path) -> io::Result<()> {
    File::open(path).and_then(|f| f.sync_all()).map_err(|e| named(e, path))
}

/// What was removed, or was not there.
fn gone(removed: io::Result<()>, path: &Path) -> io::Result<()> {
    match removed {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(named(e, path)),
        _ => Ok(()),
    }
}

fn write_synced(path: &Path, text: &str) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// The folder of a checkpoint that is being made; it is there after the call.
///
/// # Errors
/// If it cannot be made.
pub fn partial(run_dir: &Path, name: &str) -> io::Result<PathBuf> {
    let path = folder(run_dir).join(format!("{name}{PARTIAL}"));
    fs::create_dir_all(&path).map_err(|e| named(e, &path))?;
    Ok(path)
}

/// Writes a node's part as YAML, which keeps every number exactly, flushed to disk.
///
/// # Errors
/// If the disk is full or the folder cannot be written.
pub fn write_part(checkpoint: &Path, file: &str, part: &impl Serialize) -> io::Result<()> {
    let path = checkpoint.join(file);
    let text = serde_yaml::to_string(part).map_err(|e| named(io::Error::other(e), &path))?;
    write_synced(&path, &text).map_err(|e| named(e, &path))
}

/// Reads a node's part.
///
/// # Errors
/// If it is missing or malformed.
pub fn read_part<T: serde::de::DeserializeOwned>(checkpoint: &Path, file: &str) -> io::Result<T> {
    let path = checkpoint.join(file);
    let text = fs::read_to_string(&path).map_err(|e| named(e, &path))?;
    serde_yaml::from_str(&text).map_err(|e| named(io::Error::new(io::ErrorKind::InvalidData, e), &path))
}

/// Gives a checkpoint its name, makes it the latest, and removes those before it.
///
/// # Errors
/// If the disk is full or the folder cannot be written; the checkpoint before then stays the latest.
pub fn commit(run_dir: &Path, name: &str) -> io::Result<()> {
    let folder = folder(run_dir);
    let (made, whole) = (folder.join(format!("{name}{PARTIAL}")), folder.join(name));
    sync(&made)?;
    if whole.exists() {
        // A run that was resumed came to the same place: the same state.
        fs::remove_dir_all(&made).map_err(|e| named(e, &made))?;
    } else {
        fs::rename(&made, &whole).map_err(|e| named(e, &whole))?;
    }
    sync(&folder)?;
    let (aside, latest) = (folder.join("LATEST.partial-file"), folder.join(LATEST));
    write_synced(&aside, name).and_then(|()| fs::rename(&aside, &latest)).map_err(|e| named(e, &latest))?;
    sync(&folder)?;
    remove_before(&folder, name)
}

/// Removes a checkpoint that will not be completed.
///
/// # Errors
/// If the folder cannot be written.
pub fn abandon(run_dir: &Path, name: &str) -> io::Result<()> {
    let path = folder(run_dir).join(format!("{name}{PARTIAL}"));
    gone(fs::remove_dir_all(&path), &path)
}

/// Removes the checkpoints before `name`, whole or not.
fn remove_before(folder: &Path, name: &str) -> io::Result<()> {
    for entry in fs::read_dir(folder).map_err(|e| named(e, folder))? {
        let path = entry?.path();
        let other = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        if path.is_dir() && other.trim_end_matches(PARTIAL) < name {
            fs::remove_dir_all(&path).map_err(|e| named(e, &path))?;
        }
    }
    Ok(())
}

/// The checkpoint a run goes on from; none if none was completed.
///
/// # Errors
/// If `LATEST` cannot be read, or names a checkpoint that is not there.
pub fn latest(run_dir: &Path) -> io::Result<Option<PathBuf>> {
    let path = folder(run_dir).join(LATEST);
    let name = match fs::read_to_string(&path) {
        Ok(name) => name,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(named(e, &path)),
    };
    let checkpoint = folder(run_dir).join(name.trim());
    if name.trim().is_empty() || !checkpoint.is_dir() {
        let problem = format!("{} names the checkpoint `{}`, which is not there", path.display(), name.trim());
        return Err(io::Error::new(io::ErrorKind::NotFound, problem));
    }
    Ok(Some(checkpoint))
}

/// Removes what a cut run left unfinished, and an old request; to be called before a run goes on.
///
/// # Errors
/// If the folder cannot be written.
pub fn tidy(run_dir: &Path) -> io::Result<()> {
    answered(run_dir)?;
    let entries = match fs::read_dir(folder(run_dir)) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(named(e, &folder(run_dir))),
    };
    let current = latest(run_dir)?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() && Some(&path) != current.as_ref() {
            fs::remove_dir_all(&path).map_err(|e| named(e, &path))?;
        }
    }
    Ok(())
}

/// Removes every checkpoint of a run that has come to its end.
///
/// # Errors
/// If the folder cannot be written.
pub fn remove(run_dir: &Path) -> io::Result<()> {
    let path = folder(run_dir);
    gone(fs::remove_dir_all(&path), &path)
}

/// Says in the run's folder that the report-writer works in it: begun checkpoints will get their name from it, however late.
///
/// # Errors
/// If the folder cannot be written.
pub fn claim(run_dir: &Path) -> io::Result<()> {
    let path = folder(run_dir);
    fs::create_dir_all(&path).map_err(|e| named(e, &path))?;
    let path = path.join(CLAIM);
    File::create(&path).map(|_| ()).map_err(|e| named(e, &path))
}

/// Whether the report-writer works in this folder. On another machine's it does not, and nobody completes what is begun there.
pub fn is_claimed(run_dir: &Path) -> bool {
    folder(run_dir).join(CLAIM).exists()
}

/// Asks the model for a checkpoint between its next two batches.
///
/// # Errors
/// If the run's folder cannot be written.
pub fn request(run_dir: &Path) -> io::Result<()> {
    let path = run_dir.join(REQUEST);
    File::create(&path).map(|_| ()).map_err(|e| named(e, &path))
}

/// Whether a checkpoint is asked for.
pub fn is_requested(run_dir: &Path) -> bool {
    run_dir.join(REQUEST).exists()
}

/// Takes a request back.
///
/// # Errors
/// If the run's folder cannot be written.
pub fn answered(run_dir: &Path) -> io::Result<()> {
    let path = run_dir.join(REQUEST);
    gone(fs::remove_file(&path), &path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_writer_claims_the_folder_and_tidying_leaves_the_claim() {
        let run = tempfile::tempdir().unwrap();
        assert!(!is_claimed(run.path()));
        claim(run.path()).unwrap();
        claim(run.path()).unwrap();
        let whole = make(run.path(), 4);
        commit(run.path(), &whole).unwrap();
        tidy(run.path()).unwrap();
        assert!(is_claimed(run.path()));
        assert!(latest(run.path()).unwrap().unwrap().ends_with(&whole));
        remove(run.path()).unwrap();
        assert!(!is_claimed(run.path()));
    }

    fn make(run_dir: &Path, items: u64) -> String {
        let name = Mark::new(items, items / 2).name;
        let part = ReportPart { items, ..ReportPart::default() };
        write_part(&partial(run_dir, &name).unwrap(), ReportPart::FILE, &part).unwrap();
        name
    }

    fn names(run_dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder(run_dir)).unwrap();
        let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn the_last_whole_checkpoint_is_the_latest_and_the_only_one() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(latest(dir.path()).unwrap(), None);
        for items in [7, 40, 1000] {
            let name = make(dir.path(), items);
            assert!(
                latest(dir.path()).unwrap().is_none_or(|before| !before.ends_with(&name)),
                "not before it is whole"
            );
            commit(dir.path(), &name).unwrap();
            let found = latest(dir.path()).unwrap().unwrap();
            assert_eq!(ReportPart::read(&found).unwrap().items, items);
            assert_eq!(names(dir.path()), [LATEST.to_owned(), name]);
        }
    }

    #[test]
    fn a_cut_one_leaves_the_one_before() {
        let dir = tempfile::tempdir().unwrap();
        let first = make(dir.path(), 7);
        commit(dir.path(), &first).unwrap();
        // Cut before it got its name, and cut before LATEST was replaced.
        make(dir.path(), 9);
        let third = make(dir.path(), 11);
        fs::rename(partial(dir.path(), &third).unwrap(), folder(dir.path()).join(&third)).unwrap();
        assert!(latest(dir.path()).unwrap().unwrap().ends_with(&first));
        request(dir.path()).unwrap();
        tidy(dir.path()).unwrap();
        assert!(!is_requested(dir.path()));
        assert_eq!(names(dir.path()), [LATEST.to_owned(), first]);
        // The resumed run comes to the same place again.
        assert_eq!(make(dir.path(), 11), third);
        commit(dir.path(), &third).unwrap();
        assert!(latest(dir.path()).unwrap().unwrap().ends_with(&third));
    }

    #[test]
    fn a_mark_survives_its_message_and_names_nothing_outside() {
        let mark = Mark {
            done: 3,
            checkpoint_rows: 6,
            requested: true,
            parts: vec!["model.yml".to_owned()],
            ..Mark::new(123, 45)
        };
        assert_eq!(Mark::read(&mark.rows().unwrap().1), Ok(mark.clone()));
        assert!(Mark::new(99, 5).name < mark.name, "later ones sort behind");
        for name in ["", "../x", "a/b", "."] {
            let bad = Mark { name: name.to_owned(), ..mark.clone() };
            assert!(Mark::read(&bad.rows().unwrap().1).is_err(), "{name}");
        }
    }

    #[test]
    fn numbers_survive_bit_for_bit() {
        let dir = tempfile::tempdir().unwrap();
        let numbers = [0.1 + 0.2, f64::NAN, f64::NEG_INFINITY, -0.0, 5e-324, 1.0 / 3.0, 1e300, 5.0];
        write_part(dir.path(), "numbers.yml", &numbers.to_vec()).unwrap();
        let read: Vec<f64> = read_part(dir.path(), "numbers.yml").unwrap();
        let bits = |numbers: &[f64]| numbers.iter().map(|n| n.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&read), bits(&numbers));
    }
}
