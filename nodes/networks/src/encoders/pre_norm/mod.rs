//! The pre-norm transformer block, x + attention(LN(x)), then x + feed-forward(LN(x)) (ViT, Swin-v1), frozen or
//! differentiable. Prompts pass its first norm as tokens do, and act as keys and values only.
//!
//! - `frozen`: the block as one operation without weight gradients
//! - `plain`: the block from differentiable operations

mod frozen;
mod plain;

use std::sync::Arc;

use candle_core::Tensor;

use self::frozen::FrozenLayer;
use self::plain::PlainLayer;
use super::Prompts;
use crate::error::Result;
use crate::kernels::Execution;
use crate::kernels::attention::windows::Windows;
use crate::weights::{Init, TensorSpec, Tensors};

/// The weights all pre-norm blocks have, under these names behind a prefix: `norm1`, `attn.qkv`, `attn.proj`, `norm2`,
/// `mlp.fc1`, `mlp.fc2`, each a weight and a bias.
pub(super) struct BlockWeights {
    norm1: (Tensor, Tensor),
    qkv: (Tensor, Tensor),
    proj: (Tensor, Tensor),
    norm2: (Tensor, Tensor),
    fc1: (Tensor, Tensor),
    fc2: (Tensor, Tensor),
}

impl BlockWeights {
    /// Takes the weights of the block `prefix` out of those of an encoder.
    ///
    /// # Errors
    /// If one is absent.
    pub(super) fn take(weights: &mut Tensors, prefix: &str) -> Result<Self> {
        let mut pair = |name: &str| weights.take_pair(&format!("{prefix}.{name}"));
        Ok(Self {
            norm1: pair("norm1")?,
            qkv: pair("attn.qkv")?,
            proj: pair("attn.proj")?,
            norm2: pair("norm2")?,
            fc1: pair("mlp.fc1")?,
            fc2: pair("mlp.fc2")?,
        })
    }

    /// Names, shapes and starts of the weights of the block `prefix`.
    pub(super) fn specs(prefix: &str, width: usize, hidden: usize) -> Vec<TensorSpec> {
        let linear = Init::Normal { std: 0.02 };
        let layer = |name: &str, shape: &[usize], init: Init| {
            let spec =
                |part: &str, shape: &[usize], init| TensorSpec::new(format!("{prefix}.{name}.{part}"), shape, init);
            [spec("weight", shape, init), spec("bias", &shape[..1], Init::Constant(0.0))]
        };
        [
            layer("norm1", &[width], Init::Constant(1.0)),
            layer("attn.qkv", &[3 * width, width], linear),
            layer("attn.proj", &[width, width], linear),
            layer("norm2", &[width], Init::Constant(1.0)),
            layer("mlp.fc1", &[hidden, width], linear),
            layer("mlp.fc2", &[width, hidden], linear),
        ]
        .concat()
    }
}

/// What a block is beside its weights.
pub(super) struct BlockSizes {
    /// Heads (H); logits are divided by the root of their width.
    pub(super) heads: usize,
    /// Added to the variance in its norms.
    pub(super) epsilon: f64,
    /// Which tokens see which; none if all see all, whatever their number.
    pub(super) windows: Option<Windows>,
    /// [H, W, W] position bias, where there is one.
    pub(super) bias: Option<Tensor>,
}

/// A block of an encoder.
pub(super) enum Block {
    /// As one operation, without weight gradients.
    Frozen(Arc<FrozenLayer>),
    /// From differentiable operations.
    Differentiable(Box<PlainLayer>),
}

impl Block {
    /// A block that is `frozen` or not; a frozen one may forget its activations and compute them again.
    ///
    /// # Errors
    /// If a weight has another shape.
    pub(super) fn new(
        weights: BlockWeights,
        sizes: BlockSizes,
        execution: Execution,
        frozen: bool,
        recomputes: bool,
    ) -> Result<Self> {
        Ok(if frozen {
            Self::Frozen(Arc::new(FrozenLayer::new(&weights, &sizes, recomputes)?))
        } else {
            Self::Differentiable(Box::new(PlainLayer::new(weights, sizes, execution)?))
        })
    }

    /// Tokens [N, L, C] -> [N, L, C], with prompts or without.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub(super) fn forward(&self, tokens: &Tensor, prompts: Option<&Prompts>) -> Result<Tensor> {
        match self {
            Self::Frozen(layer) => Ok(super::frozen::apply(layer, tokens, prompts)?),
            Self::Differentiable(layer) => layer.forward(tokens, prompts),
        }
    }
}
