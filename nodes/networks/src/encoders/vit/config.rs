//! Sizes of a ViT, its presets, and the names and shapes of its weights (those of timm).

use serde::{Deserialize, Serialize};

use crate::encoders::block_info::BlockInfo;
use crate::encoders::input::{InputShape, Modality};
use crate::encoders::pre_norm::BlockWeights;
use crate::error::{Error, Result};
use crate::weights::{Init, Stored, TensorSpec};

/// Last blocks that exchange prompts (k).
pub(super) const COUPLED_SITES: usize = 4;

/// Spectrogram of a second as LAVISH cuts it for ViT: frames of 10 ms, mel bands.
const SECOND: [usize; 2] = [102, 128];

/// Sizes of a ViT with square images and patches, a class token and learned position embeddings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VitConfig {
    /// Pixels of a frame's side: what the position embeddings were made for.
    pub image_size: usize,
    /// Frames of time and mel bands of a spectrogram; none if it is as large as a frame.
    #[serde(default)]
    pub spectrogram: Option<[usize; 2]>,
    /// Pixels of a patch's side.
    pub patch_size: usize,
    /// Width.
    pub embed_dim: usize,
    /// Blocks.
    pub depth: usize,
    /// Heads of a block.
    pub num_heads: usize,
    /// Hidden width of the feed-forward layer over the width.
    #[serde(default = "default_mlp_ratio")]
    pub mlp_ratio: f64,
}

fn default_mlp_ratio() -> f64 {
    4.0
}

impl VitConfig {
    /// Checks that the sizes fit together.
    ///
    /// # Errors
    /// Names what does not fit.
    pub fn validate(&self) -> Result<()> {
        let fail = |reason: String| Err(Error::Config(format!("vit: {reason}")));
        if self.depth == 0 || self.patch_size == 0 || self.hidden() == 0 {
            return fail("depth, patch size and hidden width must be at least 1".to_string());
        }
        if self.image_size == 0 || !self.image_size.is_multiple_of(self.patch_size) {
            return fail(format!("image size {} is no multiple of patch size {}", self.image_size, self.patch_size));
        }
        if let Some([time, mels]) = self.spectrogram
            && time.min(mels) < self.patch_size
        {
            return fail(format!("a spectrogram of {time} x {mels} holds no patch of size {}", self.patch_size));
        }
        if self.embed_dim == 0 || self.num_heads == 0 || !self.embed_dim.is_multiple_of(self.num_heads) {
            return fail(format!("width {} cannot be cut in {} heads", self.embed_dim, self.num_heads));
        }
        Ok(())
    }

    fn hidden(&self) -> usize {
        (self.embed_dim as f64 * self.mlp_ratio) as usize
    }

    /// Patches of a frame.
    pub fn patches(&self) -> usize {
        (self.image_size / self.patch_size).pow(2)
    }

    /// The images of a modality.
    pub fn input(&self, modality: Modality) -> InputShape {
        match (modality, self.spectrogram) {
            (Modality::Audio, Some([height, width])) => InputShape { channels: 3, height, width },
            _ => InputShape::picture(self.image_size),
        }
    }

    /// All blocks, first to last.
    pub fn blocks(&self) -> Vec<BlockInfo> {
        let tokens = 1 + self.patches();
        (0..self.depth).map(|stage| BlockInfo { width: self.embed_dim, tokens, stage, window: tokens }).collect()
    }

    /// Name, shape and initial value of every weight.
    pub fn tensors(&self) -> Vec<TensorSpec> {
        let (d, patch) = (self.embed_dim, self.patch_size);
        let (zero, one, normal) = (Init::Constant(0.0), Init::Constant(1.0), Init::Normal { std: 0.02 });
        let convolution = Init::Uniform { bound: 1.0 / ((3 * patch * patch) as f64).sqrt() };
        let mut all = vec![
            // timm starts it at 1e-6.
            TensorSpec::new("cls_token", &[1, 1, d], Init::Normal { std: 1e-6 }),
            TensorSpec::new("pos_embed", &[1, 1 + self.patches(), d], normal),
            TensorSpec::new("patch_embed.proj.weight", &[d, 3, patch, patch], convolution),
            TensorSpec::new("patch_embed.proj.bias", &[d], zero),
        ];
        all.extend((0..self.depth).flat_map(|b| BlockWeights::specs(&format!("blocks.{b}"), d, self.hidden())));
        all.push(TensorSpec::new("norm.weight", &[d], one));
        all.push(TensorSpec::new("norm.bias", &[d], zero));
        all
    }

