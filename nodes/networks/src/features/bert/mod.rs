//! BERT (Devlin et al. 2019, arXiv 1810.04805) and encoders of its form, with the names and arithmetic of `transformers`.
//!
//! `embed` are words with positions behind their norm, `block.I` what each block leaves, `final` the last of them. Every
//! word is of the first kind, and none fills a text up: texts of one length at a time.

use std::sync::Arc;

use candle_core::{DType, Tensor};
use serde::{Deserialize, Serialize};

use super::attention::{Attention, Rows};
use super::layer::Layer;
use super::names;
use super::sizes::{Family, FeatureEncoder, FeatureInput, FeatureSizes, read};
use super::taken::Taken;
use crate::error::{Error, Result};
use crate::kernels::dense::DenseLayer;
use crate::kernels::{NormLayer, gelu_in_place, norm_rows};
use crate::weights::{Init, Stored, TensorSpec, Tensors};

/// Sizes of a BERT, under the names of its `config.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BertConfig {
    /// Numbers a word can have.
    pub vocab_size: usize,
    /// Width of a token.
    pub hidden_size: usize,
    /// Blocks.
    pub num_hidden_layers: usize,
    /// Heads of a block.
    pub num_attention_heads: usize,
    /// Hidden width of the feed-forward layer.
    pub intermediate_size: usize,
    /// Words of a text at most.
    pub max_position_embeddings: usize,
    /// Kinds of words.
    #[serde(default = "default_kinds")]
    pub type_vocab_size: usize,
    /// Added to the variance in norms.
    #[serde(default = "default_epsilon")]
    pub layer_norm_eps: f64,
    /// The non-linearity.
    #[serde(default = "default_activation")]
    pub hidden_act: String,
}

fn default_kinds() -> usize {
    2
}

fn default_epsilon() -> f64 {
    1e-12
}

fn default_activation() -> String {
    "gelu".to_owned()
}

impl FeatureSizes for BertConfig {
    fn input(&self) -> FeatureInput {
        FeatureInput::Words { context: self.max_position_embeddings }
    }

    fn layers(&self) -> Vec<Layer> {
        let names = (0..self.num_hidden_layers).map(|block| format!("block.{block}"));
        let names = std::iter::once("embed".to_owned()).chain(names).chain(["final".to_owned()]);
        names.map(|name| Layer::tokens(name, self.max_position_embeddings, self.hidden_size)).collect()
    }

    fn tensors(&self) -> Vec<TensorSpec> {
        let (d, hidden) = (self.hidden_size, self.intermediate_size);
        let table = |name: &str, rows: usize| {
            TensorSpec::new(format!("embeddings.{name}_embeddings.weight"), &[rows, d], Init::Normal { std: 0.02 })
        };
        let mut all = vec![
            table("word", self.vocab_size),
            table("position", self.max_position_embeddings),
            table("token_type", self.type_vocab_size),
        ];
        all.extend(names::norm("embeddings.LayerNorm", d));
        for block in 0..self.num_hidden_layers {
            let name = |part: &str| format!("encoder.layer.{block}.{part}");
            for part in ["query", "key", "value"] {
                all.extend(names::linear(&name(&format!("attention.self.{part}")), d, d));
            }
            all.extend(names::linear(&name("attention.output.dense"), d, d));
            all.extend(names::norm(&name("attention.output.LayerNorm"), d));
            all.extend(names::linear(&name("intermediate.dense"), d, hidden));
            all.extend(names::linear(&name("output.dense"), hidden, d));
            all.extend(names::norm(&name("output.LayerNorm"), d));
        }
        all
    }

