//! The text half: `embed` are words with their positions, `block.I` what each block leaves, `final` the words behind the last
//! norm, `words` the same in the space of both halves, `sentence` the end token's. The end token has the largest number; what
//! fills a text up is 0, as in OpenAI's tokenizer.

use std::sync::Arc;

use candle_core::{DType, Tensor};
use serde::{Deserialize, Serialize};

use super::belongs_to_neither;
use super::blocks::{BlockSizes, Blocks, norm};
use crate::error::Result;
use crate::features::bert::{embedded, text_sizes};
use crate::features::layer::Layer;
use crate::features::names;
use crate::features::sizes::{Family, FeatureEncoder, FeatureInput, FeatureSizes, Preset, read};
use crate::features::taken::Taken;
use crate::kernels::dense::DenseLayer;
use crate::kernels::{NormLayer, norm_rows};
use crate::weights::{Init, Stored, TensorSpec, Tensors};

/// Sizes of CLIP's text half.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClipTextConfig {
    /// Numbers a word can have.
    pub vocabulary: usize,
    /// Words of a text, start, end and what fills it up included.
    pub context: usize,
    /// Width of a token.
    pub width: usize,
    /// Blocks.
    pub layers: usize,
    /// Heads of a block.
    pub heads: usize,
    /// Width of the space of both halves.
    pub out_dim: usize,
    /// Hidden width of the feed-forward layer; four times the width if unset, as in CLIP's own.
    #[serde(default)]
    pub hidden: Option<usize>,
}

impl ClipTextConfig {
    /// Hidden width of the feed-forward layer.
    pub(super) fn hidden(&self) -> usize {
        self.hidden.unwrap_or(4 * self.width)
    }

    fn blocks(&self) -> BlockSizes {
        BlockSizes { width: self.width, heads: self.heads, layers: self.layers, hidden: self.hidden(), causal: true }
    }
}

impl FeatureSizes for ClipTextConfig {
    fn input(&self) -> FeatureInput {
        FeatureInput::Words { context: self.context }
    }

    fn layers(&self) -> Vec<Layer> {
        let (context, width) = (self.context, self.width);
        let mut layers = vec![Layer::tokens("embed", context, width)];
        layers.extend((0..self.layers).map(|block| Layer::tokens(format!("block.{block}"), context, width)));
        layers.push(Layer::tokens("final", context, width));
        layers.push(Layer::tokens("words", context, self.out_dim));
        layers.push(Layer::vector("sentence", self.out_dim));
        layers
    }

    fn tensors(&self) -> Vec<TensorSpec> {
        let d = self.width;
        let normal = |std| Init::Normal { std };
        let mut all = vec![
            TensorSpec::new("token_embedding.weight", &[self.vocabulary, d], normal(0.02)),
            TensorSpec::new("positional_embedding", &[self.context, d], normal(0.01)),
            TensorSpec::new("text_projection", &[d, self.out_dim], normal(1.0 / (d as f64).sqrt())),
        ];
        all.extend(names::norm("ln_final", d));
        all.extend(self.blocks().tensors("transformer.resblocks"));
        all
    }

    fn stored(&self, name: &str, _all: &[&str]) -> Stored {
        let other = name.starts_with("visual.") || belongs_to_neither(name);
        if other { Stored::Ignore } else { Stored::Keep(name.to_string()) }
    }

    fn build(&self, name: &str, mut weights: Tensors) -> Result<Arc<dyn FeatureEncoder>> {
        self.blocks().validate(name)?;
        Ok(Arc::new(ClipText {
            name: name.to_string(),
            config: self.clone(),
            words: weights.take("token_embedding.weight")?.flatten_all()?.to_vec1()?,
            positions: weights.take("positional_embedding")?.flatten_all()?.to_vec1()?,
            last: norm(weights.take_pair("ln_final")?)?,
            blocks: Blocks::new(self.blocks(), "transformer.resblocks", &mut weights)?,
            project: DenseLayer::new(&weights.take("text_projection")?.t()?.contiguous()?, None)?,
        }))
    }
}

/// CLIP's text half with its weights.
struct ClipText {
    name: String,
    config: ClipTextConfig,
    /// [vocabulary, width]
    words: Vec<f32>,
    /// [context, width]
    positions: Vec<f32>,
    last: NormLayer,
    blocks: Blocks,
    project: DenseLayer,
}

impl FeatureEncoder for ClipText {
    fn features(&self, words: &Tensor, layers: &[&str]) -> Result<Vec<Tensor>> {
        let (mut taken, config) = (Taken::new(layers), &self.config);
        let ClipTextConfig { context, width, out_dim, .. } = *config;
        let (texts, length) = text_sizes(&self.name, words, context)?;
        let x = embedded(&self.name, words, (&self.words, &self.positions), width)?;
        let words: Vec<u32> = words.to_dtype(DType::U32)?.flatten_all()?.to_vec1()?;
        taken.tokens("embed", &x, texts, length, width)?;
        let each = |block: usize, x: &[f32]| {
            taken.tokens(&format!("block.{block}"), x, texts, length, width)?;
            Ok(!taken.is_complete())
        };
        let Some(x) = self.blocks.run(x, length, each)? else { return taken.finish() };
        let last = norm_rows(self.last.view(), &x, None);
        taken.tokens("final", &last, texts, length, width)?;
        let projected = self.project.view().forward(&last);
        taken.tokens("words", &projected, texts, length, out_dim)?;
        let end = |text: &[u32]| (0..length).rev().max_by_key(|place| text[*place]).unwrap_or(0);
        let sentences = words.chunks_exact(length).zip(projected.chunks_exact(length * out_dim));
        let sentences: Vec<f32> =
            sentences.flat_map(|(text, all)| &all[end(text) * out_dim..][..out_dim]).copied().collect();
        taken.rows("sentence", &sentences, out_dim)?;
        taken.finish()
    }
}

/// Its entry.
pub(in crate::features) const FAMILY: Family = Family {
    word: "clip-text",
    presets: || {
        let sizes = ClipTextConfig {
            vocabulary: 49408,
            context: 77,
            width: 512,
            layers: 12,
            heads: 8,
            out_dim: 512,
            hidden: None,
        };
        vec![Preset { name: "clip-text-base-patch32", aliases: &["clip-text-b-32"], sizes: Arc::new(sizes) }]
    },
    read: read::<ClipTextConfig>,
};
