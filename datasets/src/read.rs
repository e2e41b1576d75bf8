//! What all readers share: their options and errors, the fingerprint of the files they read, and the rule that no name from
//! an annotation file leads out of the data root, since such files may be written by anyone.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    dataset::{Clip, FileKind},
    problem::Problems,
};

/// What becomes of a clip that lacks a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingVideos {
    /// It stays in the list; the decoder puts it in quarantine, with a row in the report.
    #[default]
    Keep,
    /// The dataset is refused.
    Refuse,
}

#[derive(Debug, Clone, Default)]
pub struct ReadOptions {
    pub missing: MissingVideos,
}

#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("no {file} in {} {also}; {layout}", root.display())]
    NoAnnotations {
        root: PathBuf,
        /// The annotation file that makes a folder the data root.
        file: &'static str,
        /// Where else it was looked for: "nor in ...".
        also: &'static str,
        /// What a data root holds, in a sentence.
        layout: &'static str,
    },
    #[error("cannot read {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Problems(#[from] Problems),
    #[error("{}", missing_text(root, *clips, files))]
    Missing {
        root: PathBuf,
        /// How many clips lack a file.
        clips: usize,
        files: Vec<(FileKind, PathBuf)>,
    },
}

/// Refuses clips that lack files, if the options ask for it.
pub(crate) fn refuse_missing(root: &Path, clips: &[Clip], options: &ReadOptions) -> Result<(), ReadError> {
    if options.missing == MissingVideos::Keep {
        return Ok(());
    }
    let lacking: Vec<_> = clips.iter().map(Clip::missing).filter(|missing| !missing.is_empty()).collect();
    if lacking.is_empty() {
        return Ok(());
    }
    let clips = lacking.len();
    let files = lacking.into_iter().flatten().map(|(kind, path)| (kind, path.to_owned())).collect();
    Err(ReadError::Missing { root: root.to_owned(), clips, files })
}

fn missing_text(root: &Path, clips: usize, files: &[(FileKind, PathBuf)]) -> String {
    let shown: Vec<String> = files
        .iter()
        .take(10)
        .map(|(kind, path)| format!("{} {}", kind.as_str(), path.strip_prefix(root).unwrap_or(path).display()))
        .collect();
    let more = if files.len() > shown.len() { ", ..." } else { "" };
    format!("{clips} clips lack {} files in {}: {}{more}", files.len(), root.display(), shown.join(", "))
}

/// Largest annotation file that is read: the official ones have a few megabytes.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// Reads a file and adds its name, length and content to the fingerprint. A pipe, a device, or a file of a size that no
/// annotations have is refused before it is opened: it would never end.
pub(crate) fn read_file(path: &Path, fingerprint: &mut Sha256) -> Result<Vec<u8>, ReadError> {
    let failed = |source| ReadError::Io { path: path.to_owned(), source };
    let about = fs::metadata(path).map_err(failed)?;
    if !about.is_file() {
        return Err(failed(io::Error::other("not a regular file")));
    }
    if about.len() > MAX_FILE_BYTES {
        let problem = format!("{} bytes; annotations of at most {MAX_FILE_BYTES} are read", about.len());
        return Err(failed(io::Error::other(problem)));
    }
    let bytes = fs::read(path).map_err(failed)?;
    if let Some(name) = path.file_name() {
        fingerprint.update(name.as_encoded_bytes());
    }
    fingerprint.update((bytes.len() as u64).to_le_bytes());
    fingerprint.update(&bytes);
    Ok(bytes)
}

/// File systems end here.
const MAX_NAME_BYTES: usize = 200;

/// Why a name may not become one of a file or folder; none if it may. A leading dash is fine, many YouTube ids have one.
pub(crate) fn name_fault(name: &str) -> Option<String> {
    let shown = name.chars().take(60).collect::<String>();
    let shown = shown.escape_debug();
    if name.is_empty() {
        Some("empty; a video id is expected".to_owned())
    } else if name.contains(['/', '\\', ':']) || name == "." || name.contains("..") {
        Some(format!("'{shown}' would leave the folder of the videos; an id has no '/', '\\', ':' or '..'"))
    } else if name.chars().any(char::is_control) {
        Some(format!("'{shown}' holds control characters"))
    } else if name.trim() != name {
        Some(format!("'{shown}' has blanks around it"))
    } else if name.len() > MAX_NAME_BYTES {
        Some(format!("'{shown}...' is longer than a file name may be"))
    } else {
        None
    }
}

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// A file or folder inside the data root.
    Inside,
    /// Nothing, or nothing that can be reached.
    Missing,
    /// A link to somewhere outside the data root.
    Outside(PathBuf),
}

/// Looks at a path; `root` has its links resolved.
pub(crate) fn place(root: &Path, path: &Path) -> Place {
    match path.canonicalize() {
        Ok(real) if real.starts_with(root) => Place::Inside,
        Ok(real) => Place::Outside(real),
        Err(_) => Place::Missing,
    }
}
