//! The image half: `embed` are the tokens behind the first norm, `block.I` those each block leaves, `final` those behind the
//! last norm, `tokens` the same in the space of both halves (the class token first), `image` the class token's, CLIP's own
//! vector, and `pooled` the same.

use std::sync::Arc;

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use super::belongs_to_neither;
use super::blocks::{BlockSizes, Blocks, norm};
use crate::encoders::InputShape;
use crate::error::{Error, Result};
use crate::features::convolution::{Convolution, Finish};
use crate::features::layer::Layer;
use crate::features::map::Map;
use crate::features::names;
use crate::features::sizes::{Family, FeatureEncoder, FeatureInput, FeatureSizes, Preset, read};
use crate::features::taken::Taken;
use crate::kernels::dense::DenseLayer;
use crate::kernels::{NormLayer, norm_rows};
use crate::weights::{Init, Stored, TensorSpec, Tensors};

/// What stands before the names of its weights.
const PREFIX: &str = "visual.";

/// Sizes of CLIP's image half.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClipImageConfig {
    /// Pixels of an image's side.
    pub image_size: usize,
    /// Pixels of a patch's side.
    pub patch_size: usize,
    /// Width of a token.
    pub width: usize,
    /// Blocks.
    pub layers: usize,
    /// Heads of a block.
    pub heads: usize,
    /// Width of the space of both halves.
    pub out_dim: usize,
}

impl ClipImageConfig {
    fn blocks(&self) -> BlockSizes {
        BlockSizes { width: self.width, heads: self.heads, layers: self.layers, hidden: 4 * self.width, causal: false }
    }

    /// The class token and the patches.
    fn tokens(&self) -> usize {
        1 + (self.image_size / self.patch_size.max(1)).pow(2)
    }
}

impl FeatureSizes for ClipImageConfig {
    fn input(&self) -> FeatureInput {
        FeatureInput::Images(InputShape::picture(self.image_size))
    }

    fn layers(&self) -> Vec<Layer> {
        let (tokens, width) = (self.tokens(), self.width);
        let mut layers = vec![Layer::tokens("embed", tokens, width)];
        layers.extend((0..self.layers).map(|block| Layer::tokens(format!("block.{block}"), tokens, width)));
        layers.push(Layer::tokens("final", tokens, width));
        layers.push(Layer::tokens("tokens", tokens, self.out_dim));
        layers.extend(["image", "pooled"].map(|name| Layer::vector(name, self.out_dim)));
        layers
    }

    fn tensors(&self) -> Vec<TensorSpec> {
        let d = self.width;
        let normal = Init::Normal { std: 1.0 / (d as f64).sqrt() };
        let mut all = vec![
            names::convolution("visual.conv1", 3, d, self.patch_size),
            TensorSpec::new("visual.class_embedding", &[d], normal),
            TensorSpec::new("visual.positional_embedding", &[self.tokens(), d], normal),
            TensorSpec::new("visual.proj", &[d, self.out_dim], normal),
        ];
        all.extend(["visual.ln_pre", "visual.ln_post"].iter().flat_map(|name| names::norm(name, d)));
        all.extend(self.blocks().tensors("visual.transformer.resblocks"));
        all
    }

    fn stored(&self, name: &str, all: &[&str]) -> Stored {
        let of_text = !name.starts_with(PREFIX) && all.iter().any(|name| name.starts_with(PREFIX));
        if of_text || belongs_to_neither(name) { Stored::Ignore } else { Stored::Keep(name.to_string()) }
    }

    fn build(&self, name: &str, mut weights: Tensors) -> Result<Arc<dyn FeatureEncoder>> {
        self.blocks().validate(name)?;
        if self.patch_size == 0 || !self.image_size.is_multiple_of(self.patch_size) {
            let reason = format!("image size {} is no multiple of patch size {}", self.image_size, self.patch_size);
            return Err(Error::Config(format!("{name}: {reason}")));
        }
        let patches = weights.take("visual.conv1.weight")?;
        Ok(Arc::new(ClipImage {
            name: name.to_string(),
            config: self.clone(),
            patches: Convolution::new(&patches, Vec::new(), self.patch_size, 0)?,
            class: weights.take("visual.class_embedding")?.to_vec1()?,
            positions: weights.take("visual.positional_embedding")?.flatten_all()?.to_vec1()?,
            first: norm(weights.take_pair("visual.ln_pre")?)?,
            last: norm(weights.take_pair("visual.ln_post")?)?,
            blocks: Blocks::new(self.blocks(), "visual.transformer.resblocks", &mut weights)?,
            project: DenseLayer::new(&weights.take("visual.proj")?.t()?.contiguous()?, None)?,
        }))
    }
}

/// CLIP's image half with its weights.
struct ClipImage {
    name: String,
    config: ClipImageConfig,
    patches: Convolution,
    class: Vec<f32>,
    /// [tokens, width]
    positions: Vec<f32>,
    first: NormLayer,
    last: NormLayer,
    blocks: Blocks,
    project: DenseLayer,
}

impl ClipImage {
    /// Patches behind the class token, positions added, [count, tokens, width].
    fn embed(&self, patches: &Map) -> Vec<f32> {
        let (width, tokens) = (self.config.width, self.config.tokens());
        let mut all = Vec::with_capacity(patches.count * tokens * width);
        for patches in patches.values.chunks_exact((tokens - 1) * width) {
            let embedded = self.class.iter().chain(patches).zip(&self.positions).map(|(x, p)| x + p);
            all.extend(embedded);
        }
        norm_rows(self.first.view(), &all, None)
    }
}

impl FeatureEncoder for ClipImage {
    fn features(&self, images: &Tensor, layers: &[&str]) -> Result<Vec<Tensor>> {
        let (mut taken, config) = (Taken::new(layers), &self.config);
        let images = Map::of_images(&self.name, images, InputShape::picture(config.image_size).dims())?;
        let (tokens, width) = (config.tokens(), config.width);
        let x = self.embed(&self.patches.apply(&images, None, Finish::Nothing));
        taken.tokens("embed", &x, images.count, tokens, width)?;
        let each = |block: usize, x: &[f32]| {
            taken.tokens(&format!("block.{block}"), x, images.count, tokens, width)?;
            Ok(!taken.is_complete())
        };
        let Some(x) = self.blocks.run(x, tokens, each)? else { return taken.finish() };
        let last = norm_rows(self.last.view(), &x, None);
        taken.tokens("final", &last, images.count, tokens, width)?;
        let projected = self.project.view().forward(&last);
        taken.tokens("tokens", &projected, images.count, tokens, config.out_dim)?;
        let class: Vec<f32> =
            projected.chunks_exact(tokens * config.out_dim).flat_map(|all| &all[..config.out_dim]).copied().collect();
        taken.rows("image", &class, config.out_dim)?;
        taken.rows("pooled", &class, config.out_dim)?;
        taken.finish()
    }
}

/// Its entry.
pub(in crate::features) const FAMILY: Family = Family {
    word: "clip-vit",
    presets: || {
        let sizes =
            ClipImageConfig { image_size: 224, patch_size: 32, width: 768, layers: 12, heads: 12, out_dim: 512 };
        let aliases = &["clip-vit-b-32", "ViT-B/32", "ViT-B-32"];
        vec![Preset { name: "clip-vit-base-patch32", aliases, sizes: Arc::new(sizes) }]
    },
    read: read::<ClipImageConfig>,
};
