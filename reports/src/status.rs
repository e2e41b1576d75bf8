//! Whether a run goes on, and how it ended.
//!
//! The command holds a lock on a file of the run's folder as long as it runs. The system gives it back when the process
//! ends, however it ends: a run without an outcome that nobody holds was killed.

use std::fmt;
use std::fs::{File, TryLockError};
use std::time::SystemTime;

use serde::Serialize;

use crate::error::ReportError;
use crate::store::{RunFolder, RunRecord};

const LOCK: &str = ".lock";
/// Names the run's last checkpoint.
const CHECKPOINT: &str = "resume/LATEST";
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
    file: File,
}

impl Hold {
    /// Marks that the command lives, by the time of the lock's file: [`RunFolder::last_sign`] reads it if the command is
    /// killed.
    pub fn beat(&self) {
        // A file system without times: what is known of a kill then is no later than the run's start or last checkpoint.
        let _ = self.file.set_modified(SystemTime::now());
    }
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
            Ok(()) => Ok(Hold { file }),
            Err(TryLockError::WouldBlock) => Err(ReportError::RunExists(self.id.clone())),
            // A file system without locks: the run goes on, and looks killed to others until it ends.
            Err(TryLockError::Error(e)) if e.kind() == std::io::ErrorKind::Unsupported => Ok(Hold { file }),
            Err(TryLockError::Error(e)) => Err(ReportError::io("lock", &path)(e)),
        }
    }

    /// When the command of a run that is not going on ended, in seconds since 1970: exactly, where it could say so; where it
    /// was killed, the last time it showed that it lived. None if nothing tells.
    pub fn last_sign(&self, record: &RunRecord) -> Option<f64> {
        let changed = |path: &str| {
            let time = self.path.join(path).metadata().and_then(|meta| meta.modified()).ok()?;
            Some(time.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs_f64())
        };
        // Older versions only touched the lock at the start; what was computed after the last checkpoint is lost anyway.
        record.finished_unix.or_else(|| [changed(LOCK), changed(CHECKPOINT)].into_iter().flatten().reduce(f64::max))
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

    #[test]
    fn the_time_between_a_cut_and_its_going_on_is_no_time_of_the_run() {
        let dir = tempfile::tempdir().unwrap();
        let run = Store::new(dir.path()).create().unwrap();
        let ended = |record: &RunRecord, at: f64| RunRecord { finished_unix: Some(at), ..record.clone() };
        // Started long ago; interrupted after 100 s, and killed 50 s after it went on.
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
        let mut record = RunRecord { started_unix: now - 10_000.0, ..RunRecord::begin(&run.id, "ave.yml") };
        let interrupted = ended(&record, now - 9_900.0);
        assert_eq!(run.last_sign(&interrupted), Some(now - 9_900.0));
        record = interrupted;
        record.resume("the beginning", Some(now - 9_900.0));
        assert!(record.outcome.is_none() && record.finished_unix.is_none());
        assert_eq!(record.wall_secs(), None, "it runs");
        assert!((ended(&record, now + 50.0).wall_secs().unwrap() - 150.0).abs() < 5.0);
        // Killed: its lock tells when it last lived.
        assert_eq!(run.last_sign(&record), None);
        let hold = run.hold().unwrap();
        hold.beat();
        drop(hold);
        assert!((run.last_sign(&record).unwrap() - now).abs() < 5.0);
        record.resume("place-1", run.last_sign(&record));
        assert!((ended(&record, now + 50.0).wall_secs().unwrap() - 150.0).abs() < 5.0);
        // A record of a version that did not write how long it lay.
        record.resumed[0].dead_secs = None;
        assert_eq!(ended(&record, now).wall_secs(), None);
    }
}