    /// What a name in a checkpoint means: a classifier, and the layer older files have before it, are no weights of the
    /// encoder.
    pub fn stored(name: &str, _all: &[&str]) -> Stored {
        match name.starts_with("head.") || name.starts_with("pre_logits.") {
            true => Stored::Ignore,
            false => Stored::Keep(name.to_string()),
        }
    }
}

/// What presets differ in.
struct PresetSizes {
    name: &'static str,
    aliases: &'static [&'static str],
    embed_dim: usize,
    depth: usize,
    num_heads: usize,
}

/// The published sizes with patches of 16 on images of 224.
#[rustfmt::skip]
const PRESETS: &[PresetSizes] = &[
    PresetSizes { name: "vit-tiny-16", aliases: &["vit_tiny_patch16_224", "vit_tiny_patch16_224.augreg_in21k"], embed_dim: 192, depth: 12, num_heads: 3 },
    PresetSizes { name: "vit-small-16", aliases: &["vit_small_patch16_224", "vit_small_patch16_224.augreg_in21k"], embed_dim: 384, depth: 12, num_heads: 6 },
    PresetSizes { name: "vit-base-16", aliases: &["vit_base_patch16_224", "vit_base_patch16_224.augreg_in21k", "vit_base_patch16_224_in21k"], embed_dim: 768, depth: 12, num_heads: 12 },
    PresetSizes { name: "vit-large-16", aliases: &["vit_large_patch16_224", "vit_large_patch16_224.augreg_in21k", "vit_large_patch16_224_in21k"], embed_dim: 1024, depth: 24, num_heads: 16 },
];

/// The presets: name, further names, sizes.
pub(super) fn presets() -> impl Iterator<Item = (&'static str, &'static [&'static str], VitConfig)> {
    PRESETS.iter().map(|preset| (preset.name, preset.aliases, preset.config()))
}

impl PresetSizes {
    fn config(&self) -> VitConfig {
        VitConfig {
            image_size: 224,
            spectrogram: Some(SECOND),
            patch_size: 16,
            embed_dim: self.embed_dim,
            depth: self.depth,
            num_heads: self.num_heads,
            mlp_ratio: default_mlp_ratio(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoders::{EncoderShape, preset};

    #[test]
    fn weights_are_as_many_as_those_of_timm() {
        // Counts of timm 1.0.31, vit_{tiny,small,base,large}_patch16_224.augreg_in21k with num_classes=0. The fixture
        // vit_tiny, which is read strictly, holds names and shapes to timm's.
        for (name, count) in [
            ("vit-tiny-16", 5_524_416),
            ("vit-small-16", 21_665_664),
            ("vit-base-16", 85_798_656),
            ("vit-large-16", 303_301_632),
        ] {
            let config = preset(name).unwrap();
            assert_eq!(config.tensors().iter().map(TensorSpec::count).sum::<usize>(), count, "{name}");
        }
    }

    #[test]
    fn spectrograms_of_a_second_are_48_patches() {
        let large = preset("vit_large_patch16_224.augreg_in21k").unwrap();
        assert_eq!(large.name(), "vit-large-16");
        assert_eq!(large.input(Modality::Visual).unwrap().dims(), [3, 224, 224]);
        let [channels, time, mels] = large.input(Modality::Audio).unwrap().dims();
        assert_eq!((channels, time / 16, mels / 16), (3, 6, 8));
        assert_eq!((large.depths().len(), large.coupled_sites()), (24, 4));
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        let base = PRESETS[2].config();
        let refused = |config: VitConfig| config.validate().unwrap_err().to_string();
        assert!(refused(VitConfig { num_heads: 7, ..base.clone() }).contains("7 heads"));
        assert!(refused(VitConfig { patch_size: 15, ..base.clone() }).contains("multiple of patch size 15"));
        assert!(refused(VitConfig { spectrogram: Some([15, 128]), ..base }).contains("15 x 128"));
    }
}
