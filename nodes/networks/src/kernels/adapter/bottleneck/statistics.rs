//! The statistics that the batch norms of a bottleneck take: given ones, or those of the rows.
//!
//! Behind `up` the rows are as wide as tokens, and their statistics follow from what enters it: mean W h̄ and variance
//! w Cov(h) wᵀ a channel, the covariance of h in the channel's group.

use rayon::prelude::*;

use super::Adapter;
use super::folded::Hidden;
use crate::kernels::batch_norm::{self, BatchStatistics};
use crate::kernels::matrix::{Matrix, MatrixMut, Threads, Write, product};
use crate::kernels::slices::rows_per_task;

/// What the batch norms of one pass took.
#[derive(Debug, Default)]
pub(super) struct Statistics {
    /// None if there is no batch norm, here and below.
    pub(super) down: Option<BatchStatistics>,
    pub(super) up: Option<BatchStatistics>,
    /// Where those behind `up` are the rows' own.
    pub(super) moments: Option<Moments>,
}

/// Of what enters `up`.
#[derive(Debug)]
pub(super) struct Moments {
    /// `[r]`
    pub(super) mean: Vec<f32>,
    /// [r, r / G]: of each channel with those of its group.
    pub(super) covariance: Vec<f64>,
}

impl Statistics {
    /// From z [rows, r].
    pub(super) fn of(adapter: &Adapter<'_>, z: &[f32]) -> Self {
        let [given_down, given_up] = adapter.given;
        let own = || batch_norm::statistics_of(z, adapter.down.outputs);
        let down = adapter.parameters.batch_norm_down.map(|_| given_down.clone().unwrap_or_else(own));
        let (mut up, mut moments) = (given_up.clone(), None);
        if adapter.parameters.batch_norm_up.is_some() && up.is_none() {
            let of_hidden = Moments::of(adapter, z, Hidden::new(adapter, down.as_ref()));
            up = Some(of_hidden.behind(adapter, z.len() / adapter.down.outputs));
            moments = Some(of_hidden);
        }
        Self { down, up, moments }
    }

    /// The factor and the bias that the batch norm behind `up` puts on W h, `[d]` each: empty if there is none.
    pub(super) fn behind_up(&self, adapter: &Adapter<'_>) -> (Vec<f32>, Vec<f32>) {
        let (Some([weight, bias]), Some(statistics)) = (adapter.parameters.batch_norm_up, &self.up) else {
            return (Vec::new(), Vec::new());
        };
        let factors: Vec<f32> = statistics.scales().iter().zip(weight).map(|(s, w)| s * w).collect();
        let bias = match self.moments {
            // What enters `up` has a mean of zero.
            Some(_) => bias.to_vec(),
            None => bias.iter().zip(&factors).zip(&statistics.mean).map(|((b, f), m)| b - f * m).collect(),
        };
        (factors, bias)
    }
}

impl Moments {
    fn of(adapter: &Adapter<'_>, z: &[f32], hidden: Hidden) -> Self {
        let (narrow, size) = (adapter.up.inputs, adapter.up.of_output());
        let mean = batch_norm::means(z, narrow, |sums, z| hidden.add(sums, z));
        let hidden = hidden.less(&mean);
        let parts: Vec<Vec<f32>> = z
            .par_chunks(rows_per_task(narrow) * narrow)
            .map_init(Vec::new, |centred, z| {
                let rows = z.len() / narrow;
                hidden.fill(z, centred);
                let mut products = vec![0.0; narrow * size];
                for (k, products) in products.chunks_exact_mut(size * size).enumerate() {
                    let group = Matrix::strided(&centred[k * size..], rows, size, narrow);
                    let out = MatrixMut::new(products, size, size);
                    product(out, group.transposed(), group, Write::Replace, Threads::One);
                }
                products
            })
            .collect();
        let rows = (z.len() / narrow) as f64;
        let mut covariance = vec![0.0; narrow * size];
        for part in &parts {
            covariance.iter_mut().zip(part).for_each(|(sum, x)| *sum += f64::from(*x));
        }
        covariance.iter_mut().for_each(|sum| *sum /= rows);
        Self { mean, covariance }
    }

    /// Mean and variance of each channel behind `up`.
    fn behind(&self, adapter: &Adapter<'_>, rows: usize) -> BatchStatistics {
        let (layer, size) = (adapter.up, adapter.up.of_output());
        let weights = adapter.parameters.up.par_chunks_exact(size).with_min_len(32).enumerate();
        let (mean, variance) = weights
            .map(|(channel, weight)| {
                let start = layer.group(channel) * size;
                let mean: f64 =
                    weight.iter().zip(&self.mean[start..]).map(|(w, h)| f64::from(*w) * f64::from(*h)).sum();
                let mut along = vec![0.0; size];
                let covariance = self.covariance[start * size..][..size * size].chunks_exact(size);
                for (w, row) in weight.iter().zip(covariance) {
                    along.iter_mut().zip(row).for_each(|(sum, c)| *sum += f64::from(*w) * c);
                }
                let variance: f64 = weight.iter().zip(&along).map(|(w, along)| f64::from(*w) * along).sum();
                (mean as f32, variance.max(0.0) as f32)
            })
            .unzip();
        BatchStatistics { mean, variance, rows }
    }
}
