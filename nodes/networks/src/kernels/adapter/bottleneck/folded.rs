//! Norms and gates folded into the weights they stand beside, so that they cost nothing a row.
//!
//! W (γ ⊙ x + β) = (W γ) x + W β in front of a layer, γ (W h - μ) + β behind it; a gate scales what is in front of or
//! behind a norm.

use std::borrow::Cow;

use super::Adapter;
use super::statistics::Statistics;
use crate::kernels::batch_norm::{self, BatchStatistics};
use crate::kernels::math::dot;
use crate::kernels::matrix::Write;

/// From normed rows to z.
pub(super) struct Narrowing<'a> {
    /// [r, d / G]
    pub(super) weight: Cow<'a, [f32]>,
    /// `[r]`, or empty.
    bias: Vec<f32>,
}

/// From z to what enters `up`: max(0, (z - mean) scale + bias) - centre, each `[r]` for all rows that are taken together.
pub(super) struct Hidden {
    mean: Vec<f32>,
    scale: Vec<f32>,
    bias: Vec<f32>,
    /// The mean over the rows where the batch norm behind `up` takes their statistics; it takes that away again.
    centre: Vec<f32>,
}

/// From what enters `up` to the result.
pub(super) struct Widening<'a> {
    /// [d, r / G]
    pub(super) weight: Cow<'a, [f32]>,
    /// `[d]`, or empty.
    pub(super) bias: Vec<f32>,
    /// Weight and bias of the norm after, `[d]` each.
    pub(super) norm: Option<[Vec<f32>; 2]>,
}

/// Fills rows with a bias, unless there is none; whether what comes next is to be added to it.
fn begin(rows: &mut [f32], bias: &[f32]) -> Write {
    if bias.is_empty() {
        return Write::Replace;
    }
    rows.chunks_exact_mut(bias.len()).for_each(|row| row.copy_from_slice(bias));
    Write::Add
}

impl<'a> Narrowing<'a> {
    pub(super) fn new(adapter: &Adapter<'a>) -> Self {
        let (layer, weight) = (adapter.down, adapter.parameters.down);
        let Some([of_norm, bias]) = adapter.parameters.norm_before else {
            return Self { weight: Cow::Borrowed(weight), bias: Vec::new() };
        };
        let mut folded = weight.to_vec();
        let mut of_output = Vec::with_capacity(layer.outputs);
        for (output, row) in folded.chunks_exact_mut(layer.of_output()).enumerate() {
            let start = layer.group(output) * layer.of_output();
            of_output.push(dot(row, &bias[start..][..row.len()]));
            row.iter_mut().zip(&of_norm[start..]).for_each(|(w, n)| *w *= n);
        }
        Self { weight: Cow::Owned(folded), bias: of_output }
    }

    /// z of a task's rows.
    pub(super) fn apply(&self, adapter: &Adapter<'_>, x: &[f32], z: &mut [f32]) {
        let write = begin(z, &self.bias);
        adapter.down.forward(&self.weight, x, z, write);
    }
}

impl Hidden {
    /// With the statistics behind `down`, if there is a batch norm, and nothing taken away.
    pub(super) fn new(adapter: &Adapter<'_>, down: Option<&BatchStatistics>) -> Self {
        let narrow = adapter.down.outputs;
        let (mean, scale, bias) = match (adapter.parameters.batch_norm_down, down) {
            (Some([weight, bias]), Some(statistics)) => {
                let scale = statistics.scales().iter().zip(weight).map(|(s, w)| s * w).collect();
                (statistics.mean.clone(), scale, bias.to_vec())
            }
            _ => (vec![0.0; narrow], vec![1.0; narrow], vec![0.0; narrow]),
        };
        let centre = vec![0.0; narrow];
        let [mean, scale, bias, centre] = [mean, scale, bias, centre].map(|of| batch_norm::repeated(&of));
        Self { mean, scale, bias, centre }
    }

    /// The same, less what the batch norm behind `up` takes away.
    pub(super) fn centred(self, statistics: &Statistics) -> Self {
        match &statistics.moments {
            Some(moments) => self.less(&moments.mean),
            None => self,
        }
    }

    /// The same, less a mean `[r]`.
    pub(super) fn less(self, mean: &[f32]) -> Self {
        Self { centre: batch_norm::repeated(mean), ..self }
    }

    /// Hands to `f` each number of `to`, that of `z` before the ReLU, and the centre.
    #[inline(always)]
    fn each<T>(&self, z: &[f32], to: &mut [T], f: impl Fn(&mut T, f32, f32)) {
        let long = self.mean.len();
        for (to, z) in to.chunks_mut(long).zip(z.chunks(long)) {
            let channels = self.mean.iter().zip(&self.scale).zip(self.bias.iter().zip(&self.centre));
            for ((to, z), ((mean, scale), (bias, centre))) in to.iter_mut().zip(z).zip(channels) {
                f(to, (z - mean).mul_add(*scale, *bias), *centre);
            }
        }
    }

    /// What enters `up`, [rows, r].
    pub(super) fn fill(&self, z: &[f32], hidden: &mut Vec<f32>) {
        hidden.resize(z.len(), 0.0);
        self.each(z, hidden, |h, value, centre| *h = relu(value) - centre);
    }

    /// Adds what enters `up` to sums of rows that are taken together.
    pub(super) fn add(&self, sums: &mut [f64], z: &[f32]) {
        self.each(z, sums, |sum, value, centre| *sum += f64::from(relu(value) - centre));
    }

    /// Takes out of gradients what the ReLU lets not through.
    pub(super) fn mask(&self, z: &[f32], d: &mut [f32]) {
        self.each(z, d, |d, value, _| *d = if value > 0.0 { *d } else { 0.0 });
    }
}

/// max(x, 0), which keeps what is not a number.
#[inline(always)]
fn relu(x: f32) -> f32 {
    if x < 0.0 { 0.0 } else { x }
}

impl<'a> Widening<'a> {
    pub(super) fn new(adapter: &Adapter<'a>, statistics: &Statistics) -> Self {
        let [before, behind] = adapter.gates();
        let (factors, bias) = statistics.behind_up(adapter);
        let mut weight = Cow::Borrowed(adapter.parameters.up);
        if !factors.is_empty() || before != 1.0 {
            for (channel, row) in weight.to_mut().chunks_exact_mut(adapter.up.of_output()).enumerate() {
                let factor = before * factors.get(channel).unwrap_or(&1.0);
                row.iter_mut().for_each(|w| *w *= factor);
            }
        }
        let bias = bias.iter().map(|b| b * before).collect();
        let scaled = |numbers: &[f32]| numbers.iter().map(|x| x * behind).collect();
        let norm = adapter.parameters.norm_after.map(|[weight, bias]| [scaled(weight), scaled(bias)]);
        Self { weight, bias, norm }
    }

    /// What enters the norm after, [rows, d], or the result if there is none.
    pub(super) fn apply(&self, adapter: &Adapter<'_>, hidden: &[f32], wide: &mut [f32]) {
        let write = begin(wide, &self.bias);
        adapter.up.forward(&self.weight, hidden, wide, write);
    }
}
