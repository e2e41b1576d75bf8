//! How a set of scenes lies on disk: the official layout of the dataset it stands in for.

use std::path::{Path, PathBuf};

use copl_datasets::{
    Split, ave,
    avsbench::{ClipFiles, SEGMENTS, Subset},
};

use crate::manifest::{ClipRecord, Manifest};

/// An official layout of one scene a clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    Ave,
    /// Masks, and extracted pictures and sounds, as the set is handed out; or raw videos, so that pictures come through
    /// the decoder.
    Avsbench {
        subset: Subset,
        raw_videos: bool,
    },
}

impl Layout {
    /// Annotation and split files.
    pub fn lists(self) -> Vec<&'static str> {
        match self {
            Self::Ave => [ave::ANNOTATIONS].into_iter().chain(Split::ALL.map(ave::split_file)).collect(),
            Self::Avsbench { subset, .. } => vec![subset.metadata()],
        }
    }

    /// A clip's files in a set: its media, one video or its sound and then its pictures, and then its masks.
    pub fn files(self, set: &Path, split: Split, category: &str, video_id: &str) -> Vec<PathBuf> {
        match self {
            Self::Ave => vec![set.join(ave::VIDEOS).join(format!("{video_id}.mp4"))],
            Self::Avsbench { subset, raw_videos } => {
                let files = ClipFiles { subset, root: set, split, category, name: video_id };
                let media = if raw_videos {
                    vec![files.video()]
                } else {
                    [files.sound()].into_iter().chain(files.frames()).collect()
                };
                media.into_iter().chain(files.masks()).collect()
            }
        }
    }

    /// How many of a clip's files are media.
    pub fn media_files(self) -> usize {
        match self {
            Self::Avsbench { raw_videos: false, .. } => 1 + SEGMENTS,
            Self::Ave | Self::Avsbench { .. } => 1,
        }
    }

    /// The content of an annotation or split file.
    pub fn list(self, name: &str, manifest: &Manifest) -> String {
        let mut clips: Vec<_> = manifest.clips.iter().collect();
        // As the official files are.
        clips.sort_by_key(|clip| clip.scene.category);
        match self {
            Self::Ave => {
                let only = Split::ALL.into_iter().find(|split| ave::split_file(*split) == name);
                clips.retain(|clip| only.is_none_or(|split| split == clip.split));
                let line = |clip: &&ClipRecord| {
                    let scene = &clip.scene;
                    let category = &manifest.categories[scene.category];
                    format!("{category}&{}&good&{}&{}\n", clip.video_id, scene.start_secs, scene.end_secs)
                };
                clips.iter().map(line).collect()
            }
            Self::Avsbench { subset: Subset::S4, .. } => {
                let line = |clip: &&ClipRecord| {
                    format!("{},0,{},{}\n", clip.video_id, manifest.categories[clip.scene.category], clip.split)
                };
                ["name,start,category,split\n".to_owned()].into_iter().chain(clips.iter().map(line)).collect()
            }
            Self::Avsbench { subset: Subset::Ms3, .. } => {
                let line = |clip: &ClipRecord| format!("{},{}\n", clip.video_id, clip.split);
                ["name,split\n".to_owned()].into_iter().chain(manifest.clips.iter().map(line)).collect()
            }
        }
    }
}
