//! Sizes of an HTS-AT, its presets, and the names and shapes of its weights (those of the official checkpoints).

use serde::{Deserialize, Serialize};

use crate::encoders::block_info::BlockInfo;
use crate::encoders::input::{InputShape, Modality};
use crate::encoders::placement::Placement;
use crate::encoders::pre_norm::BlockWeights;
use crate::error::{Error, Result};
use crate::weights::{Init, Stored, TensorSpec};

/// What the training program of the official checkpoints put before every name.
const CHECKPOINT_PREFIX: &str = "sed_model.";

/// Sizes of an HTS-AT.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HtsAtConfig {
    /// Side of the image a spectrogram is folded to.
    pub spec_size: usize,
    /// Mel bands of the spectrogram.
    #[serde(default = "default_mel_bins")]
    pub mel_bins: usize,
    /// Frames of the spectrogram: 100 a second and one.
    #[serde(default = "default_frames")]
    pub frames: usize,
    /// Side of a patch.
    pub patch_size: usize,
    /// Tokens of a window's side; a smaller map is one window.
    pub window_size: usize,
    /// Width of the first stage; it doubles with each.
    pub embed_dim: usize,
    /// Blocks a stage.
    pub depths: Vec<usize>,
    /// Heads a stage.
    pub num_heads: Vec<usize>,
    /// Hidden width of the feed-forward layer over its width.
    #[serde(default = "default_mlp_ratio")]
    pub mlp_ratio: f64,
}

fn default_mel_bins() -> usize {
    64
}

fn default_frames() -> usize {
    1001
}

fn default_mlp_ratio() -> f64 {
    4.0
}

impl HtsAtConfig {
    /// Checks that the sizes fit together.
    ///
    /// # Errors
    /// Names what does not fit.
    pub fn validate(&self) -> Result<()> {
        let fail = |reason: String| Err(Error::Config(format!("hts-at: {reason}")));
        if self.depths.is_empty() || self.depths.len() != self.num_heads.len() {
            return fail(format!("{} depths and {} head counts", self.depths.len(), self.num_heads.len()));
        }
        if self.depths.contains(&0) || self.patch_size == 0 || self.window_size == 0 || self.mel_bins == 0 {
            return fail("depths, patch size, window size and mel bands must be at least 1".to_string());
        }
        for (what, part) in [("patch size", self.patch_size), ("mel bands", self.mel_bins)] {
            if self.spec_size == 0 || !self.spec_size.is_multiple_of(part) {
                return fail(format!("image size {} is no multiple of {what} {part}", self.spec_size));
            }
        }
        if self.frames == 0 || self.frames > self.columns() {
            return fail(format!("{} frames: an image of this size takes 1 to {}", self.frames, self.columns()));
        }
        for (stage, &heads) in self.num_heads.iter().enumerate() {
            if heads == 0 || !self.width(stage).is_multiple_of(heads) {
                return fail(format!("width {} of stage {stage} cannot be cut in {heads} heads", self.width(stage)));
            }
            let Placement { map, window, .. } = self.placement(stage, 0);
            if map == 0 || !map.is_multiple_of(window) {
                return fail(format!("a map of side {map} in stage {stage} cannot be cut in windows of {window}"));
            }
            if stage + 1 < self.depths.len() && map % 2 == 1 {
                return fail(format!("a map of odd side {map} in stage {stage} cannot be merged"));
            }
        }
        Ok(())
    }

    /// Pieces of time that stand below one another in the image.
    pub fn folds(&self) -> usize {
        self.spec_size / self.mel_bins
    }

    /// Frames the spectrogram is resized to before it is folded.
    pub fn columns(&self) -> usize {
        self.spec_size * self.folds()
    }

    /// Width of a stage.
    pub fn width(&self, stage: usize) -> usize {
        self.embed_dim << stage
    }

    /// Tokens of a side of a stage's map.
    pub fn map(&self, stage: usize) -> usize {
        (self.spec_size / self.patch_size) >> stage
    }

    pub(super) fn placement(&self, stage: usize, block: usize) -> Placement {
        Placement::new(self.map(stage), self.window_size, block)
    }

    /// The spectrograms it takes; of frames it takes none.
    pub fn input(&self, modality: Modality) -> Option<InputShape> {
        (modality == Modality::Audio).then_some(InputShape { channels: 1, height: self.frames, width: self.mel_bins })
    }

    /// All blocks, first to last.
    pub fn blocks(&self) -> Vec<BlockInfo> {
        let stages = self.depths.iter().enumerate();
        stages
            .flat_map(|(stage, &depth)| {
                let (width, tokens) = (self.width(stage), self.map(stage) * self.map(stage));
                let window = self.placement(stage, 0).window.pow(2);
                (0..depth).map(move |_| BlockInfo { width, tokens, stage, window })
            })
            .collect()
    }

