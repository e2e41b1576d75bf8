//! Forward pass: rows to z, the statistics, z to the result.

use rayon::prelude::*;

use super::folded::{Hidden, Narrowing, Widening};
use super::statistics::Statistics;
use super::{Adapter, Scratch};
use crate::kernels::adapter::reading::task_rows;
use crate::kernels::norm;

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
        let mut z = vec![0.0; x.len() / width * narrow];
        let tasks = z.par_chunks_mut(task * narrow).zip(x.par_chunks(task * width)).enumerate();
        tasks.for_each_init(Scratch::default, |scratch, (index, (z, x))| {
            self.enter(index * task, x, scratch);
            narrowing.apply(self, self.entering(x, &scratch.x), z);
        });
        z
    }

    fn widen(&self, z: &[f32], statistics: &Statistics) -> Vec<f32> {
        let (width, narrow) = (self.up.outputs, self.up.inputs);
        let task = task_rows(width);
        let hidden = Hidden::new(self, statistics.down.as_ref()).centred(statistics);
        let widening = Widening::new(self, statistics);
        let mut y = vec![0.0; z.len() / narrow * width];
        let tasks = y.par_chunks_mut(task * width).zip(z.par_chunks(task * narrow));
        tasks.for_each_init(Vec::new, |entering, (y, z)| {
            hidden.fill(z, entering);
            widening.apply(self, entering, y);
            if let Some([weight, bias]) = &widening.norm {
                for row in y.chunks_exact_mut(width) {
                    let (mean, scale) = norm::statistics(row, norm::EPSILON as f32);
                    for ((y, w), b) in row.iter_mut().zip(weight).zip(bias) {
                        *y = ((*y - mean) * scale).mul_add(*w, *b);
                    }
                }
            }
        });
        y
    }
}
