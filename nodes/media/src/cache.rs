//! The disk cache of decoded clips.
//!
//! An entry's key is the SHA-256 of the clip's *content*, the settings it was decoded under and this crate's format
//! number: a moved clip hits, an overwritten one misses, and no setting can be forgotten. Failures are not kept: a bad
//! clip is tried again. Several processes may share a folder: entries appear whole, by rename, and are checked against
//! their own checksum when read; a damaged one is removed and decoded again.
//!
//! The folder is bounded: when it grows past `max_bytes`, the entries unused for longest go. What other processes write
//! is noticed with a delay of at most a sixteenth of the bound.

mod array;
mod content;
mod room;

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use sha2::{Digest, Sha256};

pub use array::{Array, Dtype, f32_from_le};

use crate::error::MediaError;
use content::Contents;
use room::Room;

/// Counts up whenever the same settings would decode to something else, or the file layout changes.
const FORMAT: u32 = 1;

/// What a cache has done since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheCounts {
    pub hits: u64,
    pub misses: u64,
    /// Entries that failed their checksum and were removed.
    pub damaged: u64,
    /// Entries removed to keep the bound.
    pub evicted: u64,
    /// Results that could not be stored, because of the disk or because one alone is beyond the bound. They were used.
    pub not_stored: u64,
}

#[derive(Default)]
struct Counters {
    hits: AtomicU64,
    misses: AtomicU64,
    damaged: AtomicU64,
    not_stored: AtomicU64,
}

/// A folder of decoded clips. Share it between threads by reference or `Arc`.
pub struct Cache {
    folder: PathBuf,
    contents: Contents,
    room: Room,
    counters: Counters,
}

impl Cache {
    /// Opens or makes the folder and brings it within `max_bytes`.
    pub fn open(folder: &Path, max_bytes: u64) -> Result<Self, MediaError> {
        let failed = |source| MediaError::system(format!("use the cache folder {}", folder.display()), source);
        fs::create_dir_all(folder).map_err(failed)?;
        let room = Room::measure(folder, max_bytes).map_err(failed)?;
        Ok(Self { folder: folder.to_owned(), contents: Contents::default(), room, counters: Counters::default() })
    }

    /// The decoded form of `clip` under `settings`: from the folder, or from `decode`, whose success is then kept.
    ///
    /// `settings` must name every setting the result depends on, and what kind of result it is.
    /// Errors are those of `decode`; a failing disk costs time, not the run, and shows in [`Cache::counts`].
    pub fn get_or(
        &self,
        clip: &Path,
        settings: &str,
        decode: impl FnOnce() -> Result<Array, MediaError>,
    ) -> Result<Array, MediaError> {
        // A clip that cannot be read has no key; `decode` says what is wrong with it.
        let Some(content) = self.contents.of(clip) else {
            return decode();
        };
        let entry = self.folder.join(entry_name(&content.digest, settings));
        if let Some(array) = self.read(&entry) {
            count(&self.counters.hits);
            return Ok(array);
        }
        count(&self.counters.misses);
        let array = decode()?;
        if content.is_current(clip) && self.write(&entry, &array).is_err() {
            count(&self.counters.not_stored);
        }
        Ok(array)
    }

    pub fn counts(&self) -> CacheCounts {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CacheCounts {
            hits: get(&self.counters.hits),
            misses: get(&self.counters.misses),
            damaged: get(&self.counters.damaged),
            evicted: self.room.evicted(),
            not_stored: get(&self.counters.not_stored),
        }
    }

    fn read(&self, entry: &Path) -> Option<Array> {
        let bytes = match fs::read(entry) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return None,
            Err(_) => return self.discard(entry),
        };
        let Some(array) = Array::from_file_bytes(bytes) else {
            return self.discard(entry);
        };
        // Marks the entry as used. On a folder we may only read, order of use is simply not kept.
        let _ = File::open(entry).and_then(|file| file.set_modified(SystemTime::now()));
        Some(array)
    }

    fn discard(&self, entry: &Path) -> Option<Array> {
        count(&self.counters.damaged);
        // If it cannot be removed, the rename that follows the new decoding replaces it.
        let _ = fs::remove_file(entry);
        None
    }

    fn write(&self, entry: &Path, array: &Array) -> io::Result<()> {
        let bytes = array.to_file_bytes()?;
        let size = bytes.len() as u64;
        self.room.make(&self.folder, size)?;
        let mut file = tempfile::Builder::new().prefix(room::UNFINISHED).tempfile_in(&self.folder)?;
        file.write_all(&bytes)?;
        // No fsync: after a power cut a hollow entry fails its checksum and is decoded again, which is cheaper than
        // waiting for the disk at every clip.
        file.persist(entry).map_err(|error| error.error)?;
        self.room.take(size);
        Ok(())
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn entry_name(content: &[u8; 32], settings: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(FORMAT.to_le_bytes());
    hash.update(content);
    hash.update(settings.as_bytes());
    let hex: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{hex}.{}", room::EXTENSION)
}

#[cfg(test)]
mod tests;
