//! The disk cache of decoded clips.
//!
//! An entry's key is the SHA-256 of the clip's *content*, the settings it was decoded under, path and version of the program
//! that decoded it, and this crate's format number: a moved clip hits, an overwritten one misses, and no setting can be
//! forgotten. Entries of a format or an ffmpeg that is gone are never met again, and make room in time. Failures are not
//! kept: a bad clip is tried again. Several processes may share a folder: entries appear whole, by rename, and are checked
//! against their own checksum when read; a damaged one is removed and decoded again.
//!
//! The folder is bounded: what no run has asked for lately makes room for what one asks for, and what does not fit beside
//! that is not stored (`cache/room.rs`). What other processes write is noticed with a delay of at most a sixteenth of the bound.
//!
//! Crates that keep a cache on disk (cacache, foyer) know neither a bound that several processes share nor a set that is read
//! over and over: one keeps all, the other throws out what is needed next.

mod array;
mod content;
mod counts;
mod decoder;
mod pass;
mod picture;
mod room;

use std::fmt;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use sha2::{Digest, Sha256};

pub use array::{Array, Dtype, f32_from_le};
pub use counts::CacheCounts;
pub use pass::PassReport;

use crate::error::MediaError;
use content::{Content, Contents};
use counts::Counters;
use decoder::Decoders;
use pass::Needs;
use room::Room;

/// Counts up whenever the same settings would decode to something else, or the file layout changes.
const FORMAT: u32 = 2;

/// What was told at the end of the pass before, and what is to be told at the next.
#[derive(Default)]
struct Told {
    counts: CacheCounts,
    problem: Option<String>,
}

/// A folder of decoded clips. Share it between threads by reference or `Arc`.
pub struct Cache {
    folder: PathBuf,
    contents: Contents,
    decoders: Decoders,
    room: Room,
    needs: Needs,
    counters: Counters,
    told: Mutex<Told>,
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Cache {
    /// Opens or makes the folder and brings it within `max_bytes`.
    pub fn open(folder: &Path, max_bytes: u64) -> Result<Self, MediaError> {
        let failed = |source| MediaError::system(format!("use the cache folder {}", folder.display()), source);
        fs::create_dir_all(folder).map_err(failed)?;
        let room = Room::measure(folder, max_bytes).map_err(failed)?;
        Ok(Self {
            folder: folder.to_owned(),
            contents: Contents::default(),
            decoders: Decoders::default(),
            room,
            needs: Needs::default(),
            counters: Counters::default(),
            told: Mutex::default(),
        })
    }

    /// `settings` with path and version of the `ffmpeg` (a name or a path) that decodes under them, for [`Cache::get_or_all`].
    ///
    /// # Errors
    /// If `ffmpeg` cannot be asked for its version.
    pub fn decoded_by(&self, ffmpeg: &Path, settings: &str) -> Result<String, MediaError> {
        Ok(format!("{settings}\n{}", self.decoders.identity(ffmpeg)?))
    }

    /// The decoded forms of `clips` under `settings`, in their order: from the folder, or from `decode`, which is given the clips
    /// that are not there and gives as many results; its successes are then kept.
    ///
    /// `settings` must name every setting the result depends on, what kind of result it is, and what decodes
    /// ([`Cache::decoded_by`]).
    /// Errors are those of `decode`; a failing disk costs time, not the run, and shows in [`Cache::counts`].
    pub fn get_or_all(
        &self,
        clips: &[&Path],
        settings: &str,
        decode: impl FnOnce(&[&Path]) -> Vec<Result<Array, MediaError>>,
    ) -> Vec<Result<Array, MediaError>> {
        let found: Vec<Found> = clips.iter().map(|clip| self.find(clip, settings)).collect();
        let is_missing = |found: &Found| matches!(found, Found::Place(_));
        let missing = clips.iter().zip(&found).filter(|(_, found)| is_missing(found)).map(|(clip, _)| *clip);
        let missing: Vec<&Path> = missing.collect();
        let mut made = if missing.is_empty() { Vec::new() } else { decode(&missing) }.into_iter();
        let result = |(clip, found): (&&Path, Found)| match found {
            Found::Array(array) => Some(Ok(array)),
            Found::Place(place) => made.next().map(|made| made.inspect(|array| self.keep(clip, &place, array))),
        };
        clips.iter().zip(found).filter_map(result).collect()
    }

    fn find(&self, clip: &Path, settings: &str) -> Found {
        let Some(content) = self.contents.of(clip) else {
            return Found::Place(None);
        };
        let name = entry_name(&content.digest, settings);
        match self.read(&name) {
            Some(array) => {
                self.counters.hits.one_more();
                Found::Array(array)
            }
            None => {
                self.counters.misses.one_more();
                Found::Place(Some((content, name)))
            }
        }
    }

    fn keep(&self, clip: &Path, place: &Place, array: &Array) {
        let Some((_, name)) = place.as_ref().filter(|(content, _)| content.is_current(clip)) else { return };
        match self.write(name, array) {
            Ok(true) => {}
            Ok(false) => {
                self.counters.no_room.one_more();
                self.counters.not_stored.one_more();
            }
            Err(problem) => {
                self.counters.not_stored.one_more();
                self.told().problem = Some(problem.to_string());
            }
        }
    }

    /// Ends a pass of this epoch: what the cache did since the pass before.
    pub fn end_pass(&self, epoch: u32) -> PassReport {
        self.room.end_pass(epoch);
        let (needed_bytes, missing) = self.needs.bytes();
        let (used, _) = self.room.used_and_evicted();
        let counts = self.counts();
        let mut told = self.told();
        let report = PassReport {
            counts: counts.since(told.counts),
            needed_bytes,
            wanted_max_bytes: used + missing,
            problem: told.problem.take(),
        };
        told.counts = counts;
        report
    }

    pub fn counts(&self) -> CacheCounts {
        self.counters.counts(self.room.used_and_evicted().1)
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, name: &str) -> Option<Array> {
        let entry = self.folder.join(name);
        let mut file = match File::open(&entry) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return None,
            Err(_) => return self.discard(&entry),
        };
        let mut bytes = Vec::new();
        if file.read_to_end(&mut bytes).is_err() {
            return self.discard(&entry);
        }
        let size = bytes.len() as u64;
        let Some(array) = Array::from_file_bytes(bytes) else {
            return self.discard(&entry);
        };
        self.needs.note(name, size, true);
        if let Ok(last_used) = file.metadata().and_then(|about| about.modified()) {
            self.room.is_of_use(last_used);
        }
        // Marks the entry as used. On a folder we may only read, order of use is simply not kept.
        let _ = file.set_modified(SystemTime::now());
        Some(array)
    }

