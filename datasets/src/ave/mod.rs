//! The official AVE layout (Tian et al., ECCV 2018), as the authors publish it:
//!
//! ```text
//! AVE_Dataset/
//!   Annotations.txt                      every annotation: Category&VideoID&Quality&StartTime&EndTime
//!   trainSet.txt  valSet.txt  testSet.txt   the same lines again, divided
//!   AVE/<VideoID>.mp4                    10 seconds each
//! ```
//!
//! A segment t (0..10) bears the event's class if StartTime <= t < EndTime, else background. Classes are numbered by first
//! appearance in Annotations.txt and background comes after the last, 28 in the full set. A video with two annotations
//! is two clips, `<VideoID>#<row>`, and each row belongs to the split that lists it.

mod annotations;
pub mod field;
mod layout;
mod splits;
mod videos;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use crate::{
    dataset::{Clip, Dataset, Media, Split, Target, Task},
    problem::Problems,
    read::{ReadError, ReadOptions, read_file, refuse_missing},
};
use annotations::Annotation;
pub use layout::{ANNOTATIONS, SEGMENTS, VIDEOS, split_file};
use videos::VideoFolder;

/// The folder the official archive unpacks to.
const ARCHIVE_FOLDER: &str = "AVE_Dataset";

/// What a data root is, for messages.
const LAYOUT: &str =
    "the data root is the folder with Annotations.txt, trainSet.txt, valSet.txt, testSet.txt and the videos in AVE/";

/// Reads the dataset at `root`: the folder with Annotations.txt, or the folder above it.
pub fn read(root: &Path, options: &ReadOptions) -> Result<Dataset, ReadError> {
    let root = find_root(root)?;
    let mut fingerprint = Sha256::new();
    let annotations_path = root.join(ANNOTATIONS);
    let bytes = read_file(&annotations_path, &mut fingerprint)?;
    let mut problems = Problems::default();
    let rows = annotations::parse(&annotations_path, &bytes, &mut problems);
    annotations::refuse_repeated(&annotations_path, &rows, &mut problems);

    let mut memberships = splits::Memberships::new(&rows);
    for split in Split::ALL {
        let path = root.join(split_file(split));
        let bytes = read_file(&path, &mut fingerprint)?;
        let lines = annotations::parse(&path, &bytes, &mut problems);
        memberships.add(split, &path, &lines, &mut problems);
    }
    let (members, unassigned) = memberships.finish();

    let (classes, categories) = number_classes(&rows);
    let background = classes.len() as u32;
    let folder = VideoFolder::open(&root, &annotations_path, &mut problems)?;
    let mut clips = Vec::with_capacity(members.len());
    for (split, row) in members {
        let annotation = &rows[row];
        let video = folder.find(annotation, &annotations_path, &mut problems);
        clips.push(Clip {
            id: format!("{}#{row}", annotation.video_id),
            video_id: annotation.video_id.clone(),
            media: Media::Video(video),
            split,
            target: Target::Events {
                labels: labels(annotation, categories[row], background),
                category: categories[row],
                start_secs: annotation.start_secs,
                end_secs: annotation.end_secs,
            },
            row,
        });
    }
    if !problems.0.is_empty() {
        return Err(problems.into());
    }
    refuse_missing(&root, &clips, options)?;
    Ok(Dataset {
        name: "ave".to_owned(),
        task: Task::Ave,
        root,
        classes,
        background: Some(background),
        segments: SEGMENTS,
        clips,
        fingerprint: format!("{:x}", fingerprint.finalize()),
        unassigned,
    })
}

/// The class during the event, background outside it; an event of no length is background throughout.
fn labels(annotation: &Annotation, category: u32, background: u32) -> Vec<u32> {
    let event = annotation.start_secs as usize..annotation.end_secs as usize;
    (0..SEGMENTS).map(|t| if event.contains(&t) { category } else { background }).collect()
}

/// Class names by first appearance, and the class of each row.
fn number_classes(rows: &[Annotation]) -> (Vec<String>, Vec<u32>) {
    let mut names: Vec<String> = Vec::new();
    let mut numbers: HashMap<&str, u32> = HashMap::new();
    let by_row = rows
        .iter()
        .map(|row| {
            *numbers.entry(&row.category).or_insert_with(|| {
                names.push(row.category.clone());
                names.len() as u32 - 1
            })
        })
        .collect();
    (names, by_row)
}

fn find_root(root: &Path) -> Result<PathBuf, ReadError> {
    let found = [root.to_owned(), root.join(ARCHIVE_FOLDER)]
        .into_iter()
        .find(|folder| folder.join(ANNOTATIONS).is_file())
        .ok_or_else(|| ReadError::NoAnnotations {
            root: root.to_owned(),
            file: ANNOTATIONS,
            also: "nor in its AVE_Dataset folder",
            layout: LAYOUT,
        })?;
    found.canonicalize().map_err(|source| ReadError::Io { path: found, source })
}
