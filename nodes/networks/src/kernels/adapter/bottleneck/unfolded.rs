//! Gradients of parameters from sums over rows, which are gradients of folded weights; and what the statistics behind `up`
//! add to the gradient of what enters it.
//!
//! With D = Σ dv hᵀ, A = Σ dv, for v = f (W h - μ) + β and f = γ s behind `up`: dβ = A, dγ = B = s (W ∘ D - μ A). Statistics of
//! the rows turn dv into dv - A / R - u B / R, with u = s W (h - h̄) and R rows: both corrections are sums known by then.

use super::folded::Widening;
use super::statistics::{Moments, Statistics};
use super::{Adapter, GatePlace};
use crate::kernels::adapter::packed::Parameters;
use crate::kernels::math::dot;
use crate::kernels::matrix::{Matrix, MatrixMut, Threads, Write, product};

/// Sums over rows behind `up`.
pub(super) struct WideSums {
    /// Of dv hᵀ, [d, r / G].
    weight: Vec<f32>,
    /// Of dv, `[d]`; empty where nothing asks for it.
    bias: Vec<f32>,
    /// Of dy times the normed value, and of dy: `[d]` each, or empty.
    norm: [Vec<f32>; 2],
}

/// Sums over rows in front of z.
pub(super) struct NarrowSums {
    /// Of dz times what enters, [r, d / G].
    weight: Vec<f32>,
    /// Of dz, `[r]`; empty where it is zero.
    bias: Vec<f32>,
}

/// What statistics of the rows behind `up` add to the gradient of what enters it: `constant` + h M.
pub(super) struct Correction {
    /// `[r]`
    pub(super) constant: Vec<f32>,
    /// M of each group, [r, r / G].
    pub(super) matrix: Vec<f32>,
}

/// Gradients behind z.
pub(super) struct Behind {
    /// Those of what stands in front of z are empty.
    pub(super) parameters: Parameters<Vec<f32>>,
    pub(super) correction: Option<Correction>,
}

impl WideSums {
    /// Lengths of the sums if they are taken: those for the norm after if its gradients are `wanted`.
    pub(super) fn layout(widening: &Widening<'_>, wanted: bool, taken: bool) -> [usize; 4] {
        if !taken {
            return [0; 4];
        }
        let of_norm = widening.norm.as_ref().filter(|_| wanted).map_or(0, |[weight, _]| weight.len());
        [widening.weight.len(), widening.bias.len(), of_norm, of_norm]
    }

    /// The sums in their memory.
    pub(super) fn parts(all: &mut [f32], layout: [usize; 4]) -> [&mut [f32]; 4] {
        let mut rest = all;
        layout.map(|length| {
            let (part, others) = std::mem::take(&mut rest).split_at_mut(length);
            rest = others;
            part
        })
    }

    pub(super) fn new(mut all: Vec<f32>, layout: [usize; 4]) -> Self {
        let [weight, bias, of_weight, of_bias] = Self::parts(&mut all, layout).map(|part| part.to_vec());
        Self { weight, bias, norm: [of_weight, of_bias] }
    }
}

impl NarrowSums {
    /// Lengths of the sums, if they are taken.
    pub(super) fn layout(adapter: &Adapter<'_>, taken: bool, biased: bool) -> [usize; 2] {
        let length = |taken: bool, length: usize| if taken { length } else { 0 };
        [length(taken, adapter.parameters.down.len()), length(biased, adapter.down.outputs)]
    }

    pub(super) fn new(mut all: Vec<f32>, layout: [usize; 2]) -> Self {
        let bias = all.split_off(layout[0]);
        Self { weight: all, bias }
    }
}

fn scaled(numbers: &[f32], factor: f32) -> Vec<f32> {
    numbers.iter().map(|x| x * factor).collect()
}

fn wide_dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

