//! The two subsets of AVSBench: what their files are called and where each file of a clip lies.

use std::path::{Path, PathBuf};

use super::mask::Foreground;
use crate::{dataset::Split, words::words};

/// Segments a clip, of one second each.
pub const SEGMENTS: usize = 5;

words! {
    /// A subset; each is handed out as a folder of its own.
    pub enum Subset {
        /// One sounding object a clip. Training clips have the mask of their first frame only.
        S4 = "s4",
        /// Several sounding objects a clip. Every frame of every split has a mask.
        Ms3 = "ms3",
    }
}

/// A clip's files in a dataset.
#[derive(Debug, Clone, Copy)]
pub struct ClipFiles<'a> {
    pub subset: Subset,
    /// The folder with the annotation file.
    pub root: &'a Path,
    pub split: Split,
    /// A folder's name in S4; MS3 has none.
    pub category: &'a str,
    pub name: &'a str,
}

impl Subset {
    /// The annotation file.
    pub fn metadata(self) -> &'static str {
        match self {
            Self::S4 => "s4_meta_data.csv",
            Self::Ms3 => "ms3_meta_data.csv",
        }
    }

    /// The folder it is handed out as.
    pub fn archive(self) -> &'static str {
        match self {
            Self::S4 => "Single-source",
            Self::Ms3 => "Multi-sources",
        }
    }

    /// The folder of everything but the annotation file.
    pub fn data(self) -> &'static str {
        match self {
            Self::S4 => "s4_data",
            Self::Ms3 => "ms3_data",
        }
    }

    /// Which pixels of a mask are the sounding objects'.
    pub fn foreground(self) -> Foreground {
        match self {
            Self::S4 => Foreground::Bright,
            Self::Ms3 => Foreground::AboveZero,
        }
    }

    /// Masks of a clip: those of its first frames.
    pub fn masks(self, split: Split) -> usize {
        match (self, split) {
            (Self::S4, Split::Train) => 1,
            _ => SEGMENTS,
        }
    }
}

impl ClipFiles<'_> {
    /// The folder of the extracted pictures.
    pub fn frames_folder(&self) -> PathBuf {
        match self.subset {
            Subset::S4 => self.folder("visual_frames").join(self.name),
            // Without a folder of the split.
            Subset::Ms3 => self.kind("visual_frames").join(self.name),
        }
    }

    /// The extracted pictures, one a segment.
    pub fn frames(&self) -> Vec<PathBuf> {
        let stem = match self.subset {
            Subset::S4 => self.name.to_owned(),
            Subset::Ms3 => format!("{}.mp4", self.name),
        };
        numbered(&self.frames_folder(), &stem, SEGMENTS)
    }

    /// The extracted sound.
    pub fn sound(&self) -> PathBuf {
        self.folder("audio_wav").join(format!("{}.wav", self.name))
    }

    /// The masks there are in a whole copy.
    pub fn masks(&self) -> Vec<PathBuf> {
        numbered(&self.folder("gt_masks").join(self.name), self.name, self.subset.masks(self.split))
    }

    /// The trimmed video.
    pub fn video(&self) -> PathBuf {
        let folder = match self.subset {
            Subset::S4 => self.folder("raw_videos"),
            Subset::Ms3 => self.kind("raw_videos"),
        };
        folder.join(format!("{}.mp4", self.name))
    }

    /// Every file, by the folder under the subset's data that it lies in.
    pub fn all(&self) -> [(&'static str, Vec<PathBuf>); 4] {
        [
            ("visual_frames", self.frames()),
            ("audio_wav", vec![self.sound()]),
            ("gt_masks", self.masks()),
            ("raw_videos", vec![self.video()]),
        ]
    }

    fn kind(&self, kind: &str) -> PathBuf {
        self.root.join(self.subset.data()).join(kind)
    }

    /// `<kind>/<split>/<category>`, without the category in MS3.
    fn folder(&self, kind: &str) -> PathBuf {
        let folder = self.kind(kind).join(self.split.as_str());
        match self.subset {
            Subset::S4 => folder.join(self.category),
            Subset::Ms3 => folder,
        }
    }
}

/// `<stem>_<n>.png`, n from 1.
fn numbered(folder: &Path, stem: &str, count: usize) -> Vec<PathBuf> {
    (1..=count).map(|n| folder.join(format!("{stem}_{n}.png"))).collect()
}
