//! What every reader yields: clips with one label a segment, in the order of their split files.

use std::{fmt, path::PathBuf, str::FromStr};

use serde::{Deserialize, Serialize};

/// What is asked of a clip; decides which head and which metric fit the dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// Audio-visual event localisation: a class or background for every one-second segment.
    Ave,
}

impl Task {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ave => "ave",
        }
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A part of a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Split {
    Train,
    Val,
    Test,
}

impl Split {
    pub const ALL: [Self; 3] = [Self::Train, Self::Val, Self::Test];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Val => "val",
            Self::Test => "test",
        }
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[derive(Debug, thiserror::Error)]
#[error("'{0}' is no split; there are train, val and test")]
pub struct UnknownSplit(pub String);

impl FromStr for Split {
    type Err = UnknownSplit;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|split| split.as_str() == name).ok_or_else(|| UnknownSplit(name.to_owned()))
    }
}

/// One sample: a video with one annotation. A video annotated twice is two clips.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clip {
    /// `<video id>#<row>`: unique in the dataset, and stable as long as the annotation file is.
    pub id: String,
    pub video_id: String,
    /// Absolute, inside the data root; where the file should be, if it is missing.
    pub video: PathBuf,
    pub split: Split,
    /// One label a segment: the category during the event, [`Dataset::background`] outside it.
    pub labels: Vec<u32>,
    /// Index of the event's class, also if the event has no length.
    pub category: u32,
    pub start_secs: u32,
    pub end_secs: u32,
    /// 0-based data row of the annotation file (a header is not counted).
    pub row: usize,
}

/// All clips of a dataset.
#[derive(Debug, Clone)]
pub struct Dataset {
    pub name: String,
    pub task: Task,
    /// The folder that holds the annotation files, absolute, links resolved.
    pub root: PathBuf,
    /// By index, in order of first appearance in the annotation file; without background.
    pub classes: Vec<String>,
    /// The label after the last class.
    pub background: u32,
    /// Segments a clip; each lasts one second.
    pub segments: usize,
    /// Train, then val, then test; within a split in the order of its file.
    pub clips: Vec<Clip>,
    /// SHA-256, in hexadecimal, of the annotation and split files.
    pub fingerprint: String,
    /// Rows of the annotation file that no split file lists.
    pub unassigned: Vec<usize>,
}

impl Dataset {
    /// The clips of a split, in the order of its file.
    pub fn split(&self, split: Split) -> &[Clip] {
        let start = self.clips.partition_point(|clip| clip.split < split);
        let end = self.clips.partition_point(|clip| clip.split <= split);
        &self.clips[start..end]
    }

    /// The clips whose video file is not there.
    pub fn missing(&self) -> Vec<&Clip> {
        self.clips.iter().filter(|clip| !clip.video.is_file()).collect()
    }

    /// The name of a label; "background" for every label that is no class.
    pub fn class_name(&self, label: u32) -> &str {
        self.classes.get(label as usize).map_or("background", String::as_str)
    }
}
