//! From a video id to its file, never outside the data root: ids come from a text file anyone may have written.

use std::path::{Path, PathBuf};

use super::{annotations::Annotation, field, layout::VIDEOS};
use crate::{
    problem::{Problem, Problems},
    read::{Place, ReadError, place},
};

/// Looked for in this order; the official videos are mp4.
const EXTENSIONS: [&str; 3] = ["mp4", "mkv", "webm"];
/// The folder of the videos.
pub(super) struct VideoFolder {
    root: PathBuf,
    folder: PathBuf,
    /// False if the folder itself leads out of the root: no file in it is looked at.
    usable: bool,
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

    /// The file of an annotation's video; where it should be, if it is not there.
    pub fn find(&self, annotation: &Annotation, annotations: &Path, problems: &mut Problems) -> PathBuf {
        let id = &annotation.video_id;
        let candidates = EXTENSIONS.map(|extension| self.folder.join(format!("{id}.{extension}")));
        let present = candidates.iter().find(|path| self.usable && path.is_file());
        let Some(path) = present else {
            let [official, ..] = candidates;
            return official;
        };
        if let Place::Outside(real) = place(&self.root, path) {
            let what = format!(
                "{} is a link to {}, outside the data root {}",
                path.display(),
                real.display(),
                self.root.display()
            );
            let (file, line) = (annotations.to_owned(), Some(annotation.line));
            problems.0.push(Problem { file, line, field: Some(field::VIDEO_ID), what });
        }
        path.clone()
    }
}
