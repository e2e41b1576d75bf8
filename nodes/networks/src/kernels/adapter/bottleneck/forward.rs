//! Forward pass: rows to z, the statistics, z to the result.

use super::folded::{Hidden, Narrowing, Widening};
use super::statistics::Statistics;
use super::{Adapter, Scratch};
use crate::kernels::adapter::reading::{part, task_rows};
use crate::kernels::norm;
use crate::kernels::slices::filled_by_tasks;

/// What the backward pass needs beside the arguments.
#[derive(Debug)]
pub(super) struct Activations {
    /// [rows, r]
    pub(super) z: Vec<f32>,
    pub(super) statistics: Statistics,
}

impl Adapter<'_> {
    /// The result [rows, d] of tokens `x` [rows, d].
    pub(super) fn forward(&self, x: &[f32]) -> (Vec<f32>, Activations) {
        let z = self.narrow(x);
        let statistics = Statistics::of(self, &z);
        let y = self.widen(&z, &statistics);
        (y, Activations { z, statistics })
    }

    fn narrow(&self, x: &[f32]) -> Vec<f32> {
        let (width, narrow) = (self.down.inputs, self.down.outputs);
        let task = task_rows(width);
        let narrowing = Narrowing::new(self);
        let fill = |scratch: &mut Scratch, (): &mut (), index: usize, z: &mut [f32]| {
            let x = part(x, index, task * width);
            self.enter(index * task, x, scratch);
            narrowing.apply(self, self.entering(x, &scratch.x), z);
        };
        filled_by_tasks(x.len() / width * narrow, task * narrow, Scratch::default, || (), fill).0
    }

    fn widen(&self, z: &[f32], statistics: &Statistics) -> Vec<f32> {
        let (width, narrow) = (self.up.outputs, self.up.inputs);
        let task = task_rows(width);
        let hidden = Hidden::new(self, statistics.down.as_ref()).centred(statistics);
        let widening = Widening::new(self, statistics);
        let fill = |entering: &mut Vec<f32>, (): &mut (), index: usize, y: &mut [f32]| {
            hidden.fill(part(z, index, task * narrow), entering);
            widening.apply(self, entering, y);
            if let Some([weight, bias]) = &widening.norm {
                for row in y.chunks_exact_mut(width) {
                    let (mean, scale) = norm::statistics(row, norm::EPSILON as f32);
                    for ((y, w), b) in row.iter_mut().zip(weight).zip(bias) {
                        *y = ((*y - mean) * scale).mul_add(*w, *b);
                    }
                }
            }
        };
        filled_by_tasks(z.len() / narrow * width, task * width, Vec::new, || (), fill).0
    }
}
