//! Keeping the folder within its bound.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

pub(super) const EXTENSION: &str = "clip";
/// How the name of an entry begins while it is written.
pub(super) const UNFINISHED: &str = ".unfinished-";
/// An unfinished file of this age was left by a process that died.
const ABANDONED: Duration = Duration::from_secs(3600);

/// The bound and an account of the bytes in use.
pub(super) struct Room {
    max_bytes: u64,
    account: Mutex<Account>,
}

#[derive(Default)]
struct Account {
    used: u64,
    written_since_scan: u64,
    evicted: u64,
}

impl Room {
    pub fn measure(folder: &Path, max_bytes: u64) -> io::Result<Self> {
        let room = Self { max_bytes, account: Mutex::default() };
        room.tidy(folder, 0, &mut room.account())?;
        Ok(room)
    }

    /// Frees what is needed for `size` more bytes. Fails if they can never fit.
    pub fn make(&self, folder: &Path, size: u64) -> io::Result<()> {
        if size > self.max_bytes {
            return Err(io::Error::other("larger than the whole cache"));
        }
        let mut account = self.account();
        let is_stale = account.written_since_scan > self.max_bytes / 16;
        if is_stale || account.used.saturating_add(size) > self.max_bytes {
            self.tidy(folder, size, &mut account)?;
        }
        Ok(())
    }

    /// Books an entry that was written.
    pub fn take(&self, size: u64) {
        let mut account = self.account();
        account.used += size;
        account.written_since_scan += size;
    }

    pub fn evicted(&self) -> u64 {
        self.account().evicted
    }

    fn account(&self) -> MutexGuard<'_, Account> {
        // Every update leaves the account usable: the next scan sets it right.
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Measures the folder and, if `size` more bytes do not fit, removes the entries unused for longest until a tenth
    /// of the bound is free, so that not every write has to look.
    fn tidy(&self, folder: &Path, size: u64, account: &mut Account) -> io::Result<()> {
        let mut entries = entries(folder)?;
        account.used = entries.iter().map(|entry| entry.size).sum();
        account.written_since_scan = 0;
        if account.used.saturating_add(size) <= self.max_bytes {
            return Ok(());
        }
        let goal = (self.max_bytes - self.max_bytes / 10).min(self.max_bytes.saturating_sub(size));
        entries.sort_by_key(|entry| entry.used_at);
        for entry in entries {
            if account.used <= goal {
                break;
            }
            // Another process may have removed it first: then it takes no room either.
            if fs::remove_file(&entry.path).is_ok() {
                account.evicted += 1;
            }
            account.used -= entry.size;
        }
        Ok(())
    }
}

struct Entry {
    path: PathBuf,
    size: u64,
    used_at: SystemTime,
}

fn entries(folder: &Path) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for file in fs::read_dir(folder)? {
        let file = file?;
        // A file that vanished since is no entry any more.
        let Ok(about) = file.metadata() else { continue };
        let path = file.path();
        let used_at = about.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        if path.extension() == Some(OsStr::new(EXTENSION)) {
            entries.push(Entry { path, size: about.len(), used_at });
        } else if file.file_name().to_string_lossy().starts_with(UNFINISHED)
            && used_at.elapsed().is_ok_and(|age| age > ABANDONED)
        {
            // Only tidiness: the next scan tries again.
            let _ = fs::remove_file(&path);
        }
    }
    Ok(entries)
}
