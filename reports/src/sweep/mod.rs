//! Sweeps: a base dataflow and lists or a grid of overrides, over seeds; a table and a figure at the end.
//!
//! A sweep's runs are ordinary runs of the store. A run of a sweep counts as done if the store holds a finished run of
//! the same dataflow as run, in the same folder, by the same version of the program ([`done`]): so a sweep that was cut
//! goes on where it stopped, and two sweeps share the runs they have in common.

mod figure;
mod file;
mod markdown;
mod plan;
mod table;

use serde_yaml::Value;

use crate::status::Status;
use crate::store::{RunFolder, Store};

pub use figure::figure;
pub use file::{Axis, Case, Column, SweepFile};
pub use markdown::{markdown, page};
pub use plan::{Planned, plan};
pub use table::{CaseResult, RunResult, Table, table};

use crate::error::ReportError;

/// The newest finished run of this dataflow, as resolved with all overrides, in this folder and by this version.
///
/// # Errors
/// If the store or the dataflow cannot be read.
pub fn done(
    store: &Store,
    resolved: &str,
    folder: &std::path::Path,
    version: &str,
) -> Result<Option<RunFolder>, ReportError> {
    // Compared as YAML: the comments say from where the command was called.
    let parse = |text: &str| serde_yaml::from_str::<Value>(text).ok();
    let wanted = parse(resolved);
    for run in store.list()?.into_iter().rev() {
        let Ok(record) = run.read_record() else { continue };
        let same = record.folder.as_deref() == Some(folder)
            && record.versions.get("copl").is_some_and(|v| v == version)
            && run.status(&record) == Status::Finished;
        if same && wanted.is_some() && run.read_dataflow().ok().as_deref().and_then(parse) == wanted {
            return Ok(Some(run));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
