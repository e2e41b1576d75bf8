//! From a video id to its file, never outside the data root, and whether the id names a real or a synthetic video.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use super::question::Question;
use crate::{
    problem::{Problem, Problems},
    read::{Place, ReadError, place},
};

/// Where videos are looked for, inside the data root: the common folder, and the two that the official archives unpack to.
pub const FOLDERS: [&str; 5] = [
    "videos",
    "MUSIC-AVQA-videos-Real",
    "MUSIC-AVQA-videos-Synthetic",
    "videos/MUSIC-AVQA-videos-Real",
    "videos/MUSIC-AVQA-videos-Synthetic",
];
/// Looked for in this order; the official videos are mp4.
const EXTENSIONS: [&str; 3] = ["mp4", "mkv", "webm"];

/// How a video came about, as its id says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Found on YouTube: eight digits.
    Real,
    /// Put together from several: one of va, sa, vv, eva, esa, evv and eight digits.
    Synthetic,
}

impl Origin {
    /// None for an id of neither form.
    pub fn of(video_id: &str) -> Option<Self> {
        let digits = video_id.trim_start_matches(|letter: char| letter.is_ascii_lowercase());
        if digits.len() != 8 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        match &video_id[..video_id.len() - 8] {
            "" => Some(Self::Real),
            "va" | "sa" | "vv" | "eva" | "esa" | "evv" => Some(Self::Synthetic),
            _ => None,
        }
    }
}

/// The folders of the videos; each video is looked for once, however many questions ask about it.
pub(super) struct VideoFolders {
    root: PathBuf,
    folders: Vec<PathBuf>,
    found: HashMap<String, PathBuf>,
}

impl VideoFolders {
    /// `root` has its links resolved.
    pub fn open(root: &Path, problems: &mut Problems) -> Result<Self, ReadError> {
        let mut folders = Vec::new();
        for folder in FOLDERS.map(|name| root.join(name)).into_iter().filter(|folder| folder.is_dir()) {
            let real = folder.canonicalize().map_err(|source| ReadError::Io { path: folder.clone(), source })?;
            if real.starts_with(root) {
                folders.push(folder);
            } else {
                problems.0.push(outside(&folder, &real, root, &folder));
            }
        }
        Ok(Self { root: root.to_owned(), folders, found: HashMap::new() })
    }

    /// The file of a question's video, where it should be if it is not there; `file` is the annotation file that names it.
    pub fn find(&mut self, question: &Question, file: &Path, problems: &mut Problems) -> PathBuf {
        if let Some(found) = self.found.get(&question.video_id) {
            return found.clone();
        }
        let found = self.look(question, file, problems);
        self.found.insert(question.video_id.clone(), found.clone());
        found
    }

    fn look(&self, question: &Question, file: &Path, problems: &mut Problems) -> PathBuf {
        let id = &question.video_id;
        let names = EXTENSIONS.map(|extension| format!("{id}.{extension}"));
        let mut candidates = self.folders.iter().flat_map(|folder| names.iter().map(|name| folder.join(name)));
        let Some(path) = candidates.find(|path| path.is_file()) else {
            let [official, ..] = names;
            return self.root.join(FOLDERS[0]).join(official);
        };
        if let Place::Outside(real) = place(&self.root, &path) {
            let mut problem = outside(&path, &real, &self.root, file);
            problem.what = format!("entry {}: video_id: {}", question.entry, problem.what);
            problems.0.push(problem);
        }
        path
    }
}

fn outside(link: &Path, real: &Path, root: &Path, file: &Path) -> Problem {
    let what = format!("{} is a link to {}, outside the data root {}", link.display(), real.display(), root.display());
    Problem { file: file.to_owned(), line: None, field: None, what }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_tell_real_from_synthetic() {
        for (id, origin) in [
            ("00000093", Some(Origin::Real)),
            ("va00003871", Some(Origin::Synthetic)),
            ("evv00000639", Some(Origin::Synthetic)),
            ("xx00000639", None),
            ("0000093", None),
            ("va", None),
            ("\u{e9}0000093", None),
        ] {
            assert_eq!(Origin::of(id), origin, "{id}");
        }
    }
}
