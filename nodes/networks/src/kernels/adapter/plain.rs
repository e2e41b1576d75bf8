//! From elementary operations, differentiable in everything, on any device.

use candle_core::{D, Result, Tensor};

use super::{AdaptedTokens, Bottleneck, Fusion, GatePlace, RowNorm};
use crate::kernels::batch_norm::{self, BatchStatistics};
use crate::kernels::{EPSILON, linear, norm, relu, softmax};

/// L + softmax(L Yᵀ) Y.
pub(in crate::kernels) fn gather(latents: &Tensor, tokens: &Tensor) -> Result<Tensor> {
    let scores = linear::plain(tokens, latents, None)?.transpose(1, 2)?.contiguous()?; // [N, t, m]
    softmax::plain(&scores)?.matmul(&tokens.contiguous()?)?.broadcast_add(latents)
}

/// X + g softmax(X Sᵀ) S.
pub(in crate::kernels) fn fuse(x: &Tensor, fusion: &Fusion) -> Result<Tensor> {
    let Fusion { latents, gate } = fusion;
    let scores = x.matmul(&latents.transpose(1, 2)?.contiguous()?)?; // [N, n, t]
    x + softmax::plain(&scores)?.matmul(latents)?.broadcast_mul(gate)?
}

/// The bottleneck of tokens, which read latents first where there are some.
pub(in crate::kernels) fn adapt(x: &Tensor, fusion: Option<&Fusion>, layers: &Bottleneck) -> Result<AdaptedTokens> {
    layers.widths()?;
    let x = match fusion {
        Some(fusion) => fuse(x, fusion)?,
        None => x.clone(),
    };
    let norm = |x: Tensor, norm: &Option<(Tensor, Tensor)>| match norm {
        Some((weight, bias)) => norm::plain(&x, weight, bias, EPSILON),
        None => Ok(x),
    };
    let z = grouped(&norm(x, &layers.norm_before)?, &layers.down, layers.groups)?;
    let (z, of_down) = rows_normed(z, layers.batch_norm_down.as_ref())?;
    let y = grouped(&relu::plain(&z)?, &layers.up, layers.groups)?;
    let (y, of_up) = rows_normed(y, layers.batch_norm_up.as_ref())?;
    let gated = |y: Tensor| match &layers.gate {
        Some(gate) => y.broadcast_mul(gate),
        None => Ok(y),
    };
    let tokens = match layers.gate_place {
        GatePlace::AfterNorm => gated(norm(y, &layers.norm_after)?)?,
        GatePlace::BeforeNorm => norm(gated(y)?, &layers.norm_after)?,
    };
    Ok(AdaptedTokens { tokens, statistics: [of_down, of_up] })
}

/// A linear layer without bias whose output group k reads input group k alone.
fn grouped(x: &Tensor, weight: &Tensor, groups: usize) -> Result<Tensor> {
    let (outputs, inputs) = weight.dims2()?;
    let outputs = outputs / groups;
    let group = |k: usize| {
        let x = x.narrow(D::Minus1, k * inputs, inputs)?.contiguous()?;
        linear::plain(&x, &weight.narrow(0, k * outputs, outputs)?, None)
    };
    Tensor::cat(&(0..groups).map(group).collect::<Result<Vec<_>>>()?, D::Minus1)
}

/// Rows under a batch norm, and the statistics of the batch where it took them.
fn rows_normed(x: Tensor, norm: Option<&RowNorm>) -> Result<(Tensor, Option<BatchStatistics>)> {
    let Some(RowNorm { weight, bias, given }) = norm else { return Ok((x, None)) };
    match given {
        Some(given) => Ok((batch_norm::plain(&x, weight, bias, given)?, None)),
        None => {
            let own = batch_norm::statistics_plain(&x)?;
            Ok((batch_norm::plain(&x, weight, bias, &own)?, Some(own)))
        }
    }
}
