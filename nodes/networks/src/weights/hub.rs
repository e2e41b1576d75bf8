//! Which file of the Hugging Face hub, or of elsewhere, holds the weights of a preset.
//!
//! Repositories, file names, licences and sizes are those that the repositories' own pages (`huggingface.co/REPO/tree/main`)
//! showed in copies of 2024 and 2025; sizes are rounded to megabytes as those pages do. An entry whose page was not seen has
//! no size: timm names its repository (`hf_hub_id` in `timm/models`), and licence and file name are those of its siblings.
//! A pull relies on none of it: size and checksum come from the hub.

use copl_hub::HubFile;
use serde::Serialize;

/// Weights of a preset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The preset's name, then others it is asked for by.
    pub names: &'static [&'static str],
    /// Where they are.
    pub origin: Origin,
    /// Size of the file, in millions of bytes, rounded; none where the file's own page was not seen.
    pub megabytes: Option<u32>,
    /// SPDX name of the licence.
    pub licence: &'static str,
}

/// Where weights are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// On the hub, on the branch `main`.
    Hub {
        /// `OWNER/NAME`.
        repo: &'static str,
        /// Path in the repository.
        file: &'static str,
    },
    /// Where no program gets them.
    ByHand {
        /// What a user does.
        how: &'static str,
    },
}

const fn timm(
    names: &'static [&'static str],
    repo: &'static str,
    megabytes: Option<u32>,
    licence: &'static str,
) -> Entry {
    Entry { names, origin: Origin::Hub { repo, file: "model.safetensors" }, megabytes, licence }
}

const HTS_AT: &str = "its authors keep them on Google Drive, where only a browser gets them: download \
    HTSAT_AudioSet_Saved_1.ckpt from the folder that github.com/RetroCirce/HTS-Audio-Transformer links under Model \
    Checkpoints (drive.google.com/drive/folders/1f5VYMk0uos_YnuBshgmaTVioXbs7Kmz6), and name it in AUDIO_WEIGHTS; \
    `copl weights verify FILE` checks it";

const VGGISH: &str = "they are a release of github.com/harritaylor/torchvggish, not on the hub: download \
    vggish-10086976.pth (288567937 bytes; its SHA-256 begins with 10086976) from its release v0.1, and name it as the \
    encoder's weights; `copl weights verify FILE` checks it";

/// Every preset whose weights are public.
#[rustfmt::skip]
pub const ENTRIES: &[Entry] = &[
    timm(&["swin-v2-tiny-window8-256"], "timm/swinv2_tiny_window8_256.ms_in1k", Some(115), "MIT"),
    timm(&["swin-v2-tiny-window16-256"], "timm/swinv2_tiny_window16_256.ms_in1k", Some(119), "MIT"),
    timm(&["swin-v2-small-window8-256"], "timm/swinv2_small_window8_256.ms_in1k", Some(201), "MIT"),
    timm(&["swin-v2-small-window16-256"], "timm/swinv2_small_window16_256.ms_in1k", None, "MIT"),
    timm(&["swin-v2-base-window8-256"], "timm/swinv2_base_window8_256.ms_in1k", None, "MIT"),
    timm(&["swin-v2-base-window16-256"], "timm/swinv2_base_window16_256.ms_in1k", Some(357), "MIT"),
    timm(&["swin-v2-base-window12-192"], "timm/swinv2_base_window12_192.ms_in22k", None, "MIT"),
    timm(&["swin-v2-base-window12to16-256"], "timm/swinv2_base_window12to16_192to256.ms_in22k_ft_in1k", Some(357), "MIT"),
    timm(&["swin-v2-base-window12to24-384"], "timm/swinv2_base_window12to24_192to384.ms_in22k_ft_in1k", None, "MIT"),
    timm(&["swin-v2-large-window12-192"], "timm/swinv2_large_window12_192.ms_in22k", Some(917), "MIT"),
    timm(&["swin-v2-large-window12to16-256"], "timm/swinv2_large_window12to16_192to256.ms_in22k_ft_in1k", Some(792), "MIT"),
    timm(&["swin-v2-large-window12to24-384"], "timm/swinv2_large_window12to24_192to384.ms_in22k_ft_in1k", Some(814), "MIT"),
    timm(&["vit-tiny-16", "vit-tiny", "vit_tiny_patch16_224"], "timm/vit_tiny_patch16_224.augreg_in21k", Some(39), "Apache-2.0"),
    timm(&["vit-small-16", "vit-small", "vit_small_patch16_224"], "timm/vit_small_patch16_224.augreg_in21k", None, "Apache-2.0"),
    timm(&["vit-base-16", "vit-base", "vit_base_patch16_224"], "timm/vit_base_patch16_224.augreg_in21k", Some(410), "Apache-2.0"),
    timm(&["vit-large-16", "vit-large", "vit_large_patch16_224"], "timm/vit_large_patch16_224.augreg_in21k", None, "Apache-2.0"),
    timm(&["vgg-19"], "timm/vgg19.tv_in1k", Some(575), "BSD-3-Clause"),
    timm(&["resnet-18", "resnet-18-14x14"], "timm/resnet18.tv_in1k", None, "BSD-3-Clause"),
    timm(&["resnet-50"], "timm/resnet50.tv_in1k", None, "BSD-3-Clause"),
    timm(&["resnet-152"], "timm/resnet152.tv_in1k", Some(241), "BSD-3-Clause"),
    timm(&["pvt-v2-b5"], "timm/pvt_v2_b5.in1k", None, "Apache-2.0"),
    // Both halves in one file.
    Entry { names: &["clip-vit-base-patch32", "clip-text-base-patch32"], origin: Origin::Hub { repo: "timm/vit_base_patch32_clip_224.openai", file: "open_clip_model.safetensors" }, megabytes: Some(605), licence: "MIT" },
    Entry { names: &["vggish"], origin: Origin::ByHand { how: VGGISH }, megabytes: Some(289), licence: "Apache-2.0" },
    // The repository's licence; the checkpoint comes without one of its own.
    Entry { names: &["hts-at", "htsat", "hts-at-5s", "htsat-5s"], origin: Origin::ByHand { how: HTS_AT }, megabytes: None, licence: "MIT" },
];