    /// Name, shape and initial value of every weight.
    pub fn tensors(&self) -> Vec<TensorSpec> {
        let mut all = Vec::new();
        let mut add = |name: String, shape: &[usize], init: Init| all.push(TensorSpec::new(name, shape, init));
        let (zero, one, linear) = (Init::Constant(0.0), Init::Constant(1.0), Init::Normal { std: 0.02 });
        for (name, init) in [("weight", one), ("bias", zero), ("running_mean", zero), ("running_var", one)] {
            add(format!("bn0.{name}"), &[self.mel_bins], init);
        }
        let patch = Init::Uniform { bound: 1.0 / self.patch_size as f64 };
        add("patch_embed.proj.weight".into(), &[self.embed_dim, 1, self.patch_size, self.patch_size], patch);
        add("patch_embed.proj.bias".into(), &[self.embed_dim], zero);
        add("patch_embed.norm.weight".into(), &[self.embed_dim], one);
        add("patch_embed.norm.bias".into(), &[self.embed_dim], zero);
        for (stage, (&depth, &heads)) in self.depths.iter().zip(&self.num_heads).enumerate() {
            let d = self.width(stage);
            let hidden = (d as f64 * self.mlp_ratio) as usize;
            for block in 0..depth {
                let Placement { window, .. } = self.placement(stage, block);
                let prefix = format!("layers.{stage}.blocks.{block}");
                add(format!("{prefix}.attn.relative_position_bias_table"), &[(2 * window - 1).pow(2), heads], linear);
                for spec in BlockWeights::specs(&prefix, d, hidden) {
                    add(spec.name, &spec.shape, spec.init);
                }
            }
            if stage + 1 < self.depths.len() {
                add(format!("layers.{stage}.downsample.norm.weight"), &[4 * d], one);
                add(format!("layers.{stage}.downsample.norm.bias"), &[4 * d], zero);
                add(format!("layers.{stage}.downsample.reduction.weight"), &[2 * d, 4 * d], linear);
            }
        }
        let last = self.width(self.depths.len() - 1);
        add("norm.weight".into(), &[last], one);
        add("norm.bias".into(), &[last], zero);
        all
    }

    /// What a name in a checkpoint means. The prefix of the training program is dropped; names that are no weights of the
    /// encoder are ignored: constants of the spectrogram, classifiers, and tables worked out from the sizes.
    pub fn stored(name: &str, all: &[&str]) -> Stored {
        const OTHERS: [&str; 4] = ["spectrogram_extractor.", "logmel_extractor.", "tscam_conv.", "head."];
        const TABLES: [&str; 3] = ["relative_position_index", "attn_mask", "num_batches_tracked"];
        let short = name.strip_prefix(CHECKPOINT_PREFIX).unwrap_or(name);
        if OTHERS.iter().any(|other| short.starts_with(other)) || TABLES.iter().any(|table| short.ends_with(table)) {
            return Stored::Ignore;
        }
        // A weight that is there under both names keeps its long one, which is refused as unexpected.
        Stored::Keep(if short != name && all.contains(&short) { name } else { short }.to_string())
    }
}

/// What presets differ in.
struct PresetSizes {
    name: &'static str,
    aliases: &'static [&'static str],
    frames: usize,
}

/// The published sizes, for segments tiled to 10 s, and to 5 s as the published AVS experiments do; the weights are the
/// same.
const PRESETS: &[PresetSizes] = &[
    PresetSizes { name: "hts-at", aliases: &["htsat"], frames: 1001 },
    PresetSizes { name: "hts-at-5s", aliases: &["htsat-5s"], frames: 501 },
];

/// The presets: name, further names, sizes.
pub(super) fn presets() -> impl Iterator<Item = (&'static str, &'static [&'static str], HtsAtConfig)> {
    PRESETS.iter().map(|preset| (preset.name, preset.aliases, preset.config()))
}

impl PresetSizes {
    /// The preset's sizes.
    fn config(&self) -> HtsAtConfig {
        HtsAtConfig {
            spec_size: 256,
            mel_bins: default_mel_bins(),
            frames: self.frames,
            patch_size: 4,
            window_size: 8,
            embed_dim: 96,
            depths: vec![2, 2, 6, 2],
            num_heads: vec![4, 8, 16, 32],
            mlp_ratio: default_mlp_ratio(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_encoder_has_27_534_million_parameters() {
        let config = PRESETS[0].config();
        config.validate().unwrap();
        let learned = config.tensors().into_iter().filter(|spec| !spec.name.contains("running_"));
        // 31.325 M of the official checkpoint less its classifiers and its constants of the spectrogram.
        let count: usize = learned.map(|spec| spec.count()).sum();
        assert_eq!((count as f64 / 1e3).round(), 27_534.0);
        let widths: Vec<_> = config.blocks().iter().map(|block| (block.width, block.tokens)).collect();
        assert_eq!((widths[0], widths[2], widths[4], widths[11]), ((96, 4096), (192, 1024), (384, 256), (768, 64)));
    }

    #[test]
    fn maps_are_cut_in_whole_windows() {
        let config = PRESETS[0].config();
        assert_eq!(config.placement(0, 1), Placement { map: 64, window: 8, shift: 4 });
        assert_eq!(config.placement(3, 1), Placement { map: 8, window: 8, shift: 0 });
        let refused = |config: HtsAtConfig| config.validate().unwrap_err().to_string();
        assert!(refused(HtsAtConfig { window_size: 7, ..config.clone() }).contains("windows of 7"));
        assert!(refused(HtsAtConfig { frames: 1025, ..config.clone() }).contains("1 to 1024"));
        assert!(refused(HtsAtConfig { mel_bins: 60, ..config.clone() }).contains("mel bands 60"));
        assert!(refused(HtsAtConfig { num_heads: vec![5, 8, 16, 32], ..config }).contains("5 heads"));
    }
}
