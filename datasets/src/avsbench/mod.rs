//! The official AVSBench layouts (Zhou et al., ECCV 2022: audio-visual segmentation). The single-source subset, S4:
//!
//! ```text
//! Single-source/
//!   s4_meta_data.csv                                             name, start, category, split
//!   s4_data/visual_frames/{split}/{category}/{name}/{name}_{1..5}.png
//!   s4_data/audio_wav/{split}/{category}/{name}.wav
//!   s4_data/gt_masks/{split}/{category}/{name}/{name}_{i}.png    i = 1 in training, 1..5 in val and test
//!   s4_data/raw_videos/{split}/{category}/{name}.mp4             trimmed; read where the folder of frames is missing
//! ```
//!
//! The multi-source subset, MS3, which has no categories and the masks of all five frames in every split:
//!
//! ```text
//! Multi-sources/
//!   ms3_meta_data.csv                                            name, split
//!   ms3_data/visual_frames/{name}/{name}.mp4_{1..5}.png
//!   ms3_data/audio_wav/{split}/{name}.wav
//!   ms3_data/gt_masks/{split}/{name}/{name}_{1..5}.png
//!   ms3_data/raw_videos/{name}.mp4
//! ```
//!
//! A trimmed clip of S4 lasts five seconds if it starts at 5 s or before, else 10 s less its start. No file of MS3 was at
//! hand: its layout is read off the official loader (AVSBench f7414af), and `copl data check` says what a copy has.

pub mod mask;
mod metadata;
mod subset;

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::{
    dataset::{Clip, Dataset, Media, Target, Task},
    problem::{Problem, Problems},
    read::{Place, ReadError, ReadOptions, place, read_file, refuse_missing},
};
pub use mask::{Foreground, Mask, MaskError, read_mask, write_mask};
use metadata::Row;
pub use metadata::{CATEGORY, NAME, SPLIT, START};
pub use subset::{ClipFiles, SEGMENTS, Subset};

/// Reads the subset at `root`: the folder with its annotation file, or the one above it. `listed` names the classes of S4 by
/// number, whatever the order of the rows; without a list they are numbered by first appearance. MS3 has no classes.
///
/// # Errors
/// If there is no annotation file, if it has problems (all are listed), or if files are missing and that is to be refused.
pub fn read(root: &Path, subset: Subset, listed: &[String], options: &ReadOptions) -> Result<Dataset, ReadError> {
    let root = find_root(root, subset)?;
    let path = root.join(subset.metadata());
    let mut fingerprint = Sha256::new();
    let bytes = read_file(&path, &mut fingerprint)?;
    let mut problems = Problems::default();
    let rows = metadata::parse(subset, &path, &bytes, &mut problems);
    let mut classes = Classes { names: listed.to_vec(), listed: !listed.is_empty() };
    let mut clips = Vec::with_capacity(rows.len());
    for row in &rows {
        let mut report = |field, what| {
            problems.0.push(Problem { file: path.clone(), line: Some(row.line), field: Some(field), what });
        };
        let category = row.category.as_ref().map(|name| {
            classes.number(name).unwrap_or_else(|unknown| {
                report(CATEGORY, unknown);
                0
            })
        });
        let clip = clip(&root, subset, row, category);
        for (_, file) in clip.files() {
            if let Place::Outside(real) = place(&root, file) {
                let what = format!("{} is a link to {}, outside the data root", file.display(), real.display());
                report(NAME, what);
            }
        }
        clips.push(clip);
    }
    if !problems.0.is_empty() {
        return Err(problems.into());
    }
    clips.sort_by_key(|clip| clip.split);
    refuse_missing(&root, &clips, options)?;
    let (name, task) = match subset {
        Subset::S4 => ("avs-s4", Task::AvsS4),
        Subset::Ms3 => ("avs-ms3", Task::AvsMs3),
    };
    Ok(Dataset {
        name: name.to_owned(),
        task,
        root,
        classes: classes.names,
        background: None,
        segments: SEGMENTS,
        clips,
        fingerprint: format!("{:x}", fingerprint.finalize()),
        unassigned: Vec::new(),
    })
}

/// The categories by number.
struct Classes {
    names: Vec<String>,
    /// Given beforehand: no other may come up.
    listed: bool,
}

impl Classes {
    /// A category's number, or what is wrong with it.
    fn number(&mut self, category: &str) -> Result<u32, String> {
        let known = self.names.iter().position(|name| name == category);
        if known.is_none() && self.listed {
            return Err(format!("'{}' is none of the classes that the descriptor lists", category.escape_debug()));
        }
        let number = known.unwrap_or_else(|| {
            self.names.push(category.to_owned());
            self.names.len() - 1
        });
        Ok(number as u32)
    }
}

fn clip(root: &Path, subset: Subset, row: &Row, category: Option<u32>) -> Clip {
    let name = &row.name;
    let files =
        ClipFiles { subset, root, split: row.split, category: row.category.as_deref().unwrap_or_default(), name };
    let video = files.video();
    let media = if video.is_file() && !files.frames_folder().is_dir() {
        Media::Video(video)
    } else {
        Media::Frames { frames: files.frames(), audio: files.sound() }
    };
    let mut masks: Vec<Option<PathBuf>> = files.masks().into_iter().map(Some).collect();
    masks.resize(SEGMENTS, None);
    Clip {
        id: format!("{name}#{}", row.row),
        video_id: name.clone(),
        media,
        split: row.split,
        target: Target::Masks { category, masks, foreground: subset.foreground() },
        row: row.row,
    }
}

fn find_root(root: &Path, subset: Subset) -> Result<PathBuf, ReadError> {
    let (also, layout) = match subset {
        Subset::S4 => (
            "nor in its Single-source folder",
            "the data root is the folder Single-source with s4_meta_data.csv and s4_data/",
        ),
        Subset::Ms3 => (
            "nor in its Multi-sources folder",
            "the data root is the folder Multi-sources with ms3_meta_data.csv and ms3_data/",
        ),
    };
    let found = [root.to_owned(), root.join(subset.archive())]
        .into_iter()
        .find(|folder| folder.join(subset.metadata()).is_file())
        .ok_or_else(|| ReadError::NoAnnotations { root: root.to_owned(), file: subset.metadata(), also, layout })?;
    found.canonicalize().map_err(|source| ReadError::Io { path: found, source })
}
