//! Keeping the folder within its bound, without ever throwing out what a run still asks for.
//!
//! A run reads its clips over and over. If they need more room than there is, the entries unused for longest are those needed
//! next: to throw them out would make every epoch miss everything. So only what is *idle* makes room, oldest first: entries
//! that no one has used since this process opened the folder. What else does not fit is not stored, and the part that is in
//! stays. Other processes mark what they use by the same times, so it is kept from each other's reach too.
//!
//! In its first epoch a run has not asked for all it needs, and entries an earlier run left for it look idle. What it finds
//! tells how old they are: until a second epoch has begun, nothing used later than the oldest of them is idle.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, ErrorKind};
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
    opened: SystemTime,
    account: Mutex<Account>,
}

struct Account {
    used: u64,
    written_since_scan: u64,
    evicted: u64,
    /// Entries used at this time or later are no one's to throw out.
    of_use_from: SystemTime,
    /// The epoch this process began with; none once another has begun.
    first_epoch: FirstEpoch,
    /// What may go, the oldest last.
    idle: Vec<Entry>,
    /// Nothing more may go: the folder is not searched for it again before the pass has ended.
    is_full: bool,
}

#[derive(PartialEq)]
enum FirstEpoch {
    Unknown,
    Is(u32),
    IsOver,
}

impl Room {
    /// Brings the folder within the bound: whatever was used longest ago goes.
    pub fn measure(folder: &Path, max_bytes: u64) -> io::Result<Self> {
        let opened = SystemTime::now();
        let account = Account {
            used: 0,
            written_since_scan: 0,
            evicted: 0,
            of_use_from: opened,
            first_epoch: FirstEpoch::Unknown,
            idle: Vec::new(),
            is_full: false,
        };
        let room = Self { max_bytes, opened, account: Mutex::new(account) };
        room.scan(folder, &mut room.account())?;
        Ok(room)
    }

    /// Whether there is room for `size` more bytes, made of idle entries if need be.
    pub fn make(&self, folder: &Path, size: u64) -> io::Result<bool> {
        if size > self.max_bytes {
            return Ok(false);
        }
        let mut account = self.account();
        // What other processes have written meanwhile is to be seen too.
        if account.written_since_scan > self.max_bytes / 16 {
            self.scan(folder, &mut account)?;
        }
        if self.evict(size, &mut account) {
            return Ok(true);
        }
        if account.is_full {
            return Ok(false);
        }
        self.scan(folder, &mut account)?;
        account.is_full = !self.evict(size, &mut account);
        Ok(!account.is_full)
    }

    /// Books an entry that was written.
    pub fn take(&self, size: u64) {
        let mut account = self.account();
        account.used += size;
        account.written_since_scan += size;
    }

    /// An entry was asked for that had last been used at this time.
    pub fn is_of_use(&self, last_used: SystemTime) {
        let mut account = self.account();
        if account.first_epoch != FirstEpoch::IsOver {
            account.of_use_from = account.of_use_from.min(last_used);
        }
    }

    /// A pass of this epoch has ended.
    pub fn end_pass(&self, epoch: u32) {
        let mut guard = self.account();
        let account = &mut *guard;
        account.is_full = false;
        match account.first_epoch {
            FirstEpoch::Unknown => account.first_epoch = FirstEpoch::Is(epoch),
            FirstEpoch::Is(first) if first != epoch => {
                account.first_epoch = FirstEpoch::IsOver;
                account.of_use_from = self.opened;
            }
            _ => {}
        }
    }

    /// Bytes in use and entries thrown out so far.
    pub fn used_and_evicted(&self) -> (u64, u64) {
        let account = self.account();
        (account.used, account.evicted)
    }

    fn account(&self) -> MutexGuard<'_, Account> {
        // Every update leaves the account usable: the next scan sets it right.
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Measures the folder and finds what is idle. Where it has grown past the bound, by a smaller bound or by several
    /// processes writing at once, it is brought within it.
    fn scan(&self, folder: &Path, account: &mut Account) -> io::Result<()> {
        let mut entries = entries(folder)?;
        account.used = entries.iter().map(|entry| entry.size).sum();
        account.written_since_scan = 0;
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.used_at));
        while account.used > self.max_bytes
            && let Some(oldest) = entries.pop()
        {
            remove(&oldest, account);
        }
        entries.retain(|entry| entry.used_at < account.of_use_from);
        account.idle = entries;
        Ok(())
    }

    /// Throws out idle entries until `size` more bytes fit; whether they do.
    fn evict(&self, size: u64, account: &mut Account) -> bool {
        while account.used.saturating_add(size) > self.max_bytes {
            let Some(oldest) = account.idle.pop() else { return false };
            // Since the folder was looked at it may have been used, and what counts as idle may have changed.
            let used_at = fs::metadata(&oldest.path).and_then(|about| about.modified());
            if oldest.used_at < account.of_use_from && used_at.map_or(true, |at| at == oldest.used_at) {
                remove(&oldest, account);
            }
        }
        true
    }
}

fn remove(entry: &Entry, account: &mut Account) {
    match fs::remove_file(&entry.path) {
        Ok(()) => account.evicted += 1,
        // Another process removed it first: then it takes no room either.
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        // It stays, and goes on taking room.
        Err(_) => return,
    }
    account.used = account.used.saturating_sub(entry.size);
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