    fn discard(&self, entry: &Path) -> Option<Array> {
        self.counters.damaged.one_more();
        // If it cannot be removed, the rename that follows the new decoding replaces it.
        let _ = fs::remove_file(entry);
        None
    }

    /// Stores an entry; whether there was room for it.
    fn write(&self, name: &str, array: &Array) -> io::Result<bool> {
        let bytes = array.to_file_bytes()?;
        let size = bytes.len() as u64;
        self.needs.note(name, size, false);
        if !self.room.make(&self.folder, size)? {
            return Ok(false);
        }
        let mut file = tempfile::Builder::new().prefix(room::UNFINISHED).tempfile_in(&self.folder)?;
        file.write_all(&bytes)?;
        // Times of use are all of this clock: a file server may have another.
        file.as_file().set_modified(SystemTime::now())?;
        // No fsync: after a power cut a hollow entry fails its checksum and is decoded again, which is cheaper than
        // waiting for the disk at every clip.
        file.persist(self.folder.join(name)).map_err(|error| error.error)?;
        self.room.take(size);
        self.needs.note(name, size, true);
        Ok(true)
    }
}

/// The decoded forms of `clips` under `settings`, in their order: through the cache, if there is one ([`Cache::get_or_all`]),
/// with `ffmpeg` as what decodes them.
pub fn through(
    cache: Option<&Cache>,
    clips: &[&Path],
    ffmpeg: &Path,
    settings: &str,
    decode: impl FnOnce(&[&Path]) -> Vec<Result<Array, MediaError>>,
) -> Vec<Result<Array, MediaError>> {
    // Without an ffmpeg, decoding says so of each clip.
    let keyed = cache.and_then(|cache| Some((cache, cache.decoded_by(ffmpeg, settings).ok()?)));
    match keyed {
        Some((cache, key)) => cache.get_or_all(clips, &key, decode),
        None => decode(clips),
    }
}

/// Where an entry will be: the clip's content and the entry's name. A clip that cannot be read has none; decoding says what is
/// wrong with it.
type Place = Option<(Content, String)>;

enum Found {
    Array(Array),
    Place(Place),
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
