//! Frozen networks: what their tokens are, how they are computed, where their weights come from.
//!
//! - [`encoders`]: one folder an architecture; [`kernels`]: their arithmetic
//! - [`features`]: frozen networks whose outputs are computed once a clip, one folder an architecture
//! - [`handles`]: encoders as methods use them, in this process or in a node of their own; [`wire`]: what crosses to such
//!   a node, as rows of an edge
//! - [`weights`]: named weights, and the files they come from; [`tensor_file`]: safetensors files, read and written whole
//! - [`images`]: encoders' images from what decoders send; [`device`]: where the arithmetic runs
//! - [`settings`]: encoders, precision and stages as settings; [`random`]: random streams by seed and purpose
//!
//! Nothing here learns: what does is the crate `copl-learning`.

pub mod device;
pub mod encoders;
mod error;
pub mod features;
pub mod handles;
pub mod images;
pub mod kernels;
pub mod random;
pub mod settings;
pub mod tensor_file;
pub mod weights;
pub mod wire;

pub use error::{Error, NameMismatch, Result, bad_file, io};
