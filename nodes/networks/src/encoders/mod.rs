//! Frozen encoders, exposed block by block so that a method can put prompts in each, or read and write
//! the tokens between their halves.
//!
//! One folder an architecture, and an entry in `registry`; what several share lies beside the folders. An encoder turns
//! images [N, C, H, W] into tokens [N, L, d] and those into a pooled feature [N, d]; it knows nothing of clips or of what
//! prompts mean. Frames have three channels. A spectrogram enters as an image too: [time, mel], repeated by the caller to
//! as many channels as the encoder takes.

mod attention;
mod block;
mod block_info;
mod encoder;
mod frozen;
#[cfg(test)]
mod halves_tests;
pub mod hts_at;
mod input;
mod maps;
mod merging;
mod patches;
mod placement;
mod pre_norm;
mod prompts;
mod registry;
mod sizes;
pub mod swin_v2;
pub mod vit;
mod whole;

pub use block_info::{BlockInfo, sites, stages};
pub use encoder::Encoder;
pub use input::{InputShape, Modality};
pub use maps::{EncoderShape, MapSize, Maps};
pub use prompts::{Granularity, Prompts};
pub use registry::{Architecture, EncoderCard, LoadedEncoder, PresetInfo, load, preset, presets};
pub use sizes::Sizes;
pub use whole::{Encoded, encode};

pub use crate::kernels::attention::PromptBias;
