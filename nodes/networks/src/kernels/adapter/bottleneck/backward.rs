//! Backward pass: from the result's gradient to that of what enters `up`, to that of z, to that of the tokens. What is summed
//! over rows is summed by task, then over tasks in their order.

use rayon::prelude::*;

use super::folded::{Hidden, Narrowing, Widening};
use super::forward::Activations;
use super::unfolded::{Correction, NarrowSums, WideSums};
use super::{Adapter, Scratch};
use crate::kernels::adapter::grouped::Grouped;
use crate::kernels::adapter::packed::Parameters;
use crate::kernels::adapter::reading::{ReadingSums, part, task_rows};
use crate::kernels::batch_norm::BatchNorm;
use crate::kernels::linear::sum_in_order;
use crate::kernels::matrix::Write;
use crate::kernels::norm;
use crate::kernels::slices::{filled_by_tasks, rows_per_task};

/// Which gradients a backward pass computes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) tokens: bool,
    pub(super) latents: bool,
    pub(super) parameters: bool,
}

/// Gradients of the arguments, where they were wanted.
#[derive(Debug)]
pub(super) struct Gradients {
    pub(super) tokens: Vec<f32>,
    pub(super) latents: Vec<f32>,
    /// Packed as the parameters are.
    pub(super) parameters: Vec<f32>,
}

/// `sum` += rows of as many numbers.
fn add_rows(rows: &[f32], sum: &mut [f32]) {
    for row in rows.chunks_exact(sum.len().max(1)) {
        sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
    }
}

