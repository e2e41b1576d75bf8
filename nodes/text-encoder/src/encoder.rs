//! Frozen text encoders: BERT, sentence encoders of its form, CLIP's text half.
//!
//! One text at a time, without padding. Features are the last hidden states [L, d]; the pooled vector is the class token's
//! (BERT), the mean over all tokens (MiniLM, as sentence-transformers takes it), or the end token's state projected to the
//! space shared with images (CLIP).

use std::path::Path;
use std::sync::Arc;

use candle_core::{Device, Tensor};
use copl_networks::features::bert::BertConfig;
use copl_networks::features::clip::TransformersClipText;
use copl_networks::features::clip::text::ClipTextConfig;
use copl_networks::features::{FeatureArchitecture, FeatureEncoder, FeatureSizes};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokenizers::{Tokenizer, TruncationParams};

use crate::error::{Error, Result, bad_file};
use crate::folder::Folder;

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

/// A frozen text encoder.
pub struct TextEncoder {
    kind: Kind,
    tokenizer: Tokenizer,
    network: Arc<dyn FeatureEncoder>,
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
        let layers: &[&str] = if self.kind == Kind::Clip { &["final", "words"] } else { &["final"] };
        let found = self.network.features(&ids, layers)?;
        let states = found[0].squeeze(0)?;
        let pooled = match self.kind {
            Kind::Bert => states.get(0)?,
            Kind::MiniLm => states.mean(0)?,
            // The end token, the last one.
            Kind::Clip => found[1].squeeze(0)?.get(length - 1)?,
        };
        Ok(Encoded { features: states.flatten_all()?.to_vec1()?, length, pooled: pooled.to_vec1()? })
    }
}

/// A network, the widths of its states and of what stands for a text, and the words of a text at most.
type Opened = (Arc<dyn FeatureEncoder>, usize, usize, usize);

fn built(name: &str, sizes: impl FeatureSizes + 'static, weights: &Path) -> Result<Arc<dyn FeatureEncoder>> {
    let architecture = FeatureArchitecture::new(name, sizes);
    Ok(architecture.build(architecture.read(weights)?)?)
}

fn bert(files: &Folder) -> Result<Opened> {
    let config: BertConfig = json(&files.config)?;
    let (width, positions) = (config.hidden_size, config.max_position_embeddings);
    Ok((built("the text encoder", config, &files.weights)?, width, width, positions))
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
        vocabulary: sizes.vocab_size,
        context: sizes.max_position_embeddings,
        width: sizes.hidden_size,
        layers: sizes.num_hidden_layers,
        heads: sizes.num_attention_heads,
        out_dim: projection_dim,
        hidden: Some(sizes.intermediate_size),
    };
    let (width, positions) = (config.width, config.context);
    let network = built("the text encoder", TransformersClipText(config), &files.weights)?;
    Ok((network, width, projection_dim, positions))
}

fn json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = std::fs::read_to_string(path).map_err(bad_file(path))?;
    serde_json::from_str(&text).map_err(bad_file(path))
}
