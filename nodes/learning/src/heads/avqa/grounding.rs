//! Sound finds its place in a frame, and whether it belongs there.
//!
//! Per frame: weights over the places of the map by the cosine of each with the sound (softmax, no temperature), the mean
//! of the unit vectors under them, beside the mean of the map: f = fc_gl(tanh [mean V ; g]). Match: [a ; f] -> three layers
//! with ReLU -> 2 logits, class 1: the frame is the sound's own.

use candle_core::{D, Tensor};
use copl_networks::Result;
use copl_networks::kernels::Execution;
use copl_networks::weights::Tensors;

use crate::heads::layers::{dense, linear_specs};
use crate::parameters::ParamSpec;

/// Below this a vector's length counts as this (squared; PyTorch's 1e-12).
const SMALLEST: f64 = 1e-24;

pub(super) fn parameters(width: usize) -> Vec<ParamSpec> {
    [
        linear_specs("fc_gl", 2 * width, width),
        linear_specs("fc1", 2 * width, width),
        linear_specs("fc2", width, width / 2),
        linear_specs("fc3", width / 2, width / 4),
        linear_specs("fc4", width / 4, 2),
    ]
    .concat()
}

/// Maps [N, L, w] and sounds [N, w] -> grounded frames [N, w].
pub(super) fn ground(parameters: &Tensors, maps: &Tensor, sounds: &Tensor, execution: Execution) -> Result<Tensor> {
    let length = |x: &Tensor| (x.sqr()?.sum_keepdim(D::Minus1)? + SMALLEST)?.sqrt();
    let sounds = sounds.broadcast_div(&length(sounds)?)?.unsqueeze(2)?;
    // Unit vectors of all places are never written: their lengths divide scores and weights instead.
    let lengths = length(maps)?.transpose(1, 2)?;
    let scores = (maps.matmul(&sounds)?.transpose(1, 2)? / &lengths)?;
    let weights = (execution.softmax(&scores)? / lengths)?;
    let found = weights.contiguous()?.matmul(maps)?.squeeze(1)?;
    dense(parameters, "fc_gl", &Tensor::cat(&[&maps.mean(1)?, &found], 1)?.tanh()?, execution)
}

/// Sounds [N, w] and grounded frames [N, w] -> logits [N, 2].
pub(super) fn matches(parameters: &Tensors, sounds: &Tensor, frames: &Tensor, execution: Execution) -> Result<Tensor> {
    let mut x = Tensor::cat(&[sounds, frames], 1)?;
    for layer in ["fc1", "fc2", "fc3"] {
        x = execution.relu(&dense(parameters, layer, &x, execution)?)?;
    }
    dense(parameters, "fc4", &x, execution)
}
