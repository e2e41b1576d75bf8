//! What the store knows of a planned run: whether it is done, or was cut and can go on.
//!
//! A run is that of a plan if it is of the same dataflow as run, in the same folder, by the same version of the program, and on
//! the same [`Data`]: the fingerprints that the run wrote of its dataset are those of the dataset now. A run that wrote none is
//! taken for none of a plan whose data are known, unless it was cut before it could, and one that wrote that of its
//! annotations alone, as early versions did, is judged by that alone; where the data of a plan are not known (the dataset is
//! not there, or another program's node reads it) the rest decides.

use std::path::Path;

use serde_yaml::Value;

use crate::error::ReportError;
use crate::status::Status;
use crate::store::{RunFolder, RunRecord, Store};

/// Fingerprints of a dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Data {
    /// Of its annotation files.
    pub annotations: String,
    /// Of its description.
    pub description: String,
}

impl Data {
    /// Whether a run was on these.
    fn are_those_of(&self, record: &RunRecord) -> bool {
        record.data_fingerprint.as_ref() == Some(&self.annotations)
            && record.data_description.as_ref().is_none_or(|description| *description == self.description)
    }
}

/// A planned run, to be looked for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Its dataflow as resolved with all overrides.
    pub resolved: &'a str,
    /// The folder it lies in.
    pub folder: &'a Path,
    /// Version of the program.
    pub version: &'a str,
    /// Its dataset, where it is known.
    pub data: Option<&'a Data>,
}

/// What the store knows of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// There is no such run, or only one that goes on.
    Nothing,
    /// The newest that came to its end.
    Done(RunFolder),
    /// None has come to its end; the newest that failed, was interrupted or killed.
    Cut(RunFolder),
}

/// Looks for a planned run.
///
/// # Errors
/// If the store cannot be read.
pub fn known(store: &Store, wanted: &Wanted<'_>) -> Result<Known, ReportError> {
    // Compared as YAML: the comments say from where the command was called.
    let parse = |text: &str| serde_yaml::from_str::<Value>(text).ok();
    let Some(yaml) = parse(wanted.resolved) else { return Ok(Known::Nothing) };
    let mut cut = None;
    for run in store.list()?.into_iter().rev() {
        let Ok(record) = run.read_record() else { continue };
        let same = record.folder.as_deref() == Some(wanted.folder)
            && record.versions.get("copl").is_some_and(|v| v == wanted.version);
        if !same || run.read_dataflow().ok().as_deref().and_then(parse).as_ref() != Some(&yaml) {
            continue;
        }
        let on_same = wanted.data.is_none_or(|data| data.are_those_of(&record));
        match run.status(&record) {
            Status::Finished if on_same => return Ok(Known::Done(run)),
            Status::Failed | Status::Interrupted | Status::Killed
                if cut.is_none() && (on_same || record.data_fingerprint.is_none()) =>
            {
                cut = Some(run);
            }
            _ => {}
        }
    }
    Ok(cut.map_or(Known::Nothing, Known::Cut))
}
