//! The operations that differ between devices, one method each.
//!
//! A method's own body is the plain composition beside the operation's kernels: any device, differentiable in all its
//! arguments, and the oracle of every fused form. A backend overrides what it has fused. `plain` overrides nothing, `cpu`
//! all; another device is one more file here and a line in [`Execution::on`](super::Execution::on).

pub(super) mod cpu;
pub(super) mod plain;

use std::fmt::Debug;
use std::sync::Arc;

use candle_core::{Result, Tensor, Var};

use super::adam::{self, AdamStep};
use super::adapter::{self, AdaptedTokens, Bottleneck, Fusion};
use super::attention::windows::Windows;
use super::batch_norm::{self, BatchStatistics};
use super::conv::{self, Filter};
use super::norm::{self, EPSILON};
use super::resize::{self, Interpolation};
use super::{linear, lstm, relu, softmax};

/// Window attention as one operation: packed tokens `qkv` [N, L, 3C] -> [N, L, C] with `bias` [H, W, W] (or `[0]`: none)
/// and `scale` `[H]`, cosine similarities or not; differentiable in the three. Maps of whole windows, no prompts.
pub type WindowAttention = fn(&Arc<Windows>, &Tensor, &Tensor, &Tensor, bool) -> Result<Tensor>;

/// Operations on tensors of one device, differentiable in all tensors they are given. What is wrong with a call is an
/// error: shapes that do not fit, or a tensor elsewhere.
pub trait Backend: Debug + Send + Sync {
    /// x Wᵀ + b over the last dimension of `x` [..., in], with `weight` [out, in] and `bias` `[out]`. A weight or bias that
    /// takes no part in a graph has no gradient computed, nor kept.
    fn linear(&self, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        linear::plain(x, weight, bias)
    }

    /// x M over the last dimension of `x` [..., in], with a matrix [in, out].
    fn times(&self, x: &Tensor, matrix: &Tensor) -> Result<Tensor> {
        linear::times_plain(x, matrix)
    }

    /// LN(x) weight + bias over the last dimension of `x` [..., width], with 1e-5 added to the variance.
    fn layer_norm(&self, x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
        self.layer_norm_with(x, weight, bias, EPSILON)
    }

    /// [`Backend::layer_norm`] with `epsilon` added to the variance.
    fn layer_norm_with(&self, x: &Tensor, weight: &Tensor, bias: &Tensor, epsilon: f64) -> Result<Tensor> {
        norm::plain(x, weight, bias, epsilon)
    }

    /// GELU with the error function, of every number.
    fn gelu(&self, x: &Tensor) -> Result<Tensor> {
        x.gelu_erf()
    }

    /// max(x, 0) of every number; the gradient at 0 is 0.
    fn relu(&self, x: &Tensor) -> Result<Tensor> {
        relu::plain(x)
    }

    /// Softmax over the last dimension.
    fn softmax(&self, x: &Tensor) -> Result<Tensor> {
        softmax::plain(x)
    }

    /// The sum of the convolutions `filters`, at least one, of `x` [N, H, W, in] -> [N, H, W, out].
    fn convolve(&self, x: &Tensor, filters: &[Filter]) -> Result<Tensor> {
        conv::plain(x, filters)
    }

    /// Resizes `x` [N, H, W, C] to `size` (H', W'), [N, H', W', C].
    fn resize(&self, x: &Tensor, size: (usize, usize), how: Interpolation) -> Result<Tensor> {
        resize::plain(x, size, how)
    }

    /// Means and variances of `x` [..., channels] over everything but the channels, outside any graph.
    fn batch_statistics(&self, x: &Tensor) -> Result<BatchStatistics> {
        batch_norm::statistics_plain(x)
    }

    /// (x - mean) / sqrt(variance + epsilon) weight + bias over the last dimension of `x` [..., channels]; differentiable
    /// through the statistics too where they are those of `x`.
    fn batch_norm(&self, x: &Tensor, weight: &Tensor, bias: &Tensor, statistics: &BatchStatistics) -> Result<Tensor> {
        batch_norm::plain(x, weight, bias, statistics)
    }

    /// Last hidden and cell states [Q, 2D] after W words, from zero states. `inputs` [Q, W, 4D] are the gates' parts of
    /// each word alone (its product with `weight_ih`, `bias_ih` added), in PyTorch's order: input, forget, cell, output;
    /// `weight` [4D, D] and `bias` `[4D]` are `weight_hh` and `bias_hh`.
    fn lstm(&self, inputs: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
        lstm::plain(inputs, weight, bias)
    }

    /// What latents L [t, d] gather from tokens Y [N, m, d]: L + softmax(L Yᵀ) Y, [N, t, d]; the softmax is over tokens, one
    /// head, without 1/√d.
    fn gather(&self, latents: &Tensor, tokens: &Tensor) -> Result<Tensor> {
        adapter::gather(latents, tokens)
    }

    /// Tokens `x` [N, n, d] that read gathered latents, [N, n, d].
    fn fuse(&self, x: &Tensor, fusion: &Fusion) -> Result<Tensor> {
        adapter::fuse(x, fusion)
    }

    /// x (c + t) of tokens `x` [N, n, d], weights c of channels [N, 1, d] and t of tokens [N, n, 1] (none: 0).
    fn weigh(&self, x: &Tensor, channels: &Tensor, tokens: Option<&Tensor>) -> Result<Tensor> {
        adapter::weigh_plain(x, channels, tokens)
    }

    /// The mean over tokens of max(x, 0), [N, n, d] -> [N, 1, d]; the gradient at 0 is 0.
    fn mean_of_positive(&self, x: &Tensor) -> Result<Tensor> {
        adapter::mean_of_positive_plain(x)
    }

    /// What an adapter makes of tokens `x` [N, n, d], which read gathered latents first where there are some.
    fn adapt(&self, x: &Tensor, fusion: Option<&Fusion>, layers: &Bottleneck) -> Result<AdaptedTokens> {
        adapter::adapt(x, fusion, layers)
    }

    /// A step of Adam: moves `weight` and returns the new first and second moments. `gradient` is outside any graph.
    fn adam(&self, weight: &Var, moments: [&Tensor; 2], gradient: &Tensor, step: &AdamStep) -> Result<[Tensor; 2]> {
        adam::plain(weight, moments, gradient, step)
    }

    /// Window attention as one operation, where there is one; without, it is composed of the others.
    fn window_attention(&self) -> Option<WindowAttention> {
        None
    }

    /// True if an encoder's block whose weights take no part in a graph runs as one operation on slices.
    fn freezes_blocks(&self) -> bool {
        false
    }
}