/// The entry of a preset, by any of its names.
pub fn entry(name: &str) -> Option<&'static Entry> {
    ENTRIES.iter().find(|entry| entry.names.contains(&name))
}

impl Entry {
    /// Where it is, how large, and under which licence, in a few words.
    pub fn summary(&self) -> String {
        let place = match self.origin {
            Origin::Hub { repo, .. } => repo,
            Origin::ByHand { .. } => "by hand",
        };
        let size = self.megabytes.map_or_else(String::new, |size| format!("{size} MB, "));
        format!("{place}, {size}{}", self.licence)
    }

    /// Its file on the hub, if it is there.
    pub fn file(&self) -> Option<HubFile> {
        match self.origin {
            Origin::Hub { repo, file } => Some(HubFile::new(repo, file)),
            Origin::ByHand { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoders::presets;
    use crate::features;
    use crate::weights::is_embedded;

    #[test]
    fn every_preset_has_weights_somewhere() {
        let names = presets().into_iter().map(|preset| preset.name);
        for name in names.chain(features::presets().into_iter().map(|preset| preset.name)) {
            assert!(is_embedded(&name) || entry(&name).is_some(), "{name} is in no table");
        }
    }

    #[test]
    fn names_are_unique_and_files_well_formed() {
        let mut names: Vec<&str> = ENTRIES.iter().flat_map(|entry| entry.names).copied().collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
        for file in ENTRIES.iter().filter_map(Entry::file) {
            assert_eq!(HubFile::parse(&file.to_string()), Some(file));
        }
    }

    #[test]
    fn sizes_are_those_of_the_architectures() {
        // float32 with a classifier over 1000 or 21841 classes: never smaller than the encoder, nor larger than half again.
        for preset in presets() {
            let Some(megabytes) = entry(&preset.name).and_then(|entry| entry.megabytes) else { continue };
            let bare = preset.parameters as f64 * 4e-6;
            let size = f64::from(megabytes);
            assert!(size > bare - 1.0 && size < bare * 1.8, "{}: {bare} MB of weights in {size} MB", preset.name);
        }
        // These have their classifiers, and both halves of CLIP are in one file.
        let sized =
            features::presets().into_iter().filter_map(|preset| Some((entry(&preset.name)?, preset.parameters)));
        for entry in ENTRIES.iter().filter(|entry| entry.megabytes.is_some()) {
            let all: usize = sized.clone().filter(|(of, _)| *of == entry).map(|(_, parameters)| parameters).sum();
            let (bare, size) = (all as f64 * 4e-6, f64::from(entry.megabytes.unwrap_or(0)));
            assert!(all == 0 || (size - bare).abs() < 1.0, "{:?}: {bare} MB of weights in {size} MB", entry.names);
        }
    }
}
