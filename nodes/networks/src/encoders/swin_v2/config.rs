//! Sizes of a Swin-V2, its presets, and the names and shapes of its weights (those of timm >= 0.9).

use serde::{Deserialize, Serialize};

use crate::encoders::block_info::BlockInfo;
use crate::encoders::placement::Placement;
use crate::error::{Error, Result};
use crate::weights::{Init, Stored, TensorSpec};

/// Hidden width of the network that makes position biases.
const BIAS_HIDDEN: usize = 512;

/// Sizes of a Swin-V2 with square images, patches and windows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SwinV2Config {
    /// Pixels of an image's side.
    pub image_size: usize,
    /// Pixels of a patch's side.
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
    /// Window side a stage was pre-trained with, which scales the coordinates of position biases; 0 is its own window.
    #[serde(default)]
    pub pretrained_window_sizes: Vec<usize>,
}

fn default_mlp_ratio() -> f64 {
    4.0
}

impl SwinV2Config {
    /// Checks that the sizes fit together.
    ///
    /// # Errors
    /// Names what does not fit.
    pub fn validate(&self) -> Result<()> {
        let fail = |reason: String| Err(Error::Config(format!("swin-v2: {reason}")));
        if self.depths.is_empty() || self.depths.len() != self.num_heads.len() {
            return fail(format!("{} depths and {} head counts", self.depths.len(), self.num_heads.len()));
        }
        if self.depths.contains(&0) || self.patch_size == 0 || self.window_size == 0 {
            return fail("depths, patch size and window size must be at least 1".to_string());
        }
        if self.image_size == 0 || !self.image_size.is_multiple_of(self.patch_size) {
            return fail(format!("image size {} is no multiple of patch size {}", self.image_size, self.patch_size));
        }
        for (stage, &heads) in self.num_heads.iter().enumerate() {
            if heads == 0 || !self.width(stage).is_multiple_of(heads) {
                return fail(format!("width {} of stage {stage} cannot be cut in {heads} heads", self.width(stage)));
            }
        }
        Ok(())
    }

    /// Width of a stage.
    pub fn width(&self, stage: usize) -> usize {
        self.embed_dim << stage
    }

    pub(super) fn hidden(&self, stage: usize) -> usize {
        (self.width(stage) as f64 * self.mlp_ratio) as usize
    }

    /// Tokens of a side of a stage's map; an odd map is padded before it is merged.
    pub fn map(&self, stage: usize) -> usize {
        (0..stage).fold(self.image_size / self.patch_size, |side, _| side.div_ceil(2))
    }

    pub(super) fn placement(&self, stage: usize, block: usize) -> Placement {
        Placement::new(self.map(stage), self.window_size, block)
    }

    pub(super) fn pretrained_window(&self, stage: usize) -> usize {
        self.pretrained_window_sizes.get(stage).copied().unwrap_or(0)
    }

    /// All blocks, first to last.
    pub fn blocks(&self) -> Vec<BlockInfo> {
        let stages = self.depths.iter().enumerate();
        stages
            .flat_map(|(stage, &depth)| {
                let (width, tokens) = (self.width(stage), self.map(stage) * self.map(stage));
                let side = self.window_size.min(self.map(stage));
                (0..depth).map(move |_| BlockInfo { width, tokens, stage, window: side * side })
            })
            .collect()
    }

    /// Name, shape and initial value of every weight.
    pub fn tensors(&self) -> Vec<TensorSpec> {
        let mut all = Vec::new();
        let mut add = |name: String, shape: &[usize], init: Init| all.push(TensorSpec::new(name, shape, init));
        let linear = Init::Normal { std: 0.02 };
        let patch = 3 * self.patch_size * self.patch_size;
        add(
            "patch_embed.proj.weight".into(),
            &[self.embed_dim, 3, self.patch_size, self.patch_size],
            Init::Uniform { bound: 1.0 / (patch as f64).sqrt() },
        );
        add("patch_embed.proj.bias".into(), &[self.embed_dim], Init::Constant(0.0));
        add("patch_embed.norm.weight".into(), &[self.embed_dim], Init::Constant(1.0));
        add("patch_embed.norm.bias".into(), &[self.embed_dim], Init::Constant(0.0));
        for (stage, (&depth, &heads)) in self.depths.iter().zip(&self.num_heads).enumerate() {
            let (d, hidden) = (self.width(stage), self.hidden(stage));
            if stage > 0 {
                add(format!("layers.{stage}.downsample.reduction.weight"), &[d, 2 * d], linear);
                add(format!("layers.{stage}.downsample.norm.weight"), &[d], Init::Constant(1.0));
                add(format!("layers.{stage}.downsample.norm.bias"), &[d], Init::Constant(0.0));
            }
            for block in 0..depth {
                let mut add = |name: &str, shape: &[usize], init| {
                    add(format!("layers.{stage}.blocks.{block}.{name}"), shape, init);
                };
                add("attn.logit_scale", &[heads, 1, 1], Init::Constant(10f64.ln()));
                add("attn.q_bias", &[d], Init::Constant(0.0));
                add("attn.v_bias", &[d], Init::Constant(0.0));
                add("attn.cpb_mlp.0.weight", &[BIAS_HIDDEN, 2], linear);
                add("attn.cpb_mlp.0.bias", &[BIAS_HIDDEN], Init::Constant(0.0));
                add("attn.cpb_mlp.2.weight", &[heads, BIAS_HIDDEN], linear);
                add("attn.qkv.weight", &[3 * d, d], linear);
                add("attn.proj.weight", &[d, d], linear);
                add("attn.proj.bias", &[d], Init::Constant(0.0));
                add("norm1.weight", &[d], Init::Constant(1.0));
                add("norm1.bias", &[d], Init::Constant(0.0));
                add("mlp.fc1.weight", &[hidden, d], linear);
                add("mlp.fc1.bias", &[hidden], Init::Constant(0.0));
                add("mlp.fc2.weight", &[d, hidden], linear);
                add("mlp.fc2.bias", &[d], Init::Constant(0.0));
                add("norm2.weight", &[d], Init::Constant(1.0));
                add("norm2.bias", &[d], Init::Constant(0.0));
            }
        }
        let last = self.width(self.depths.len() - 1);
        add("norm.weight".into(), &[last], Init::Constant(1.0));
        add("norm.bias".into(), &[last], Init::Constant(0.0));
        all
    }

