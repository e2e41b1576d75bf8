//! The pre-norm transformer block, x + attention(LN(x)), then x + feed-forward(LN(x)) (ViT, Swin-v1), frozen or
//! differentiable. Prompts pass its first norm as tokens do, and act as keys and values only.
//!
//! - `weights`: its weights and sizes
//! - `frozen`: its halves as operations without weight gradients
//! - `plain`: the block from differentiable operations

mod frozen;
mod plain;
mod weights;

use super::block::Block;
use crate::error::Result;
use crate::kernels::Execution;

pub(super) use weights::{BlockSizes, BlockWeights};

/// A block that is `frozen` or not; a frozen one may forget its activations and compute them again.
///
/// # Errors
/// If a weight has another shape.
pub(super) fn block(
    weights: BlockWeights,
    sizes: BlockSizes,
    execution: Execution,
    frozen: bool,
    recomputes: bool,
) -> Result<Box<dyn Block>> {
    Ok(if frozen {
        Box::new(frozen::block(&weights, &sizes, recomputes)?)
    } else {
        Box::new(plain::PlainBlock::new(weights, sizes, execution)?)
    })
}
