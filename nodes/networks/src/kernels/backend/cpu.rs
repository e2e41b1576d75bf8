//! The fused operations of the CPU, f32.

use candle_core::{Result, Tensor, Var};

use super::{Backend, WindowAttention};
use crate::kernels::adam::{self, AdamStep};
use crate::kernels::adapter::{self, AdaptedTokens, Bottleneck, Fusion};
use crate::kernels::attention::trainable;
use crate::kernels::batch_norm::{self, BatchStatistics};
use crate::kernels::conv::{self, Filter};
use crate::kernels::resize::{self, Interpolation};
use crate::kernels::{gelu, linear, lstm, norm, relu, softmax};

/// Fuses everything.
#[derive(Debug)]
pub(in crate::kernels) struct Cpu;

impl Backend for Cpu {
    fn linear(&self, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        linear::fused(x, weight, bias)
    }

    fn times(&self, x: &Tensor, matrix: &Tensor) -> Result<Tensor> {
        linear::times_fused(x, matrix)
    }

    fn layer_norm_with(&self, x: &Tensor, weight: &Tensor, bias: &Tensor, epsilon: f64) -> Result<Tensor> {
        norm::fused(x, weight, bias, epsilon)
    }

    fn gelu(&self, x: &Tensor) -> Result<Tensor> {
        gelu::fused(x)
    }

    fn relu(&self, x: &Tensor) -> Result<Tensor> {
        relu::fused(x)
    }

    fn softmax(&self, x: &Tensor) -> Result<Tensor> {
        softmax::fused(x)
    }

    fn convolve(&self, x: &Tensor, filters: &[Filter]) -> Result<Tensor> {
        conv::fused(x, filters)
    }

    fn resize(&self, x: &Tensor, size: (usize, usize), how: Interpolation) -> Result<Tensor> {
        resize::fused(x, size, how)
    }

    fn batch_statistics(&self, x: &Tensor) -> Result<BatchStatistics> {
        batch_norm::statistics_fused(x)
    }

    fn batch_norm(&self, x: &Tensor, weight: &Tensor, bias: &Tensor, statistics: &BatchStatistics) -> Result<Tensor> {
        batch_norm::fused(x, weight, bias, statistics)
    }

    fn lstm(&self, inputs: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
        lstm::fused(inputs, weight, bias)
    }

    fn gather(&self, latents: &Tensor, tokens: &Tensor) -> Result<Tensor> {
        adapter::gather_fused(latents, tokens)
    }

    fn fuse(&self, x: &Tensor, fusion: &Fusion) -> Result<Tensor> {
        adapter::fuse_fused(x, fusion)
    }

    fn weigh(&self, x: &Tensor, channels: &Tensor, tokens: Option<&Tensor>) -> Result<Tensor> {
        adapter::weigh_fused(x, channels, tokens)
    }

    fn mean_of_positive(&self, x: &Tensor) -> Result<Tensor> {
        adapter::mean_of_positive_fused(x)
    }

    fn adapt(&self, x: &Tensor, fusion: Option<&Fusion>, layers: &Bottleneck) -> Result<AdaptedTokens> {
        adapter::adapt_fused(x, fusion, layers)
    }

    fn adam(&self, weight: &Var, moments: [&Tensor; 2], gradient: &Tensor, step: &AdamStep) -> Result<[Tensor; 2]> {
        adam::fused(weight, moments, gradient, step)
    }

    fn window_attention(&self) -> Option<WindowAttention> {
        Some(trainable::attend)
    }

    fn freezes_blocks(&self) -> bool {
        true
    }
}
