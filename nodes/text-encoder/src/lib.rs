//! Questions for a model: as the dataset's word ids, which a head of its own reads, or as features of a frozen, pretrained
//! text encoder.
//!
//! [`TextEncoder`] is such an encoder: BERT, a sentence encoder of its form (MiniLM), or the text half of CLIP, opened from
//! a folder with `config.json`, `tokenizer.json` and `model.safetensors` ([`Folder`] finds it). The arithmetic is that of
//! `copl-networks`. Each text is encoded once and kept: a dataset asks the same questions of many videos.

mod encoder;
mod error;
mod folder;
pub mod node;

pub use encoder::{Encoded, Kind, TextEncoder};
pub use error::{Error, Result};
pub use folder::Folder;
