//! Losses on plain numbers, with their gradients: what the loss node and the comparison with reference results share.
//!
//! - [`masks`]: binary cross entropy of masks (AVSBench)
//! - [`matching`]: sound and picture of several sources matched (AVSBench MS3)

pub mod masks;
pub mod matching;
