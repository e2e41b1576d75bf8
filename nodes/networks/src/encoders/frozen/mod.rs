//! Frozen blocks as single operations of the graph: forward keeps what backward needs, and no weight has a gradient.
//!
//! - `part`: what a half of a block says of itself, and the numbers that pass through it
//! - `block`: the whole block from its two halves, so that whole and halves are the same arithmetic
//! - `operation`: half or whole as one operation of the graph

mod block;
mod operation;
mod part;

pub(super) use block::FrozenBlock;
pub(super) use part::{FrozenPart, InputGradients, Inputs};