    /// True for names a checkpoint may hold that are no weights of the encoder: classifier heads and tables recomputed
    /// at load.
    pub fn is_ignored(name: &str) -> bool {
        const TABLES: [&str; 4] = ["relative_coords_table", "relative_position_index", "attn_mask", "k_bias"];
        name.starts_with("head.") || TABLES.iter().any(|table| name.ends_with(table))
    }

    /// Today's name of a weight. Before timm 0.9 (and in Microsoft's files) the merging that opens a stage was stored
    /// with the stage before; `old` says that the file is of that kind.
    pub fn current_name(name: &str, old: bool) -> String {
        let moved = || {
            let rest = name.strip_prefix("layers.")?;
            let (stage, rest) = rest.split_once(".downsample.")?;
            Some(format!("layers.{}.downsample.{rest}", stage.parse::<usize>().ok()? + 1))
        };
        if old { moved().unwrap_or_else(|| name.to_string()) } else { name.to_string() }
    }

    /// True if a file with these names stores mergings with the stage before: then the first stage has one.
    pub fn is_old<'a>(mut names: impl Iterator<Item = &'a str>) -> bool {
        names.any(|name| name.starts_with("layers.0.downsample."))
    }

    /// What a name in a checkpoint means, beside `all` names the checkpoint has.
    pub fn stored(name: &str, all: &[&str]) -> Stored {
        if Self::is_ignored(name) {
            return Stored::Ignore;
        }
        Stored::Keep(Self::current_name(name, Self::is_old(all.iter().copied())))
    }
}

/// What presets differ in.
struct PresetSizes {
    name: &'static str,
    aliases: &'static [&'static str],
    image_size: usize,
    window_size: usize,
    embed_dim: usize,
    depths: &'static [usize],
    num_heads: &'static [usize],
    pretrained_window_sizes: &'static [usize],
}

const TINY: &[usize] = &[2, 2, 6, 2];
const DEEP: &[usize] = &[2, 2, 18, 2];

