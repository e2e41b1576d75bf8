//! The lock of a set's place: a file beside it that whoever makes the set holds by an advisory lock of the system. The system lets
//! go of it when the holder ends, however it ends, and knows of holders in other containers, whose process ids it hides.
//!
//! The file goes with the lock. Who had opened it before then gets the lock of a file without a name, and starts again.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

/// A lock that is held.
#[derive(Debug)]
pub(crate) struct Lock {
    path: PathBuf,
    /// Closing it is letting go.
    _file: File,
}

impl Lock {
    /// Takes the lock; `waits` is called once if somebody else holds it.
    pub fn take(path: &Path, mut waits: impl FnMut()) -> io::Result<Self> {
        let mut told = false;
        loop {
            let file = open(path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    if !std::mem::replace(&mut told, true) {
                        waits();
                    }
                    file.lock()?;
                }
                Err(TryLockError::Error(error)) => return Err(error),
            }
            if is_named(&file, path)? {
                return Ok(Self { path: path.to_owned(), _file: file });
            }
        }
    }

    /// The lock, if nobody else holds it.
    pub fn try_take(path: &Path) -> io::Result<Option<Self>> {
        let file = open(path)?;
        match file.try_lock() {
            Ok(()) if is_named(&file, path)? => Ok(Some(Self { path: path.to_owned(), _file: file })),
            // Somebody let go of it this moment, or has it.
            Ok(()) | Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Only the holder removes the file. One that stays, because the folder is read-only by now, is locked by nobody.
        let _ = fs::remove_file(&self.path);
    }
}

/// To lock a file somebody else made, reading it is enough.
fn open(path: &Path) -> io::Result<File> {
    let made = OpenOptions::new().create(true).truncate(false).write(true).open(path);
    made.or_else(|error| if error.kind() == io::ErrorKind::PermissionDenied { File::open(path) } else { Err(error) })
}

/// Whether the path still leads to the open file.
fn is_named(file: &File, path: &Path) -> io::Result<bool> {
    let own = file.metadata()?;
    match fs::metadata(path) {
        Ok(named) => Ok((own.dev(), own.ino()) == (named.dev(), named.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "files of a test")]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn one_holds_it_at_a_time_and_the_file_goes_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let first = Lock::take(&path, || panic!("nobody has it")).unwrap();
        assert!(Lock::try_take(&path).unwrap().is_none());
        #[allow(clippy::disallowed_methods, reason = "one message")]
        let (waits, heard) = mpsc::channel();
        std::thread::scope(|scope| {
            // Both wait for the same file, which has no name any more when the second of them gets it.
            for _ in 0..2 {
                let (waits, path) = (waits.clone(), &path);
                scope.spawn(move || {
                    let held = Lock::take(path, || waits.send(()).unwrap()).unwrap();
                    assert!(path.exists() && Lock::try_take(path).unwrap().is_none());
                    drop(held);
                });
            }
            heard.recv().unwrap();
            heard.recv().unwrap();
            drop(first);
        });
        assert!(!path.exists());
        assert!(Lock::try_take(&path).unwrap().is_some());
    }

    #[test]
    fn a_file_that_nobody_locks_is_no_hindrance() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        fs::write(&path, "").unwrap();
        assert!(Lock::try_take(&path).unwrap().is_some());
    }
}
