//! Frozen feature encoders: networks whose outputs, computed once a clip, are what the methods on frozen features start from.
//!
//! One folder an architecture, and a line in `registry`; what several share lies beside the folders. An encoder turns images
//! [N, C, H, W] into layers under the names of their papers and codes: maps [N, places, d], row by row, and vectors [N, d].
//! It knows no prompts and no gradients; the encoders that methods adapt are in [`crate::encoders`].
//!
//! Everything is channels last and on slices: a convolution lays the neighbours of a block of places side by side and is one
//! product, with bias, residual and non-linearity while the block is in a core's cache. Batch norms are folded into the
//! convolutions before them.

mod attention;
pub mod bench;
pub mod bert;
pub mod clip;
mod convolution;
mod depthwise;
mod layer;
mod map;
mod names;
pub mod pvt_v2;
mod registry;
pub mod resnet;
mod sizes;
mod stack;
mod taken;
pub mod vgg;
pub mod vggish;

pub use layer::{Layer, LayerShape};
pub use registry::{FeatureArchitecture, FeatureInfo, preset, presets};
pub use sizes::{FeatureEncoder, FeatureInput, FeatureSizes};
