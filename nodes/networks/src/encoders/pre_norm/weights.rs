//! The weights of a pre-norm block, and its sizes.

use candle_core::Tensor;

use crate::error::Result;
use crate::kernels::attention::windows::Windows;
use crate::weights::{Init, TensorSpec, Tensors};

/// The weights all pre-norm blocks have, under these names behind a prefix: `norm1`, `attn.qkv`, `attn.proj`, `norm2`,
/// `mlp.fc1`, `mlp.fc2`, each a weight and a bias.
pub(in crate::encoders) struct BlockWeights {
    pub(super) norm1: (Tensor, Tensor),
    pub(super) qkv: (Tensor, Tensor),
    pub(super) proj: (Tensor, Tensor),
    pub(super) norm2: (Tensor, Tensor),
    pub(super) fc1: (Tensor, Tensor),
    pub(super) fc2: (Tensor, Tensor),
}

impl BlockWeights {
    /// Takes the weights of the block `prefix` out of those of an encoder.
    ///
    /// # Errors
    /// If one is absent.
    pub(in crate::encoders) fn take(weights: &mut Tensors, prefix: &str) -> Result<Self> {
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
    pub(in crate::encoders) fn specs(prefix: &str, width: usize, hidden: usize) -> Vec<TensorSpec> {
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
pub(in crate::encoders) struct BlockSizes {
    /// Heads (H); logits are divided by the root of their width.
    pub(in crate::encoders) heads: usize,
    /// Added to the variance in its norms.
    pub(in crate::encoders) epsilon: f64,
    /// Which tokens see which; none if all see all, whatever their number.
    pub(in crate::encoders) windows: Option<Windows>,
    /// [H, W, W] position bias, where there is one.
    pub(in crate::encoders) bias: Option<Tensor>,
}
