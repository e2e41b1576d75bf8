//! Why a report could not be written or read.

use std::path::{Path, PathBuf};

/// A failure of the run store or of a table.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A file or folder could not be used.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried: `create`, `write`, `read`, …
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A Parquet file could not be written or read.
    #[error("cannot {action} {}: {source}", path.display())]
    Parquet {
        /// `write` or `read`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: polars::error::PolarsError,
    },
    /// A record is not the JSON it should be.
    #[error("{} is not a run record: {source}", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// A file is of a newer version of the tables than this build reads.
    #[error("{} is version {found} of the tables; this build reads up to version {known}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: String,
        /// The newest version this build knows.
        known: u32,
    },
    /// Rows do not have their table's columns.
    #[error("table {table}: {problem}")]
    Rows {
        /// Name of the table.
        table: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// There is no such run.
    #[error("no run `{id}` in {}{}", folder.display(), hint(candidates))]
    NoRun {
        /// What was asked for.
        id: String,
        /// Where it was looked for.
        folder: PathBuf,
        /// Ids that come near, or more than one that fits.
        candidates: Vec<String>,
    },
    /// A run of this id exists.
    #[error("run `{0}` exists already")]
    RunExists(String),
    /// An id that is no folder name.
    #[error("`{0}` is no run id: letters, digits, `-`, `_` and `.` only")]
    BadId(String),
    /// A run's dataflow is not the YAML it should be.
    #[error("the dataflow of run `{run}` cannot be read: {problem}")]
    Dataflow {
        /// Id of the run.
        run: String,
        /// Why.
        problem: String,
    },
    /// A figure could not be drawn.
    #[error("cannot draw {figure}: {source}")]
    Figure {
        /// Name of the figure.
        figure: String,
        /// Why.
        source: crate::figure::PngError,
    },
    /// A sweep file is not what it should be.
    #[error("{file}: {problem}")]
    Sweep {
        /// The file.
        file: String,
        /// What is wrong, with its place.
        problem: String,
    },
    /// Runs cannot be measured against each other.
    #[error("run `{run}`: {problem}")]
    Lead {
        /// Id of the run.
        run: String,
        /// Why not.
        problem: String,
    },
    /// The numbers of clips do not add up.
    #[error("the clips do not add up: {0}")]
    DoesNotAddUp(String),
}

fn hint(candidates: &[String]) -> String {
    if candidates.is_empty() { String::new() } else { format!("; there are {}", candidates.join(", ")) }
}

impl ReportError {
    /// Whether there was no room left on the disk.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull)
    }

    /// Turns an I/O error into one that says what was done to which path.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    /// Turns a polars error into one that says what was done to which file.
    pub(crate) fn parquet(action: &'static str, path: &Path) -> impl FnOnce(polars::error::PolarsError) -> Self {
        let path = path.to_owned();
        move |source| Self::Parquet { action, path, source }
    }
}
