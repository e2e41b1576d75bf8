//! Continuous relative position bias: a small network on log-spaced coordinates, squeezed into (0, 16)
//! (Swin-V2, section 3.3; timm `WindowAttention._make_pair_wise_relative_positions`).

use candle_core::{Device, Result, Tensor};

/// The weights of the network: [512, 2], [512], [H, 512].
pub(super) struct BiasNetwork<'a> {
    pub(super) first: &'a Tensor,
    pub(super) first_bias: &'a Tensor,
    pub(super) second: &'a Tensor,
}

/// Bias [H, W, W] of windows of `window` x `window` positions; `pretrained` is the window the weights were trained
/// with, 0 for the same. Differentiable in the weights.
pub(super) fn position_bias(network: &BiasNetwork<'_>, window: usize, pretrained: usize) -> Result<Tensor> {
    let device = network.first.device();
    let coordinates = coordinates(window, pretrained, device)?;
    let hidden = coordinates.matmul(&network.first.t()?)?.broadcast_add(network.first_bias)?.relu()?;
    let table = hidden.matmul(&network.second.t()?)?; // [(2w - 1)², H]
    let size = window * window;
    let heads = table.dim(1)?;
    let bias = table.index_select(&pairs(window, device)?, 0)?.t()?.contiguous()?.reshape((heads, size, size))?;
    (bias.neg()?.exp()? + 1.0)?.recip()? * 16.0
}

/// Log-spaced coordinates of every offset, [(2w - 1)², 2].
fn coordinates(window: usize, pretrained: usize, device: &Device) -> Result<Tensor> {
    let reach = window as i64 - 1;
    let unit = if pretrained > 0 { pretrained - 1 } else { window - 1 }.max(1) as f32;
    let spaced = |offset: i64| {
        let x = offset as f32 / unit * 8.0;
        x.signum() * if offset == 0 { 0.0 } else { (x.abs() + 1.0).log2() / 8f32.log2() }
    };
    let all: Vec<f32> = (-reach..=reach)
        .flat_map(|row| (-reach..=reach).flat_map(move |column| [spaced(row), spaced(column)]))
        .collect();
    Tensor::from_vec(all, ((2 * window - 1).pow(2), 2), device)
}

/// The row of a table of offsets, [(2w - 1)², H], for each pair of a window's positions, [W * W].
pub(in crate::encoders) fn pairs(window: usize, device: &Device) -> Result<Tensor> {
    let size = window * window;
    let side = 2 * window - 1;
    let index = |i: usize, j: usize| {
        let row = i / window + window - 1 - j / window;
        let column = i % window + window - 1 - j % window;
        (row * side + column) as u32
    };
    let all: Vec<u32> = (0..size).flat_map(|i| (0..size).map(move |j| index(i, j))).collect();
    Tensor::from_vec(all, size * size, device)
}