impl Adapter<'_> {
    /// From the gradient `dy` of the result of tokens `x`, all [rows, d].
    pub(super) fn backward(&self, x: &[f32], activations: &Activations, dy: &[f32], wanted: Wanted) -> Gradients {
        let Activations { z, statistics } = activations;
        let hidden = Hidden::new(self, statistics.down.as_ref()).centred(statistics);
        let widening = Widening::new(self, statistics);
        let (mut d, sums) = self.widen_backward(z, dy, &hidden, &widening, wanted.parameters);
        let behind = sums.map(|sums| self.unfolded_behind(sums, statistics, z.len() / self.down.outputs));
        self.through_hidden(&mut d, z, &hidden, behind.as_ref().and_then(|behind| behind.correction.as_ref()));
        let batch_norm_down = self.through_batch_norm(&mut d, activations, wanted.parameters);
        let (tokens, sums, read) = self.narrow_backward(x, &d, wanted);
        let (mut latents, mut fusion_gate) = (Vec::new(), None);
        if let Some(reading) = self.reading {
            let (of_latents, of_gate) = reading.total(&read);
            (latents, fusion_gate) = (of_latents, Some(vec![of_gate]));
        }
        let parameters = match (behind, sums) {
            (Some(behind), Some(sums)) if wanted.parameters => {
                let (down, norm_before) = self.unfolded_before(sums);
                Parameters { fusion_gate, norm_before, down, batch_norm_down, ..behind.parameters }.concatenated()
            }
            _ => Vec::new(),
        };
        Gradients { tokens, latents, parameters }
    }

    /// The gradient of what enters `up` [rows, r], as if it had no part in statistics; sums over rows if `wanted`, or if
    /// those statistics need them.
    fn widen_backward(
        &self,
        z: &[f32],
        dy: &[f32],
        hidden: &Hidden,
        widening: &Widening<'_>,
        wanted: bool,
    ) -> (Vec<f32>, Option<WideSums>) {
        let (width, narrow) = (self.up.outputs, self.up.inputs);
        let task = task_rows(width);
        let summed = wanted || self.takes_own_behind_up();
        let layout = WideSums::layout(widening, wanted, summed);
        let none = || vec![0.0; layout.iter().sum()];
        let fill = |[entering, value, gradient]: &mut [Vec<f32>; 3],
                    sums: &mut Vec<f32>,
                    index: usize,
                    dhidden: &mut [f32]| {
            let (z, dy) = (part(z, index, task * narrow), part(dy, index, task * width));
            let [of_weight, of_bias, of_norm_weight, of_norm_bias] = WideSums::parts(sums, layout);
            hidden.fill(z, entering);
            let dwide = match &widening.norm {
                Some([weight, _]) => {
                    value.resize(dy.len(), 0.0);
                    gradient.resize(dy.len(), 0.0);
                    widening.apply(self, entering, value);
                    let rows = value.chunks_exact(width).zip(dy.chunks_exact(width));
                    for ((value, dy), d) in rows.zip(gradient.chunks_exact_mut(width)) {
                        let (mean, scale) = norm::statistics(value, norm::EPSILON as f32);
                        if wanted {
                            let sums = of_norm_weight.iter_mut().zip(&mut *of_norm_bias);
                            for (((of_weight, of_bias), g), value) in sums.zip(dy).zip(value) {
                                *of_weight += g * (value - mean) * scale;
                                *of_bias += g;
                            }
                        }
                        for ((d, g), w) in d.iter_mut().zip(dy).zip(weight) {
                            *d = g * w;
                        }
                        norm::row_gradient(d, value, mean, scale);
                    }
                    &gradient[..]
                }
                None => dy,
            };
            self.up.backward(&widening.weight, dwide, dhidden);
            if summed {
                self.up.add_weight_gradient(entering, dwide, of_weight);
                if !of_bias.is_empty() {
                    add_rows(dwide, of_bias);
                }
            }
        };
        let (dhidden, parts) = filled_by_tasks(z.len(), task * narrow, Default::default, none, fill);
        let sums = summed.then(|| WideSums::new(sum_in_order(parts, layout.iter().sum()), layout));
        (dhidden, sums)
    }

    /// True if the batch norm behind `up` takes the statistics of the rows.
    fn takes_own_behind_up(&self) -> bool {
        self.parameters.batch_norm_up.is_some() && self.given[1].is_none()
    }

    /// In place from the gradient of what enters `up`, still to be corrected, to that in front of the ReLU; [rows, r].
    fn through_hidden(&self, d: &mut [f32], z: &[f32], hidden: &Hidden, correction: Option<&Correction>) {
        let narrow = self.up.inputs;
        let task = rows_per_task(narrow) * narrow;
        d.par_chunks_mut(task).zip(z.par_chunks(task)).for_each_init(Vec::new, |entering, (d, z)| {
            if let Some(Correction { constant, matrix }) = correction {
                hidden.fill(z, entering);
                let between = Grouped { outputs: narrow, ..self.up };
                between.forward(matrix, entering, d, Write::Add);
                for row in d.chunks_exact_mut(narrow) {
                    row.iter_mut().zip(constant).for_each(|(d, c)| *d += c);
                }
            }
            hidden.mask(z, d);
        });
    }

    /// In place from the gradient behind the batch norm of `down`, if there is one, to that of z; gradients of its weight
    /// and bias, if they are `wanted`.
    fn through_batch_norm(&self, d: &mut Vec<f32>, activations: &Activations, wanted: bool) -> Option<[Vec<f32>; 2]> {
        let ([weight, _], statistics) = (self.parameters.batch_norm_down?, activations.statistics.down.as_ref()?);
        let norm = BatchNorm::new(statistics);
        let sums = if wanted || norm.own { norm.sums(&activations.z, d) } else { Default::default() };
        *d = norm.input_gradient(&activations.z, weight, d, &sums);
        Some([sums.1, sums.0])
    }

    /// The gradient of the tokens, and sums over rows, from the gradient of z [rows, r].
    fn narrow_backward(
        &self,
        x: &[f32],
        dz: &[f32],
        wanted: Wanted,
    ) -> (Vec<f32>, Option<NarrowSums>, Vec<ReadingSums>) {
        let (width, narrow) = (self.down.inputs, self.down.outputs);
        let task = task_rows(width);
        let narrowing = Narrowing::new(self);
        // z whose mean was taken away has gradients whose sum is zero, and a bias in front of it none.
        let balanced = self.parameters.batch_norm_down.is_some() && self.given[0].is_none();
        let biased = wanted.parameters && self.parameters.norm_before.is_some() && !balanced;
        let layout = NarrowSums::layout(self, wanted.parameters, biased);
        let passes = wanted.tokens || self.reading.is_some() && (wanted.latents || wanted.parameters);
        let none = || (vec![0.0; layout.iter().sum()], ReadingSums::default());
        let fill = |(scratch, scaled): &mut (Scratch, Vec<f32>),
                    sums: &mut (Vec<f32>, ReadingSums),
                    index: usize,
                    dx: &mut [f32]| {
            let (first, x, dz) = (index * task, part(x, index, task * width), part(dz, index, task * narrow));
            let (of_weight, of_bias) = sums.0.split_at_mut(layout[0]);
            self.enter(first, x, scratch);
            if wanted.parameters {
                self.down.add_weight_gradient(self.entering(x, &scratch.x), dz, of_weight);
                if biased {
                    add_rows(dz, of_bias);
                }
            }
            if !passes {
                return;
            }
            if self.parameters.norm_before.is_some() {
                scaled.clear();
                for (dz, scale) in dz.chunks_exact(narrow).zip(&scratch.scales) {
                    scaled.extend(dz.iter().map(|d| d * scale));
                }
                self.down.backward(&narrowing.weight, scaled, dx);
                for (dx, x) in dx.chunks_exact_mut(width).zip(scratch.x.chunks_exact(width)) {
                    norm::row_gradient(dx, x, 0.0, 1.0);
                }
            } else {
                self.down.backward(&narrowing.weight, dz, dx);
            }
            if let Some(reading) = self.reading {
                reading.backward(first, x, dx, &mut scratch.reading, &mut sums.1, wanted.latents);
            }
        };
        let (dx, found) = filled_by_tasks(x.len(), task * width, Default::default, none, fill);
        let (parts, read): (Vec<Vec<f32>>, Vec<ReadingSums>) = found.into_iter().unzip();
        let sums = wanted.parameters.then(|| NarrowSums::new(sum_in_order(parts, layout.iter().sum()), layout));
        (dx, sums, read)
    }
}
