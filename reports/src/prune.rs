//! Removing runs. A run that goes on is never removed; a removed one loses its name first, so no reader meets a half.

use std::fs;
use std::path::Path;

use crate::error::ReportError;
use crate::status::Status;
use crate::store::{RunFolder, Store};
use crate::time::since_epoch;

/// Which runs are removed. A run must answer every rule that is given.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    /// The newest so many runs stay.
    pub keep: usize,
    /// Only those that did not come to their end.
    pub unfinished: bool,
    /// Only those that started more than so many days ago.
    pub older_than_days: Option<f64>,
}

/// A run that answers the rules.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The run.
    pub run: RunFolder,
    /// How it ended.
    pub status: Status,
    /// Bytes in its folder.
    pub bytes: u64,
}

/// The runs that answer the rules, oldest first.
///
/// # Errors
/// If the store cannot be read.
pub fn candidates(store: &Store, rules: &Rules) -> Result<Vec<Candidate>, ReportError> {
    let runs = store.list()?;
    let old = runs.len().saturating_sub(rules.keep);
    let now = since_epoch().as_secs_f64();
    let mut found = Vec::new();
    for run in runs.into_iter().take(old) {
        let Ok(record) = run.read_record() else { continue };
        let status = run.status(&record);
        let young = rules.older_than_days.is_some_and(|days| now - record.started_unix < days * 86_400.0);
        if run.is_held() || young || (rules.unfinished && status == Status::Finished) {
            continue;
        }
        found.push(Candidate { bytes: size(&run.path), run, status });
    }
    Ok(found)
}

/// Removes a run that does not go on.
///
/// # Errors
/// If it goes on, or its folder cannot be removed.
pub fn remove(run: &RunFolder) -> Result<(), ReportError> {
    let _hold = run.hold()?;
    let aside = run.path.with_file_name(format!(".{}.pruned", run.id));
    fs::rename(&run.path, &aside).map_err(ReportError::io("rename", &run.path))?;
    fs::remove_dir_all(&aside).map_err(ReportError::io("remove", &aside))
}

/// Bytes of all files below a folder; links are not followed.
fn size(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let of = |entry: fs::DirEntry| match entry.metadata() {
        Ok(about) if about.is_dir() => size(&entry.path()),
        Ok(about) => about.len(),
        Err(_) => 0,
    };
    entries.flatten().map(of).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::RunRecord;

    fn run(store: &Store, id: &str, started: f64, code: Option<i32>) -> RunFolder {
        let run = store.create_as(id).unwrap();
        let mut record = RunRecord { started_unix: started, ..RunRecord::begin(id, "x.yml") };
        if let Some(code) = code {
            record.finish(code, "", None);
        }
        run.write_record(&record).unwrap();
        run
    }

    fn ids(store: &Store, rules: &Rules) -> Vec<String> {
        candidates(store, rules).unwrap().into_iter().map(|c| c.run.id).collect()
    }

    #[test]
    fn runs_are_chosen_by_age_outcome_and_number_and_removed_whole() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path());
        let now = since_epoch().as_secs_f64();
        run(&store, "a", now - 9.0 * 86_400.0, Some(0));
        run(&store, "b", now - 5.0 * 86_400.0, Some(5));
        let c = run(&store, "c", now - 3.0 * 86_400.0, None);
        run(&store, "d", now, Some(0));
        let all = Rules::default();
        assert_eq!(ids(&store, &all), ["a", "b", "c", "d"]);
        assert_eq!(ids(&store, &Rules { keep: 2, ..all.clone() }), ["a", "b"]);
        assert_eq!(ids(&store, &Rules { unfinished: true, ..all.clone() }), ["b", "c"]);
        assert_eq!(ids(&store, &Rules { older_than_days: Some(4.0), ..all.clone() }), ["a", "b"]);
        let hold = c.hold().unwrap();
        assert_eq!(ids(&store, &Rules { unfinished: true, ..all.clone() }), ["b"]);
        assert!(remove(&c).is_err(), "a run that goes on stays");
        drop(hold);
        remove(&c).unwrap();
        assert_eq!(ids(&store, &all), ["a", "b", "d"]);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
    }
}
