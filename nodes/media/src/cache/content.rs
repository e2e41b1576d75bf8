//! The digest of a clip's content, computed once per process for each state of the file.

use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use crate::limits::MAX_FILE_BYTES;

/// What a file's state is known by without reading it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct State {
    size: u64,
    modified: Option<SystemTime>,
}

impl State {
    pub fn of(about: &Metadata) -> Self {
        Self { size: about.len(), modified: about.modified().ok() }
    }
}

/// A digest and the state of the file it was taken from.
pub(super) struct Content {
    pub digest: [u8; 32],
    state: State,
}

impl Content {
    /// Whether the file is still as it was when the digest was taken.
    pub fn is_current(&self, clip: &Path) -> bool {
        fs::metadata(clip).is_ok_and(|about| State::of(&about) == self.state)
    }
}

#[derive(Default)]
pub(super) struct Contents {
    known: Mutex<HashMap<(PathBuf, State), [u8; 32]>>,
}

impl Contents {
    /// `None` if the clip is no regular file, cannot be read, or is larger than any that is decoded.
    pub fn of(&self, clip: &Path) -> Option<Content> {
        let about = fs::metadata(clip).ok().filter(Metadata::is_file).filter(|about| about.len() <= MAX_FILE_BYTES)?;
        let state = State::of(&about);
        let key = (clip.to_owned(), state.clone());
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&key).copied();
        let digest = match known {
            Some(digest) => digest,
            None => {
                let digest = digest(clip)?;
                self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(key, digest);
                digest
            }
        };
        Some(Content { digest, state })
    }
}

fn digest(clip: &Path) -> Option<[u8; 32]> {
    let mut file = File::open(clip).ok()?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0_u8; 256 << 10];
    loop {
        match file.read(&mut buffer).ok()? {
            0 => return Some(hash.finalize().into()),
            read => hash.update(&buffer[..read]),
        }
    }
}
