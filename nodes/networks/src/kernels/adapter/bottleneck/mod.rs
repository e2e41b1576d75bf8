//! The bottleneck of an adapter, with the fusion in front of it, as one operation.
//!
//! Rows go through in tasks that stay in a core's cache; what is as wide as the tokens is written once, the result, and
//! once more in the backward pass, the gradient of the tokens. Between the two products lies z = W_down LN(X'), r wide:
//! it alone is kept, and what a batch norm over all rows needs is summed from it. Mean and variance behind W_up follow
//! from mean and covariance of what enters it.
//!
//! - `folded`: norms and gates folded into the weights they stand beside
//! - `statistics`: what the batch norms take
//! - `forward`, `backward`: the passes over rows
//! - `unfolded`: gradients of parameters from those of folded weights
//! - `operation`: the operation of the graph

mod backward;
mod folded;
mod forward;
mod operation;
mod statistics;
mod unfolded;

#[cfg(test)]
mod tests;

use super::GatePlace;
use super::grouped::Grouped;
use super::packed::Parameters;
use super::reading::{Reading, ReadingScratch};
use crate::kernels::batch_norm::BatchStatistics;
use crate::kernels::norm;

pub(in crate::kernels) use operation::fused;

/// An adapter on slices.
#[derive(Debug, Clone, Copy)]
struct Adapter<'a> {
    reading: Option<Reading<'a>>,
    /// From d to r.
    down: Grouped,
    /// From r to d.
    up: Grouped,
    parameters: Parameters<&'a [f32]>,
    /// Statistics to take behind `down` and `up`; none where they are the rows' own.
    given: &'a [Option<BatchStatistics>; 2],
    gate_place: GatePlace,
}

/// Working memory of one task for what enters `down`.
#[derive(Debug, Default)]
struct Scratch {
    reading: ReadingScratch,
    /// X', normed where there is a norm before.
    x: Vec<f32>,
    /// Reciprocal deviations of the rows of X' under that norm, [rows].
    scales: Vec<f32>,
}

impl Adapter<'_> {
    /// The gate's factor in front of the norm after, and behind it.
    fn gates(&self) -> [f32; 2] {
        let gate = self.parameters.gate.map_or(1.0, |gate| gate[0]);
        match self.parameters.norm_after.is_some() && self.gate_place == GatePlace::AfterNorm {
            true => [1.0, gate],
            false => [gate, 1.0],
        }
    }

    /// Fills `scratch` from tokens `x` of a task that begins at row `first`, unless they enter `down` as they are.
    fn enter(&self, first: usize, x: &[f32], scratch: &mut Scratch) {
        let normed = self.parameters.norm_before.is_some();
        if self.reading.is_none() && !normed {
            return;
        }
        scratch.x.resize(x.len(), 0.0);
        match self.reading {
            Some(reading) => reading.forward(first, x, &mut scratch.x, &mut scratch.reading),
            None => scratch.x.copy_from_slice(x),
        }
        if normed {
            scratch.scales.clear();
            for row in scratch.x.chunks_exact_mut(self.down.inputs) {
                let (mean, scale) = norm::statistics(row, norm::EPSILON as f32);
                row.iter_mut().for_each(|x| *x = (*x - mean) * scale);
                scratch.scales.push(scale);
            }
        }
    }

    /// What enters `down`, but for weight and bias of the norm before: what was made of tokens `x`, or they themselves.
    fn entering<'b>(&self, x: &'b [f32], made: &'b [f32]) -> &'b [f32] {
        match self.reading.is_none() && self.parameters.norm_before.is_none() {
            true => x,
            false => made,
        }
    }
}
