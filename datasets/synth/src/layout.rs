//! How a set of scenes lies on disk: the official layout of the dataset it stands in for.

use std::path::{Path, PathBuf};

use copl_datasets::{Split, ave, avs_s4};

use crate::manifest::{ClipRecord, Manifest};

/// An official layout of one category a clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    Ave,
    /// Masks, and extracted pictures and sounds, as the set is handed out; or raw videos, so that pictures come through
    /// the decoder.
    AvsS4 {
        raw_videos: bool,
    },
}

impl Layout {
    /// Annotation and split files.
    pub fn lists(self) -> Vec<&'static str> {
        match self {
            Self::Ave => [ave::ANNOTATIONS].into_iter().chain(Split::ALL.map(ave::split_file)).collect(),
            Self::AvsS4 { .. } => vec![avs_s4::METADATA],
        }
    }

    /// Where a clip's media are in a set: one video, or its sound and then its pictures.
    pub fn media(self, set: &Path, split: Split, category: &str, video_id: &str) -> Vec<PathBuf> {
        match self {
            Self::Ave => vec![set.join(ave::VIDEOS).join(format!("{video_id}.mp4"))],
            Self::AvsS4 { raw_videos: true } => vec![avs_s4::video(set, split, category, video_id)],
            Self::AvsS4 { raw_videos: false } => {
                let pictures = avs_s4::frames(set, split, category, video_id);
                [avs_s4::sound(set, split, category, video_id)].into_iter().chain(pictures).collect()
            }
        }
    }

    /// How many of a clip's files are media.
    pub fn media_files(self) -> usize {
        match self {
            Self::AvsS4 { raw_videos: false } => 1 + avs_s4::SEGMENTS,
            Self::Ave | Self::AvsS4 { .. } => 1,
        }
    }

    /// Where a clip's masks are: none, one in training, five elsewhere.
    pub fn masks(self, set: &Path, split: Split, category: &str, video_id: &str) -> Vec<PathBuf> {
        match self {
            Self::Ave => Vec::new(),
            Self::AvsS4 { .. } => avs_s4::masks(set, split, category, video_id),
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
            Self::AvsS4 { .. } => {
                let line = |clip: &&ClipRecord| {
                    format!("{},0,{},{}\n", clip.video_id, manifest.categories[clip.scene.category], clip.split)
                };
                ["name,start,category,split\n".to_owned()].into_iter().chain(clips.iter().map(line)).collect()
            }
        }
    }
}
