//! Frozen text encoders: BERT, sentence encoders of its form, CLIP's text half.
//!
//! One text at a time, without padding. Features are the last hidden states [L, d]; the pooled vector is the class token's
//! (BERT), the mean over all tokens (MiniLM, as sentence-transformers takes it), or the end token's state projected to the
//! space shared with images (CLIP).

use std::path::Path;

use candle_core::{Device, Tensor};
use candle_nn::{Linear, Module, linear_no_bias};
use candle_transformers::models::bert::{BertModel, Config as BertConfig};
use candle_transformers::models::clip::text_model::{Activation, ClipTextConfig, ClipTextTransformer};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokenizers::{Tokenizer, TruncationParams};

use crate::error::{Error, Result, bad_file};
use crate::folder::Folder;
use crate::strict::Strict;

/// Which encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// BERT; the class token stands for the text.
    Bert,
    /// A sentence encoder of BERT's form; the mean over tokens stands for the text.
    MiniLm,
    /// The text half of CLIP; the projected end token stands for the text.
    Clip,
}

/// A text as features.
#[derive(Debug, Clone, PartialEq)]
pub struct Encoded {
    /// Last hidden states, [L, d].
    pub features: Vec<f32>,
    /// Tokens (L), the special ones included.
    pub length: usize,
    /// The vector that stands for the text; as wide as the states but for CLIP's projection.
    pub pooled: Vec<f32>,
}

enum Network {
    Bert(BertModel),
    Clip(ClipTextTransformer, Linear),
}

/// A frozen text encoder.
pub struct TextEncoder {
    kind: Kind,
    tokenizer: Tokenizer,
    network: Network,
    width: usize,
    pooled_width: usize,
}

impl std::fmt::Debug for TextEncoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TextEncoder").field("kind", &self.kind).field("width", &self.width).finish_non_exhaustive()
    }
}

impl TextEncoder {
    /// Opens an encoder; texts of more than `max_tokens` tokens are cut, the special ones kept.
    ///
    /// # Errors
    /// If a file cannot be read, or the weights are not exactly those of the sizes.
    pub fn open(kind: Kind, files: &Folder, max_tokens: usize) -> Result<Self> {
        let (network, width, pooled_width, positions) = match kind {
            Kind::Bert | Kind::MiniLm => bert(files)?,
            Kind::Clip => clip(files)?,
        };
        let mut tokenizer = Tokenizer::from_file(&files.tokenizer).map_err(bad_file(&files.tokenizer))?;
        let truncation = TruncationParams { max_length: max_tokens.min(positions), ..Default::default() };
        tokenizer.with_truncation(Some(truncation)).map_err(bad_file(&files.tokenizer))?.with_padding(None);
        Ok(Self { kind, tokenizer, network, width, pooled_width })
    }

    /// Width of the hidden states.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Width of the pooled vector.
    pub fn pooled_width(&self) -> usize {
        self.pooled_width
    }

    /// Token ids of a text, special ones included.
    ///
    /// # Errors
    /// If the tokenizer makes none of it.
    pub fn ids(&self, text: &str) -> Result<Vec<u32>> {
        let refused = |reason: String| Error::Text { text: text.to_owned(), reason };
        let encoding = self.tokenizer.encode(text, true).map_err(|e| refused(e.to_string()))?;
        match encoding.get_ids() {
            [] => Err(refused("the tokenizer gave none".to_owned())),
            ids => Ok(ids.to_vec()),
        }
    }

    /// Features of a text.
    ///
    /// # Errors
    /// If it has no tokens, or a token is not one of the weights'.
    pub fn encode(&self, text: &str) -> Result<Encoded> {
        let ids = self.ids(text)?;
        let length = ids.len();
        let ids = Tensor::from_vec(ids, (1, length), &Device::Cpu)?;
        let (states, pooled) = match &self.network {
            Network::Bert(model) => {
                let states = model.forward(&ids, &ids.zeros_like()?, None)?.squeeze(0)?;
                let pooled = if self.kind == Kind::MiniLm { states.mean(0)? } else { states.get(0)? };
                (states, pooled)
            }
            Network::Clip(model, projection) => {
                let states = model.forward_with_mask(&ids, usize::MAX)?.squeeze(0)?;
                let pooled = projection.forward(&states.narrow(0, length - 1, 1)?)?.squeeze(0)?;
                (states, pooled)
            }
        };
        Ok(Encoded { features: states.flatten_all()?.to_vec1()?, length, pooled: pooled.to_vec1()? })
    }
}

