//! From a video id to its file, never outside the data root: ids come from a text file anyone may have written.

use std::path::{Path, PathBuf};

use super::{ReadError, VIDEOS, annotations::Annotation};
use crate::problem::{Field, Problem, Problems};

/// Looked for in this order; the official videos are mp4.
const EXTENSIONS: [&str; 3] = ["mp4", "mkv", "webm"];
/// File systems end here.
const MAX_ID_BYTES: usize = 200;

/// Why an id may not become a file name; none if it may.
pub(super) fn id_fault(id: &str) -> Option<String> {
    let shown = id.chars().take(60).collect::<String>();
    let shown = shown.escape_debug();
    if id.is_empty() {
        Some("empty; a video id is expected".to_owned())
    } else if id.contains(['/', '\\', ':']) || id == "." || id.contains("..") {
        Some(format!("'{shown}' would leave the folder of the videos; an id has no '/', '\\', ':' or '..'"))
    } else if id.chars().any(char::is_control) {
        Some(format!("'{shown}' holds control characters"))
    } else if id.trim() != id {
        Some(format!("'{shown}' has blanks around it"))
    } else if id.len() > MAX_ID_BYTES {
        Some(format!("'{shown}...' is longer than a file name may be"))
    } else {
        None
    }
}

/// The folder of the videos.
pub(super) struct VideoFolder {
    root: PathBuf,
    folder: PathBuf,
    /// False if the folder itself leads out of the root: no file in it is looked at.
    usable: bool,
}

pub(super) struct Found {
    pub path: PathBuf,
    pub present: bool,
}

impl VideoFolder {
    /// `root` has its links resolved.
    pub fn open(root: &Path, annotations: &Path, problems: &mut Problems) -> Result<Self, ReadError> {
        let folder = root.join(VIDEOS);
        let mut usable = folder.is_dir();
        if usable {
            let real = folder.canonicalize().map_err(|source| ReadError::Io { path: folder.clone(), source })?;
            if !real.starts_with(root) {
                usable = false;
                let what = format!(
                    "{} is a link to {}, outside the data root {}; put the text files beside the real folder of the videos \
                     and make that the data root",
                    folder.display(),
                    real.display(),
                    root.display()
                );
                problems.0.push(Problem { file: annotations.to_owned(), line: None, field: None, what });
            }
        }
        Ok(Self { root: root.to_owned(), folder, usable })
    }

    /// The file of an annotation's video.
    pub fn find(&self, annotation: &Annotation, annotations: &Path, problems: &mut Problems) -> Found {
        let id = &annotation.video_id;
        let candidates = EXTENSIONS.map(|extension| self.folder.join(format!("{id}.{extension}")));
        let present = candidates.iter().find(|path| self.usable && path.is_file());
        let Some(path) = present else {
            let [official, ..] = candidates;
            return Found { path: official, present: false };
        };
        match path.canonicalize() {
            Ok(real) if real.starts_with(&self.root) => {}
            Ok(real) => {
                let what = format!(
                    "{} is a link to {}, outside the data root {}",
                    path.display(),
                    real.display(),
                    self.root.display()
                );
                let (file, line) = (annotations.to_owned(), Some(annotation.line));
                problems.0.push(Problem { file, line, field: Some(Field::VideoId), what });
            }
            // Gone since it was seen, or in a folder we may not pass: the decoder will say so.
            Err(_) => return Found { path: path.clone(), present: false },
        }
        Found { path: path.clone(), present: true }
    }
}
