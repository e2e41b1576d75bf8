//! What learned latents gather from tokens (eq. 5). It runs beside the tokens, so that p rows cross a cut and not L.

use candle_core::Tensor;

use crate::error::Result;
use crate::kernels::Execution;

/// Latents L [p, d] and tokens Z [N, L, d] -> L + softmax(L Zᵀ) Z, [N, p, d]; the softmax is over tokens, without 1/√d.
/// The tokens come twice, as what is compared and as what is gathered, so that the two gradients can be told apart.
///
/// # Errors
/// If the widths differ.
pub fn read_out(keys: &Tensor, values: &Tensor, latents: &Tensor, execution: Execution) -> Result<Tensor> {
    let scores = execution.linear(keys, latents, None)?; // [N, L, p]
    let weights = execution.softmax(&scores.transpose(1, 2)?.contiguous()?)?;
    Ok(weights.matmul(values)?.broadcast_add(latents)?)
}
