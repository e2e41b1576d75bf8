//! CLIP (Radford et al. 2021, arXiv 2103.00020), both halves, with OpenAI's names (open_clip's files have them too).
//!
//! - [`image`]: a ViT with a norm before its blocks; tokens and image vector in the space of both halves
//! - [`text`]: a causal transformer over numbers of words
//! - `transformers`: the text half under other names
//! - `blocks`: their common blocks, with QuickGELU

mod blocks;
pub mod image;
pub mod text;
mod transformers;

pub use transformers::TransformersClipText;

/// Added to the variance in norms (PyTorch's default).
const EPSILON: f64 = 1e-5;

/// What a checkpoint of both halves holds beside them.
fn belongs_to_neither(name: &str) -> bool {
    ["logit_scale", "input_resolution", "context_length", "vocab_size"].contains(&name)
}
