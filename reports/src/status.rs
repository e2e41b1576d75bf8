//! Whether a run goes on, and how it ended.
//!
//! The command holds a lock on a file of the run's folder as long as it runs. The system gives it back when the process
//! ends, however it ends: a run without an outcome that nobody holds was killed.

use std::fmt;
use std::fs::{File, TryLockError};

use serde::Serialize;

use crate::error::ReportError;
use crate::store::{RunFolder, RunRecord};

const LOCK: &str = ".lock";
/// Exit code of an interrupted command.
const INTERRUPTED: i32 = 130;

/// The state of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Its command is at work.
    Running,
    /// It came to its end.
    Finished,
    /// It stopped with an error.
    Failed,
    /// The user stopped it.
    Interrupted,
    /// Its command is gone and did not say why.
    Killed,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::Killed => "killed",
        })
    }
}

/// Marks a run as going on until it is dropped.
#[derive(Debug)]
pub struct Hold {
    _file: File,
}

impl RunFolder {
    /// Marks the run as going on.
    ///
    /// # Errors
    /// If the folder cannot be written, or another process runs this run.
    pub fn hold(&self) -> Result<Hold, ReportError> {
        let path = self.path.join(LOCK);
        let file = File::create(&path).map_err(ReportError::io("create", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Hold { _file: file }),
            Err(TryLockError::WouldBlock) => Err(ReportError::RunExists(self.id.clone())),
            // A file system without locks: the run goes on, and looks killed to others until it ends.
            Err(TryLockError::Error(e)) if e.kind() == std::io::ErrorKind::Unsupported => Ok(Hold { _file: file }),
            Err(TryLockError::Error(e)) => Err(ReportError::io("lock", &path)(e)),
        }
    }

    /// Whether a process runs this run.
    pub fn is_held(&self) -> bool {
        let Ok(file) = File::open(self.path.join(LOCK)) else { return false };
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
    }

    /// How the run stands.
    pub fn status(&self, record: &RunRecord) -> Status {
        match &record.outcome {
            None if self.is_held() => Status::Running,
            None => Status::Killed,
            Some(outcome) if outcome.exit_code == 0 => Status::Finished,
            Some(outcome) if outcome.exit_code == INTERRUPTED => Status::Interrupted,
            Some(_) => Status::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    #[test]
    fn a_run_is_running_while_it_is_held_and_killed_after_that() {
        let dir = tempfile::tempdir().unwrap();
        let run = Store::new(dir.path()).create().unwrap();
        let mut record = RunRecord::begin(&run.id, "ave.yml");
        let hold = run.hold().unwrap();
        assert_eq!(run.status(&record), Status::Running);
        assert!(matches!(run.hold(), Err(ReportError::RunExists(_))));
        let mut ended = record.clone();
        ended.finish(0, "", None);
        assert_eq!(run.status(&ended), Status::Finished, "its outcome is written, its page is not");
        drop(hold);
        assert_eq!(run.status(&record), Status::Killed);
        for (code, status) in [(0, Status::Finished), (5, Status::Failed), (130, Status::Interrupted)] {
            record.finish(code, "", None);
            assert_eq!(run.status(&record), status);
        }
    }
}