    /// Published files put `bert.` before names, call scale and shift gamma and beta, and hold heads of other tasks.
    fn stored(&self, name: &str, _all: &[&str]) -> Stored {
        let name = name.strip_prefix("bert.").unwrap_or(name);
        if ["cls.", "pooler.", "embeddings.position_ids"].iter().any(|prefix| name.starts_with(prefix)) {
            return Stored::Ignore;
        }
        Stored::Keep(name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias"))
    }

    fn build(&self, name: &str, mut weights: Tensors) -> Result<Arc<dyn FeatureEncoder>> {
        let refuse = |reason: String| Err(Error::Config(format!("{name}: {reason}")));
        if self.hidden_act != "gelu" {
            return refuse(format!("the activation {} is not gelu, which BERT's own weights have", self.hidden_act));
        }
        if self.num_attention_heads == 0 || !self.hidden_size.is_multiple_of(self.num_attention_heads) {
            return refuse(format!("width {} cannot be cut in {} heads", self.hidden_size, self.num_attention_heads));
        }
        let mut table = |part: &str| -> Result<Vec<f32>> {
            Ok(weights.take(&format!("embeddings.{part}_embeddings.weight"))?.flatten_all()?.to_vec1()?)
        };
        let (words, mut positions, kinds) = (table("word")?, table("position")?, table("token_type")?);
        for position in positions.chunks_exact_mut(self.hidden_size) {
            position.iter_mut().zip(&kinds).for_each(|(p, kind)| *p += kind);
        }
        let epsilon = self.layer_norm_eps;
        let blocks = (0..self.num_hidden_layers).map(|block| Block::new(block, epsilon, &mut weights));
        Ok(Arc::new(Bert {
            name: name.to_owned(),
            config: self.clone(),
            blocks: blocks.collect::<Result<_>>()?,
            norm: norm(weights.take_pair("embeddings.LayerNorm")?, epsilon)?,
            words,
            positions,
        }))
    }
}

fn norm((weight, bias): (Tensor, Tensor), epsilon: f64) -> Result<NormLayer> {
    Ok(NormLayer::new(&weight, &bias, epsilon)?)
}

/// x = LN(x + attention(x)), x = LN(x + MLP(x)).
struct Block {
    qkv: DenseLayer,
    out: DenseLayer,
    norm1: NormLayer,
    fc1: DenseLayer,
    fc2: DenseLayer,
    norm2: NormLayer,
}

impl Block {
    fn new(block: usize, epsilon: f64, weights: &mut Tensors) -> Result<Self> {
        let name = |part: &str| format!("encoder.layer.{block}.{part}");
        let packed =
            weights.take_packed(&["query", "key", "value"].map(|part| name(&format!("attention.self.{part}"))))?;
        let dense = |(weight, bias): (Tensor, Tensor)| Ok::<_, Error>(DenseLayer::new(&weight, Some(&bias))?);
        Ok(Self {
            qkv: dense(packed)?,
            out: dense(weights.take_pair(&name("attention.output.dense"))?)?,
            norm1: norm(weights.take_pair(&name("attention.output.LayerNorm"))?, epsilon)?,
            fc1: dense(weights.take_pair(&name("intermediate.dense"))?)?,
            fc2: dense(weights.take_pair(&name("output.dense"))?)?,
            norm2: norm(weights.take_pair(&name("output.LayerNorm"))?, epsilon)?,
        })
    }

    /// Tokens [texts, length, width].
    fn run(&self, x: &[f32], texts: usize, attention: Attention) -> Vec<f32> {
        let qkv = self.qkv.view().forward(x);
        let rows = |first: usize| Rows { values: &qkv, first, stride: 3 * attention.width };
        let heads = attention.apply(texts, rows(0), rows(attention.width), rows(2 * attention.width));
        let x = norm_rows(self.norm1.view(), &self.out.view().forward_onto(&heads, x), None);
        let (hidden, _) = self.fc1.view().forward_then::<u16>(&x, false, |y, _| gelu_in_place(y, None));
        norm_rows(self.norm2.view(), &self.fc2.view().forward_onto(&hidden, &x), None)
    }
}

/// A BERT with its weights.
struct Bert {
    name: String,
    config: BertConfig,
    /// [vocabulary, width]
    words: Vec<f32>,
    /// [most words, width], with the first kind's added.
    positions: Vec<f32>,
    norm: NormLayer,
    blocks: Vec<Block>,
}

impl FeatureEncoder for Bert {
    fn features(&self, words: &Tensor, layers: &[&str]) -> Result<Vec<Tensor>> {
        let (mut taken, config) = (Taken::new(layers), &self.config);
        let (width, heads) = (config.hidden_size, config.num_attention_heads);
        let (texts, length) = text_sizes(&self.name, words, config.max_position_embeddings)?;
        let mut x = embedded(&self.name, words, (&self.words, &self.positions), width)?;
        x = norm_rows(self.norm.view(), &x, None);
        taken.tokens("embed", &x, texts, length, width)?;
        let attention = Attention { queries: length, keys: length, width, heads, causal: false };
        for (index, block) in self.blocks.iter().enumerate() {
            x = block.run(&x, texts, attention);
            taken.tokens(&format!("block.{index}"), &x, texts, length, width)?;
        }
        taken.tokens("final", &x, texts, length, width)?;
        taken.finish()
    }
}

/// Texts, and words of each.
///
/// # Errors
/// If they have more than `context` words.
pub(super) fn text_sizes(name: &str, words: &Tensor, context: usize) -> Result<(usize, usize)> {
    match words.dims() {
        &[texts, length] if (1..=context).contains(&length) => Ok((texts, length)),
        found => Err(Error::Shape {
            what: format!("words for {name}"),
            found: found.to_vec(),
            expected: format!("[N, 1 to {context}]"),
        }),
    }
}

/// The vectors of words [texts, length], those of their positions added.
///
/// # Errors
/// If a word is none of the table's.
pub(super) fn embedded(
    name: &str,
    words: &Tensor,
    (table, positions): (&[f32], &[f32]),
    width: usize,
) -> Result<Vec<f32>> {
    let length = words.dim(1)?;
    let words: Vec<u32> = words.to_dtype(DType::U32)?.flatten_all()?.to_vec1()?;
    let vocabulary = table.len() / width.max(1);
    if let Some(word) = words.iter().find(|word| **word as usize >= vocabulary) {
        return Err(Error::Config(format!("{name}: word {word} of a vocabulary of {vocabulary}")));
    }
    let vectors = words.iter().enumerate().flat_map(|(place, word)| {
        let word = &table[*word as usize * width..][..width];
        word.iter().zip(&positions[place % length * width..]).map(|(w, p)| w + p)
    });
    Ok(vectors.collect())
}

/// Its entry: its weights come with their sizes, so there are no presets.
pub(super) const FAMILY: Family = Family { word: "bert", presets: Vec::new, read: read::<BertConfig> };
