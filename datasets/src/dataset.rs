//! What every reader yields: clips with their media files and targets, in the order of their split files.

use std::{
    path::{Path, PathBuf},
    str::FromStr,
};

use crate::avsbench::mask::Foreground;
pub use crate::music_avqa::QuestionKind;
use crate::words::words;

words! {
    /// What is asked of a clip; decides which head and which metric fit the dataset.
    pub enum Task {
        /// Audio-visual event localisation: a class or background for every one-second segment.
        Ave = "ave",
        /// Audio-visual segmentation, single source: the pixels of the sounding object in the frame of every segment.
        AvsS4 = "avs-s4",
        /// The same of several sources: the pixels of all sounding objects.
        AvsMs3 = "avs-ms3",
        /// Audio-visual question answering on music: one of the answers for a question about the clip.
        MusicAvqa = "music-avqa",
    }
}

impl Task {
    /// Whether a clip's target is masks.
    pub fn has_masks(self) -> bool {
        matches!(self, Self::AvsS4 | Self::AvsMs3)
    }
}

words! {
    /// A part of a dataset.
    pub enum Split {
        Train = "train",
        Val = "val",
        Test = "test",
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

/// Where a clip's pictures and sound are. Paths are absolute, inside the data root; where a file should be, if it is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Media {
    /// One file with both.
    Video(PathBuf),
    /// Extracted beforehand: one picture a segment, in order, and the sound of the whole clip.
    Frames { frames: Vec<PathBuf>, audio: PathBuf },
}

/// What is asked of a clip and the right answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Event localisation.
    Events {
        /// One label a segment: the category during the event, [`Dataset::background`] outside it.
        labels: Vec<u32>,
        /// Index of the event's class, also if the event has no length.
        category: u32,
        start_secs: u32,
        end_secs: u32,
    },
    /// Segmentation of the sounding objects.
    Masks {
        /// Index of the object's class; none where the dataset names no categories.
        category: Option<u32>,
        /// One a segment, absolute and inside the data root; none where the dataset has no mask. Training clips of AVSBench-S4 have
        /// the first only.
        masks: Vec<Option<PathBuf>>,
        /// How a mask's file is read.
        foreground: Foreground,
    },
    /// A question with one of the answers of [`Dataset::classes`].
    Question {
        /// Not always unique: see [`crate::music_avqa::Question`].
        question_id: u64,
        /// What the metric counts by.
        kind: QuestionKind,
        /// The question's words, its template filled; [`crate::music_avqa::vocabulary::encode`] numbers them.
        words: Vec<String>,
        /// Index of the answer.
        answer: u32,
    },
}

impl Target {
    /// The class that stands for the whole clip: the category of its event or object, or the answer; none where clips have
    /// no category.
    pub fn class(&self) -> Option<u32> {
        match self {
            Self::Events { category, .. } => Some(*category),
            Self::Masks { category, .. } => *category,
            Self::Question { answer, .. } => Some(*answer),
        }
    }
}

words! {
    /// What a file of a clip holds.
    pub enum FileKind {
        Video = "video",
        Frame = "frame",
        Audio = "audio",
        Mask = "mask",
    }
}

/// One sample: a video with one annotation. A video annotated twice is two clips.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clip {
    /// `<video id>#<row>`: unique in the dataset, and stable as long as the annotation file is.
    pub id: String,
    pub video_id: String,
    pub media: Media,
    pub split: Split,
    pub target: Target,
    /// 0-based data row of the annotation file (a header is not counted).
    pub row: usize,
}

impl Clip {
    /// Every file the clip needs, there or not: media, then masks.
    pub fn files(&self) -> Vec<(FileKind, &Path)> {
        let mut files = match &self.media {
            Media::Video(video) => vec![(FileKind::Video, video.as_path())],
            Media::Frames { frames, audio } => {
                let frames = frames.iter().map(|frame| (FileKind::Frame, frame.as_path()));
                frames.chain([(FileKind::Audio, audio.as_path())]).collect()
            }
        };
        if let Target::Masks { masks, .. } = &self.target {
            files.extend(masks.iter().flatten().map(|mask| (FileKind::Mask, mask.as_path())));
        }
        files
    }

    /// The files that are not there.
    pub fn missing(&self) -> Vec<(FileKind, &Path)> {
        self.files().into_iter().filter(|(_, path)| !path.is_file()).collect()
    }
}

/// All clips of a dataset.
#[derive(Debug, Clone)]
pub struct Dataset {
    pub name: String,
    pub task: Task,
    /// The folder that holds the annotation files, absolute, links resolved.
    pub root: PathBuf,
    /// By index, without background: categories, or the answers to questions; empty where clips have no category.
    pub classes: Vec<String>,
    /// The label of a segment without an event, after the last class; none where no label says so.
    pub background: Option<u32>,
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

    /// The clips that lack a file; [`Clip::missing`] names them.
    pub fn missing(&self) -> Vec<&Clip> {
        self.clips.iter().filter(|clip| !clip.missing().is_empty()).collect()
    }

    /// The name of a label; "background" for every label that is no class.
    pub fn class_name(&self, label: u32) -> &str {
        self.classes.get(label as usize).map_or("background", String::as_str)
    }
}