impl Adapter<'_> {
    /// Gradients behind z from the sums over all `rows`.
    pub(super) fn unfolded_behind(&self, sums: WideSums, statistics: &Statistics, rows: usize) -> Behind {
        let [before, behind] = self.gates();
        let (factors, bias) = statistics.behind_up(self);
        let size = self.up.of_output();
        let gate = self.parameters.gate.map(|_| {
            let gradient = match self.parameters.norm_after {
                Some([weight, bias]) if self.gate_place == GatePlace::AfterNorm => {
                    wide_dot(weight, &sums.norm[0]) + wide_dot(bias, &sums.norm[1])
                }
                _ => {
                    let channels =
                        self.parameters.up.chunks_exact(size).zip(sums.weight.chunks_exact(size)).enumerate();
                    let of_channel =
                        |(channel, (w, d))| f64::from(*factors.get(channel).unwrap_or(&1.0)) * wide_dot(w, d);
                    channels.map(of_channel).sum::<f64>() + wide_dot(&bias, &sums.bias)
                }
            };
            vec![gradient as f32]
        });
        let norm_after = self.parameters.norm_after.map(|_| sums.norm.each_ref().map(|of| scaled(of, behind)));
        let (mut up, sums_of_bias) = (scaled(&sums.weight, before), scaled(&sums.bias, before));
        let (mut batch_norm_up, mut correction) = (None, None);
        if let Some(of_rows) = &statistics.up {
            let scales = of_rows.scales();
            let weights = self.parameters.up.chunks_exact(size).zip(up.chunks_exact(size)).enumerate();
            let of_weight: Vec<f32> = weights
                .map(|(channel, (w, d))| {
                    let mean = if statistics.moments.is_some() { 0.0 } else { of_rows.mean[channel] };
                    scales[channel] * (dot(w, d) - mean * sums_of_bias[channel])
                })
                .collect();
            if let Some(moments) = &statistics.moments {
                let along: Vec<f32> = scales.iter().zip(&of_weight).map(|(s, b)| s * b).collect();
                self.take_from_weight(&mut up, &along, moments);
                correction = Some(self.correction(&factors, &along, &sums_of_bias, rows));
            }
            for (d, factor) in up.chunks_exact_mut(size).zip(&factors) {
                d.iter_mut().for_each(|d| *d *= factor);
            }
            batch_norm_up = Some([of_weight, sums_of_bias]);
        }
        let parameters = Parameters {
            fusion_gate: None,
            norm_before: None,
            down: Vec::new(),
            batch_norm_down: None,
            up,
            batch_norm_up,
            norm_after,
            gate,
        };
        Behind { parameters, correction }
    }

    /// D - B s W Cov(h), from D, `along` = s B.
    fn take_from_weight(&self, up: &mut [f32], along: &[f32], moments: &Moments) {
        let (size, outputs) = (self.up.of_output(), self.up.of_group());
        let covariance: Vec<f32> = moments.covariance.iter().map(|c| *c as f32).collect();
        let negated: Vec<f32> = self.weighted(along, -1.0);
        let groups = up.chunks_exact_mut(outputs * size).zip(negated.chunks_exact(outputs * size));
        for ((up, weight), covariance) in groups.zip(covariance.chunks_exact(size * size)) {
            let (weight, covariance) = (Matrix::new(weight, outputs, size), Matrix::new(covariance, size, size));
            product(MatrixMut::new(up, outputs, size), weight, covariance, Write::Add, Threads::One);
        }
    }

    /// -(A f W + h Wᵀ f s B W) / R, with `along` = s B and `sums` = A.
    fn correction(&self, factors: &[f32], along: &[f32], sums: &[f32], rows: usize) -> Correction {
        let (size, outputs) = (self.up.of_output(), self.up.of_group());
        let of_rows = -1.0 / rows as f32;
        let each = |x: &[f32]| -> Vec<f32> { x.iter().zip(factors).map(|(x, f)| x * f).collect() };
        let mut constant = vec![0.0; self.up.inputs];
        for (channel, row) in self.weighted(&each(sums), of_rows).chunks_exact(size).enumerate() {
            let start = self.up.group(channel) * size;
            constant[start..][..size].iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
        }
        let weighted = self.weighted(&each(along), of_rows);
        let mut matrix = vec![0.0; self.up.inputs * size];
        let groups = matrix.chunks_exact_mut(size * size).zip(weighted.chunks_exact(outputs * size));
        for ((matrix, weighted), weight) in groups.zip(self.parameters.up.chunks_exact(outputs * size)) {
            let (weight, weighted) = (Matrix::new(weight, outputs, size), Matrix::new(weighted, outputs, size));
            product(MatrixMut::new(matrix, size, size), weight.transposed(), weighted, Write::Replace, Threads::One);
        }
        Correction { constant, matrix }
    }

    /// W with each channel's row times its factor and another.
    fn weighted(&self, factors: &[f32], all: f32) -> Vec<f32> {
        let rows = self.parameters.up.chunks_exact(self.up.of_output()).zip(factors);
        rows.flat_map(|(row, factor)| row.iter().map(move |w| w * factor * all)).collect()
    }

    /// Gradients of `down` and of the norm before it.
    pub(super) fn unfolded_before(&self, sums: NarrowSums) -> (Vec<f32>, Option<[Vec<f32>; 2]>) {
        let Some([weight, bias]) = self.parameters.norm_before else { return (sums.weight, None) };
        let (mut down, size) = (sums.weight, self.down.of_output());
        let (mut of_weight, mut of_bias) = (vec![0.0; weight.len()], vec![0.0; weight.len()]);
        let rows = down.chunks_exact_mut(size).zip(self.parameters.down.chunks_exact(size)).enumerate();
        for (output, (d, w)) in rows {
            let own = self.down.group(output) * size..(self.down.group(output) + 1) * size;
            let sum = sums.bias.get(output).copied().unwrap_or(0.0);
            let of_norm = of_weight[own.clone()].iter_mut().zip(&mut of_bias[own.clone()]);
            for ((of_weight, of_bias), (d, w)) in of_norm.zip(d.iter().zip(w)) {
                *of_weight += d * w;
                *of_bias += sum * w;
            }
            for ((d, weight), bias) in d.iter_mut().zip(&weight[own.clone()]).zip(&bias[own]) {
                *d = d.mul_add(*weight, sum * bias);
            }
        }
        (down, Some([of_weight, of_bias]))
    }
}
