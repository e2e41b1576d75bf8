//! The official AVSBench-S4 layout (Zhou et al., ECCV 2022: single-source audio-visual segmentation):
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
//! Columns are taken by position, since copies differ in the names of the header. Classes are numbered by the
//! descriptor's list, or by first appearance where there is none.
//! A trimmed clip lasts five seconds if it starts at 5 s or before, else 10 s less its start.

pub mod mask;
mod metadata;

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::{
    dataset::{Clip, Dataset, Media, Split, Target, Task},
    problem::{Problem, Problems},
    read::{Place, ReadError, ReadOptions, place, read_file, refuse_missing},
};
pub use mask::{Mask, MaskError, read_mask, write_mask};
use metadata::Row;
pub use metadata::{CATEGORY, NAME, SPLIT, START};

/// Segments a clip, of one second each.
pub const SEGMENTS: usize = 5;
/// The annotation file.
pub const METADATA: &str = "s4_meta_data.csv";
/// The folder of everything else, inside the dataset's.
pub const DATA: &str = "s4_data";

const LAYOUT: &str = "the data root is the folder Single-source with s4_meta_data.csv and s4_data/";

/// Reads the dataset at `root`: the folder with s4_meta_data.csv, or the one above it. `listed` names the classes by
/// number, whatever the order of the rows; without a list they are numbered by first appearance.
///
/// # Errors
/// If there is no annotation file, if it has problems (all are listed), or if files are missing and that is to be refused.
pub fn read(root: &Path, listed: &[String], options: &ReadOptions) -> Result<Dataset, ReadError> {
    let root = find_root(root)?;
    let path = root.join(METADATA);
    let mut fingerprint = Sha256::new();
    let bytes = read_file(&path, &mut fingerprint)?;
    let mut problems = Problems::default();
    let rows = metadata::parse(&path, &bytes, &mut problems);
    let mut classes = listed.to_vec();
    let mut clips = Vec::with_capacity(rows.len());
    for row in &rows {
        let category = classes.iter().position(|class| *class == row.category).unwrap_or_else(|| {
            if !listed.is_empty() {
                let what =
                    format!("'{}' is none of the classes that the descriptor lists", row.category.escape_debug());
                problems.0.push(Problem { file: path.clone(), line: Some(row.line), field: Some(CATEGORY), what });
            }
            classes.push(row.category.clone());
            classes.len() - 1
        });
        let clip = clip(&root, row, category as u32);
        for (_, file) in clip.files() {
            if let Place::Outside(real) = place(&root, file) {
                let what = format!("{} is a link to {}, outside the data root", file.display(), real.display());
                problems.0.push(Problem { file: path.clone(), line: Some(row.line), field: Some(NAME), what });
            }
        }
        clips.push(clip);
    }
    if !problems.0.is_empty() {
        return Err(problems.into());
    }
    clips.sort_by_key(|clip| clip.split);
    refuse_missing(&root, &clips, options)?;
    Ok(Dataset {
        name: "avs-s4".to_owned(),
        task: Task::AvsS4,
        root,
        classes,
        background: None,
        segments: SEGMENTS,
        clips,
        fingerprint: format!("{:x}", fingerprint.finalize()),
        unassigned: Vec::new(),
    })
}

/// Where the masks of a clip are: the first only in training, all five elsewhere.
pub fn masks(root: &Path, split: Split, category: &str, name: &str) -> Vec<PathBuf> {
    let given = if split == Split::Train { 1 } else { SEGMENTS };
    pictures(root, "gt_masks", (split, category, name), given)
}

/// Where a clip's extracted pictures are, one a segment.
pub fn frames(root: &Path, split: Split, category: &str, name: &str) -> Vec<PathBuf> {
    pictures(root, "visual_frames", (split, category, name), SEGMENTS)
}

/// Where a clip's extracted sound is.
pub fn sound(root: &Path, split: Split, category: &str, name: &str) -> PathBuf {
    folder(root, "audio_wav", split, category).join(format!("{name}.wav"))
}

/// Where a clip's trimmed video is.
pub fn video(root: &Path, split: Split, category: &str, name: &str) -> PathBuf {
    folder(root, "raw_videos", split, category).join(format!("{name}.mp4"))
}

/// `<kind>/<split>/<category>`
fn folder(root: &Path, kind: &str, split: Split, category: &str) -> PathBuf {
    root.join(DATA).join(kind).join(split.as_str()).join(category)
}

/// `<kind>/<split>/<category>/<name>/<name>_<n>.png`, n from 1.
fn pictures(root: &Path, kind: &str, (split, category, name): (Split, &str, &str), count: usize) -> Vec<PathBuf> {
    let folder = folder(root, kind, split, category).join(name);
    (1..=count).map(|n| folder.join(format!("{name}_{n}.png"))).collect()
}

fn clip(root: &Path, row: &Row, category: u32) -> Clip {
    let name = &row.name;
    let video = video(root, row.split, &row.category, name);
    let extracted = folder(root, "visual_frames", row.split, &row.category).join(name);
    let media = if video.is_file() && !extracted.is_dir() {
        Media::Video(video)
    } else {
        let frames = frames(root, row.split, &row.category, name);
        Media::Frames { frames, audio: sound(root, row.split, &row.category, name) }
    };
    let mut masks: Vec<Option<PathBuf>> = masks(root, row.split, &row.category, name).into_iter().map(Some).collect();
    masks.resize(SEGMENTS, None);
    Clip {
        id: format!("{name}#{}", row.row),
        video_id: name.clone(),
        media,
        split: row.split,
        target: Target::Masks { category, masks },
        row: row.row,
    }
}

fn find_root(root: &Path) -> Result<PathBuf, ReadError> {
    let found = [root.to_owned(), root.join("Single-source")]
        .into_iter()
        .find(|folder| folder.join(METADATA).is_file())
        .ok_or_else(|| ReadError::NoAnnotations {
            root: root.to_owned(),
            file: METADATA,
            also: "nor in its Single-source folder",
            layout: LAYOUT,
        })?;
    found.canonicalize().map_err(|source| ReadError::Io { path: found, source })
}