type Opened = (Network, usize, usize, usize);

fn bert(files: &Folder) -> Result<Opened> {
    let config: BertConfig = json(&files.config)?;
    // Published files put `bert.` before names, call scale and shift gamma and beta, and hold heads of other tasks.
    let strict = Strict::open(&files.weights, |name| {
        let name = name.strip_prefix("bert.").unwrap_or(name);
        let other = ["cls.", "pooler.", "embeddings.position_ids"].iter().any(|prefix| name.starts_with(prefix));
        (!other)
            .then(|| name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias"))
    })?;
    let model = BertModel::load(strict.builder(), &config).map_err(bad_file(&files.weights))?;
    strict.finish(&files.weights)?;
    Ok((Network::Bert(model), config.hidden_size, config.hidden_size, config.max_position_embeddings))
}

/// The part of CLIP's `config.json` that concerns text; of text-only repositories, the whole of it.
#[derive(Deserialize)]
struct ClipConfig {
    #[serde(default)]
    text_config: Option<ClipSizes>,
    #[serde(default)]
    projection_dim: Option<usize>,
}

/// Sizes; where a file leaves one out, those of ViT-B/32, as `transformers` has them.
#[derive(Deserialize)]
#[serde(default)]
struct ClipSizes {
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    max_position_embeddings: usize,
    projection_dim: usize,
    hidden_act: String,
}

impl Default for ClipSizes {
    fn default() -> Self {
        Self {
            vocab_size: 49408,
            hidden_size: 512,
            intermediate_size: 2048,
            num_hidden_layers: 12,
            num_attention_heads: 8,
            max_position_embeddings: 77,
            projection_dim: 512,
            hidden_act: "quick_gelu".to_owned(),
        }
    }
}

fn clip(files: &Folder) -> Result<Opened> {
    let whole: ClipConfig = json(&files.config)?;
    let sizes = match whole.text_config {
        Some(sizes) => sizes,
        None => json(&files.config)?,
    };
    if sizes.hidden_act != "quick_gelu" {
        let reason = format!("the activation {} is not quick_gelu, which CLIP's own weights have", sizes.hidden_act);
        return Err(bad_file(&files.config)(reason));
    }
    let projection_dim = whole.projection_dim.unwrap_or(sizes.projection_dim);
    let config = ClipTextConfig {
        vocab_size: sizes.vocab_size,
        embed_dim: sizes.hidden_size,
        activation: Activation::QuickGelu,
        intermediate_size: sizes.intermediate_size,
        max_position_embeddings: sizes.max_position_embeddings,
        pad_with: None,
        num_hidden_layers: sizes.num_hidden_layers,
        num_attention_heads: sizes.num_attention_heads,
        projection_dim,
    };
    // The other half of CLIP is left where it is.
    let strict = Strict::open(&files.weights, |name| {
        let other = ["vision_model.", "visual_projection.", "logit_scale", "text_model.embeddings.position_ids"];
        (!other.iter().any(|prefix| name.starts_with(prefix))).then(|| name.to_owned())
    })?;
    let (weights, builder) = (&files.weights, strict.builder());
    let model = ClipTextTransformer::new(builder.pp("text_model"), &config).map_err(bad_file(weights))?;
    let projection = linear_no_bias(config.embed_dim, projection_dim, builder.pp("text_projection"));
    let projection = projection.map_err(bad_file(weights))?;
    strict.finish(weights)?;
    Ok((Network::Clip(model, projection), config.embed_dim, projection_dim, config.max_position_embeddings))
}

fn json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = std::fs::read_to_string(path).map_err(bad_file(path))?;
    serde_json::from_str(&text).map_err(bad_file(path))
}