/// The published sizes under timm's names, and one of our own that trains in minutes on a CPU.
#[rustfmt::skip]
const PRESETS: &[PresetSizes] = &[
    PresetSizes { name: "swin-v2-nano", aliases: &[], image_size: 64, window_size: 4, embed_dim: 24, depths: &[2, 2, 2, 1], num_heads: &[2, 4, 8, 16], pretrained_window_sizes: &[] },
    PresetSizes { name: "swin-v2-tiny-window8-256", aliases: &["swin-v2-tiny", "swinv2_tiny_window8_256"], image_size: 256, window_size: 8, embed_dim: 96, depths: TINY, num_heads: &[3, 6, 12, 24], pretrained_window_sizes: &[] },
    PresetSizes { name: "swin-v2-tiny-window16-256", aliases: &["swinv2_tiny_window16_256"], image_size: 256, window_size: 16, embed_dim: 96, depths: TINY, num_heads: &[3, 6, 12, 24], pretrained_window_sizes: &[] },
    PresetSizes { name: "swin-v2-small-window8-256", aliases: &["swin-v2-small", "swinv2_small_window8_256"], image_size: 256, window_size: 8, embed_dim: 96, depths: DEEP, num_heads: &[3, 6, 12, 24], pretrained_window_sizes: &[] },
    PresetSizes { name: "swin-v2-small-window16-256", aliases: &["swinv2_small_window16_256"], image_size: 256, window_size: 16, embed_dim: 96, depths: DEEP, num_heads: &[3, 6, 12, 24], pretrained_window_sizes: &[] },
    PresetSizes { name: "swin-v2-base-window8-256", aliases: &["swin-v2-base", "swinv2_base_window8_256"], image_size: 256, window_size: 8, embed_dim: 128, depths: DEEP, num_heads: &[4, 8, 16, 32], pretrained_window_sizes: &[] },
    PresetSizes { name: "swin-v2-base-window16-256", aliases: &["swinv2_base_window16_256"], image_size: 256, window_size: 16, embed_dim: 128, depths: DEEP, num_heads: &[4, 8, 16, 32], pretrained_window_sizes: &[] },
    PresetSizes { name: "swin-v2-base-window12-192", aliases: &["swin-v2-base-192", "swinv2_base_window12_192", "swinv2_base_window12_192_22k"], image_size: 192, window_size: 12, embed_dim: 128, depths: DEEP, num_heads: &[4, 8, 16, 32], pretrained_window_sizes: &[] },
    PresetSizes { name: "swin-v2-base-window12to16-256", aliases: &["swinv2_base_window12to16_192to256"], image_size: 256, window_size: 16, embed_dim: 128, depths: DEEP, num_heads: &[4, 8, 16, 32], pretrained_window_sizes: &[12, 12, 12, 6] },
    PresetSizes { name: "swin-v2-base-window12to24-384", aliases: &["swinv2_base_window12to24_192to384"], image_size: 384, window_size: 24, embed_dim: 128, depths: DEEP, num_heads: &[4, 8, 16, 32], pretrained_window_sizes: &[12, 12, 12, 6] },
    PresetSizes { name: "swin-v2-large-window12-192", aliases: &["swin-v2-large-192", "swin-v2-large", "swinv2_large_window12_192", "swinv2_large_window12_192_22k"], image_size: 192, window_size: 12, embed_dim: 192, depths: DEEP, num_heads: &[6, 12, 24, 48], pretrained_window_sizes: &[] },
    PresetSizes { name: "swin-v2-large-window12to16-256", aliases: &["swinv2_large_window12to16_192to256"], image_size: 256, window_size: 16, embed_dim: 192, depths: DEEP, num_heads: &[6, 12, 24, 48], pretrained_window_sizes: &[12, 12, 12, 6] },
    PresetSizes { name: "swin-v2-large-window12to24-384", aliases: &["swinv2_large_window12to24_192to384"], image_size: 384, window_size: 24, embed_dim: 192, depths: DEEP, num_heads: &[6, 12, 24, 48], pretrained_window_sizes: &[12, 12, 12, 6] },
];

/// The presets: name, further names, sizes.
pub(super) fn presets() -> impl Iterator<Item = (&'static str, &'static [&'static str], SwinV2Config)> {
    PRESETS.iter().map(|preset| (preset.name, preset.aliases, preset.config()))
}

impl PresetSizes {
    /// The preset's sizes.
    fn config(&self) -> SwinV2Config {
        SwinV2Config {
            image_size: self.image_size,
            patch_size: 4,
            window_size: self.window_size,
            embed_dim: self.embed_dim,
            depths: self.depths.to_vec(),
            num_heads: self.num_heads.to_vec(),
            mlp_ratio: default_mlp_ratio(),
            pretrained_window_sizes: self.pretrained_window_sizes.to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(name: &str) -> usize {
        let preset = PRESETS.iter().find(|p| p.name == name || p.aliases.contains(&name)).unwrap();
        let config = preset.config();
        config.validate().unwrap();
        config.tensors().iter().map(TensorSpec::count).sum()
    }

    #[test]
    fn parameter_counts_are_the_published_ones() {
        // timm 1.0: swinv2_large_window12_192.ms_in22k has 195.2 M without its head, swinv2_tiny_window8_256 27.58 M.
        assert_eq!(count("swin-v2-large-192") / 1000, 195_202);
        assert_eq!(count("swin-v2-tiny") / 1000, 27_578);
        assert!(count("swin-v2-nano") < 1_000_000);
    }

    #[test]
    fn windows_clamp_to_the_map_as_timm_does() {
        let config = SwinV2Config { image_size: 64, window_size: 8, ..PRESETS[0].config() };
        assert_eq!(config.placement(0, 1), Placement { map: 16, window: 8, shift: 4 });
        assert_eq!(config.placement(1, 1), Placement { map: 8, window: 8, shift: 0 });
        assert_eq!(config.placement(3, 0), Placement { map: 2, window: 2, shift: 0 });
        let odd = SwinV2Config { image_size: 36, ..config };
        assert_eq!((0..4).map(|s| odd.map(s)).collect::<Vec<_>>(), [9, 5, 3, 2]);
    }

    #[test]
    fn old_files_store_a_merging_with_the_stage_before() {
        assert!(SwinV2Config::is_old(["layers.0.downsample.norm.bias"].into_iter()));
        assert_eq!(SwinV2Config::current_name("layers.0.downsample.norm.bias", true), "layers.1.downsample.norm.bias");
        assert_eq!(SwinV2Config::current_name("layers.0.blocks.0.norm1.bias", true), "layers.0.blocks.0.norm1.bias");
    }
}
