//! Temporal pixel-wise audio-visual interaction (AVSBench TPAVI, dot-product mode) without its (T H W)² matrix.
//!
//! The official module computes A = θ(x)ᵀ φ(a) / N over all N = T H W positions, without softmax, and z = x + BN(W(A g)).
//! Products associate, and φ(a) is the same all over a frame: (A g)_i = θ_i · M with
//! M = 1/T Σ_t φ_t ⊗ mean of g over frame t, a matrix of the inner width. O(N), exactly.

use std::collections::BTreeMap;

use candle_core::Tensor;
use copl_networks::Result;
use copl_networks::kernels::Execution;
use copl_networks::weights::{TensorSpec, Tensors};

use crate::heads::layers::{conv_specs, dense, linear_specs, norm, norm_specs};
use crate::methods::ClipShape;
use crate::parameters::ParamSpec;
use crate::running_statistics;

/// What the module `name` learns, `channels` wide, audio of width `audio`.
pub(super) fn parameters(name: &str, channels: usize, audio: usize) -> Vec<ParamSpec> {
    let inner = channels / 2;
    let unit = [1, 1, 1];
    [
        linear_specs(&format!("{name}.align_channel"), audio, channels),
        norm_specs(&format!("{name}.norm_layer"), channels, 1.0),
        conv_specs(&format!("{name}.g"), channels, inner, &unit),
        conv_specs(&format!("{name}.theta"), channels, inner, &unit),
        conv_specs(&format!("{name}.phi"), channels, inner, &unit),
        conv_specs(&format!("{name}.W_z.0"), inner, channels, &unit),
        // Zero: the module starts as the identity, before its layer norm.
        norm_specs(&format!("{name}.W_z.1"), channels, 0.0),
    ]
    .concat()
}

/// Its running statistics.
pub(super) fn buffers(name: &str, channels: usize) -> Vec<TensorSpec> {
    running_statistics::specs(&format!("{name}.W_z.1"), channels).to_vec()
}

/// `x` [B T, H, W, C] and `audio` [B T, d] -> [B T, H, W, C], and the audio aligned to it, [B T, C]. With `training`, batch statistics normalise and the running
/// statistics that follow from them are put there.
///
/// # Errors
/// If shapes do not fit or a tensor is absent.
#[allow(clippy::too_many_arguments, reason = "the module's inputs, each of its own kind")]
pub(super) fn forward(
    name: &str,
    parameters: &Tensors,
    buffers: &Tensors,
    x: &Tensor,
    audio: &Tensor,
    shape: ClipShape,
    training: Option<&mut BTreeMap<String, Tensor>>,
    execution: Execution,
) -> Result<(Tensor, Tensor)> {
    let (images, height, width, channels) = x.dims4()?;
    let ClipShape { clips, segments } = shape;
    let layer = |what: &str, x: &Tensor| dense(parameters, &format!("{name}.{what}"), x, execution);
    let aligned = layer("align_channel", audio)?;
    let phi = layer("phi", &aligned)?;
    let inner = phi.dim(1)?;
    let phi = phi.reshape((clips, segments, inner))?;
    // The mean of g over a frame is g of the frame's mean: g is linear.
    let frame_means = x.reshape((images, height * width, channels))?.mean(1)?;
    let g = layer("g", &frame_means)?.reshape((clips, segments, inner))?;
    let pairs = (phi.transpose(1, 2)?.contiguous()?.matmul(&g)? / segments as f64)?;
    // W after M is one matrix [inner, C] a clip.
    let out = parameters.get(&format!("{name}.W_z.0.weight"))?.flatten_from(1)?;
    let both = execution.linear(&pairs, &out, None)?;
    let theta = layer("theta", x)?.reshape((clips, segments * height * width, inner))?;
    let y = theta.matmul(&both)?.broadcast_add(&parameters.get(&format!("{name}.W_z.0.bias"))?)?;
    let normed = format!("{name}.W_z.1");
    let statistics = match training {
        Some(updates) => {
            let statistics = execution.batch_statistics(&y)?;
            running_statistics::follow(buffers, &normed, &statistics, updates)?;
            statistics
        }
        None => running_statistics::given(buffers, &normed)?,
    };
    let scale = |what: &str| parameters.get(&format!("{normed}.{what}"));
    let y = execution.batch_norm(&y, &scale("weight")?, &scale("bias")?, &statistics)?;
    Ok((norm(parameters, &format!("{name}.norm_layer"), &(y.reshape(x.shape())? + x)?, execution)?, aligned))
}
