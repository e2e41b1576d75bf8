//! What decodes: a program's path and all it says of its version, asked once for each state of the file it is.
//!
//! Another version, another build or other libraries may decode other bits, so entries of one are none of another's.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::content::State;
use crate::doctor;
use crate::error::MediaError;

#[derive(Default)]
pub(super) struct Decoders {
    known: Mutex<HashMap<(PathBuf, Option<State>), String>>,
}

impl Decoders {
    /// Path and version of `ffmpeg`, a name looked up on PATH or a path.
    pub fn identity(&self, ffmpeg: &Path) -> Result<String, MediaError> {
        // What cannot be found is run by its name all the same: the error then is that of running it.
        let path = which::which(ffmpeg).ok().and_then(|found| fs::canonicalize(found).ok());
        let path = path.unwrap_or_else(|| ffmpeg.to_owned());
        let key = (path.clone(), fs::metadata(&path).ok().map(|about| State::of(&about)));
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(identity) = known {
            return Ok(identity);
        }
        let identity = format!("{}\n{}", path.display(), doctor::about(ffmpeg)?);
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(key, identity.clone());
        Ok(identity)
    }
}
