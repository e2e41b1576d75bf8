//! A set's place and what lies beside it while the set is made: a lock and a scratch folder, both named after it.
//!
//! A scratch folder is dead exactly when the lock of its set can be taken.

use std::{
    ffi::{OsStr, OsString},
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    error::SynthError,
    lock::Lock,
    names::{LOCK, PARTIAL},
};

/// Where a set lies or is to lie.
#[derive(Debug)]
pub(crate) struct Place {
    parent: PathBuf,
    name: OsString,
}

impl Place {
    /// Makes the folder above the set, if it is not there.
    pub fn of(out: &Path) -> Result<Self, SynthError> {
        let at = |path: &Path, source| SynthError::Io { path: path.to_owned(), source };
        let Some(name) = out.file_name() else {
            return Err(at(out, io::Error::new(io::ErrorKind::InvalidInput, "a set's folder has a name")));
        };
        let parent = match out.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            // A bare name lies in the working folder.
            _ => Path::new("."),
        };
        fs::create_dir_all(parent).map_err(|source| at(parent, source))?;
        Ok(Self { parent: parent.to_owned(), name: name.to_owned() })
    }

    /// Takes the set's lock; `waits` is called once if somebody else makes the set.
    pub fn lock(&self, waits: impl FnMut()) -> Result<Lock, SynthError> {
        let path = lock_path(&self.parent, &self.name);
        Lock::take(&path, waits).map_err(|source| SynthError::Io { path, source })
    }

    /// A folder beside the set, on the same file system, that goes if anything fails. The lock says that all other scratch
    /// folders of the set are dead.
    pub fn scratch(&self, _lock: &Lock) -> Result<tempfile::TempDir, SynthError> {
        self.remove_dead();
        tempfile::Builder::new()
            .prefix(&beside(&self.name, PARTIAL))
            .tempdir_in(&self.parent)
            .map_err(|source| SynthError::Io { path: self.parent.clone(), source })
    }

    /// Removes what killed makers left, of this set and of others. Best effort: what cannot be removed is in nobody's way.
    fn remove_dead(&self) {
        for entry in fs::read_dir(&self.parent).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let Some(set) = name.to_str().and_then(|name| Some(name.strip_prefix('.')?.rsplit_once(PARTIAL)?.0)) else {
                continue;
            };
            let own = self.name == set;
            let lock =
                if own { None } else { Lock::try_take(&lock_path(&self.parent, OsStr::new(set))).ok().flatten() };
            if own || lock.is_some() {
                // An ffmpeg that outlives its maker may write one more file meanwhile.
                let _ = (0..3).find_map(|_| fs::remove_dir_all(entry.path()).ok());
            }
        }
    }
}

fn lock_path(parent: &Path, set: &OsStr) -> PathBuf {
    parent.join(beside(set, LOCK))
}

/// `.<set><what>`
fn beside(set: &OsStr, what: &str) -> OsString {
    let mut name = OsString::from(".");
    name.push(set);
    name.push(what);
    name
}
