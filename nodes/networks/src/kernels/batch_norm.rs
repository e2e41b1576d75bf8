//! Batch norm over rows, channels last, epsilon 1e-5: with the statistics of the rows, or with given ones.
//!
//! Statistics are computed outside the graph and handed in, so that whoever keeps running statistics sees them; the
//! gradient of the rows still passes through them where they are the rows' own.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::slices::{floats, rows_per_task, with_floats};

const EPSILON: f64 = 1e-5;

/// Mean and variance of each channel.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchStatistics {
    /// Means.
    pub mean: Vec<f32>,
    /// Variances, divided by the number of rows.
    pub variance: Vec<f32>,
    /// Rows they were taken from; 0 if they were given.
    pub rows: usize,
}

impl BatchStatistics {
    /// Given ones, as running statistics are: `mean` and `variance` `[channels]`.
    ///
    /// # Errors
    /// If a tensor has more than one dimension.
    pub fn given(mean: &Tensor, variance: &Tensor) -> Result<Self> {
        Ok(Self { mean: mean.to_vec1()?, variance: variance.to_vec1()?, rows: 0 })
    }

    /// Reciprocal deviations.
    pub(super) fn scales(&self) -> Vec<f32> {
        self.variance.iter().map(|v| (1.0 / (f64::from(*v) + EPSILON).sqrt()) as f32).collect()
    }
}

/// Rows and channels of `x` [..., channels], of which statistics can be taken.
fn rows_and_channels(x: &Tensor) -> Result<(usize, usize)> {
    let channels = x.dims().last().copied().unwrap_or(0);
    if x.elem_count() == 0 {
        candle_core::bail!("statistics of an empty tensor");
    }
    Ok((x.elem_count() / channels, channels))
}

/// Statistics of `x` [..., channels] over everything but the channels, summed in f64.
pub(super) fn statistics_fused(x: &Tensor) -> Result<BatchStatistics> {
    let (_, channels) = rows_and_channels(x)?;
    with_floats(&x.detach(), |x| Ok(statistics_of(x, channels)))
}

/// Statistics of `x` [rows, channels], summed in f64.
pub(super) fn statistics_of(x: &[f32], channels: usize) -> BatchStatistics {
    let rows = x.len() / channels;
    let mean = means(x, channels, |_, x| f64::from(x));
    let variance = means(x, channels, |c, x| {
        let d = f64::from(x) - f64::from(mean[c]);
        d * d
    });
    BatchStatistics { mean, variance, rows }
}

/// From elementary operations, where the tensor is: a number a channel comes back, and not the maps.
pub(super) fn statistics_plain(x: &Tensor) -> Result<BatchStatistics> {
    let (rows, channels) = rows_and_channels(x)?;
    let x = x.detach().reshape((rows, channels))?;
    let mean = x.mean(0)?;
    let variance = x.broadcast_sub(&mean)?.sqr()?.mean(0)?;
    Ok(BatchStatistics { mean: mean.to_vec1()?, variance: variance.to_vec1()?, rows })
}

/// Checks that shapes and statistics fit together; the number of channels.
fn channels(x: &Tensor, weight: &Tensor, bias: &Tensor, statistics: &BatchStatistics) -> Result<usize> {
    let channels = statistics.mean.len();
    if x.dims().last() != Some(&channels) || weight.elem_count() != channels || bias.elem_count() != channels {
        candle_core::bail!("batch norm of {:?} with statistics of {channels} channels", x.dims());
    }
    Ok(channels)
}

/// (x - mean) / sqrt(variance + epsilon) weight + bias over the last dimension of `x` [..., channels] as one operation;
/// differentiable in all three, and through the statistics where they are those of `x`.
pub(super) fn fused(x: &Tensor, weight: &Tensor, bias: &Tensor, statistics: &BatchStatistics) -> Result<Tensor> {
    channels(x, weight, bias, statistics)?;
    x.contiguous()?.apply_op3(&weight.contiguous()?, &bias.contiguous()?, BatchNorm::new(statistics))
}

/// From elementary operations.
pub(super) fn plain(x: &Tensor, weight: &Tensor, bias: &Tensor, statistics: &BatchStatistics) -> Result<Tensor> {
    let channels = channels(x, weight, bias, statistics)?;
    let rows = x.reshape((x.elem_count() / channels.max(1), channels))?;
    let (mean, variance) = if statistics.rows > 0 {
        let mean = rows.mean_keepdim(0)?;
        let variance = rows.broadcast_sub(&mean)?.sqr()?.mean_keepdim(0)?;
        (mean, variance)
    } else {
        let row = |v: &[f32]| Tensor::from_slice(v, (1, channels), x.device());
        (row(&statistics.mean)?, row(&statistics.variance)?)
    };
    let normal = rows.broadcast_sub(&mean)?.broadcast_div(&(variance + EPSILON)?.sqrt()?)?;
    normal.broadcast_mul(weight)?.broadcast_add(bias)?.reshape(x.shape())
}

/// Sums of `f(channel, x)` by channel, first within tasks of rows, then over tasks in order.
fn sums(x: &[f32], channels: usize, f: impl Fn(usize, f32) -> f64 + Sync) -> Vec<f64> {
    let parts: Vec<Vec<f64>> = x
        .par_chunks(rows_per_task(channels) * channels)
        .map(|rows| {
            let mut sums = vec![0.0; channels];
            for row in rows.chunks_exact(channels) {
                for (c, (sum, x)) in sums.iter_mut().zip(row).enumerate() {
                    *sum += f(c, *x);
                }
            }
            sums
        })
        .collect();
    let mut total = vec![0.0; channels];
    for part in &parts {
        total.iter_mut().zip(part).for_each(|(total, x)| *total += x);
    }
    total
}

/// Means of `f(channel, x)` by channel over the rows of `x` [rows, channels].
pub(super) fn means(x: &[f32], channels: usize, f: impl Fn(usize, f32) -> f64 + Sync) -> Vec<f32> {
    let rows = (x.len() / channels) as f64;
    sums(x, channels, f).into_iter().map(|sum| (sum / rows) as f32).collect()
}

/// Batch norm of rows with these statistics, which are the rows' own or not.
pub(super) struct BatchNorm {
    pub(super) mean: Vec<f32>,
    pub(super) scale: Vec<f32>,
    pub(super) own: bool,
}

impl BatchNorm {
    pub(super) fn new(statistics: &BatchStatistics) -> Self {
        Self { mean: statistics.mean.clone(), scale: statistics.scales(), own: statistics.rows > 0 }
    }

    /// Sums over rows of dy and of dy times the normalised x: the gradients of bias and weight.
    pub(super) fn sums(&self, x: &[f32], dy: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let channels = self.mean.len();
        let task = rows_per_task(channels) * channels;
        let parts: Vec<Vec<(f64, f64)>> = x
            .par_chunks(task)
            .zip(dy.par_chunks(task))
            .map(|(x, dy)| {
                let mut sums = vec![(0.0, 0.0); channels];
                for (x, dy) in x.chunks_exact(channels).zip(dy.chunks_exact(channels)) {
                    for (c, ((sum, x), g)) in sums.iter_mut().zip(x).zip(dy).enumerate() {
                        sum.0 += f64::from(*g);
                        sum.1 += f64::from(g * (x - self.mean[c]) * self.scale[c]);
                    }
                }
                sums
            })
            .collect();
        let mut total = vec![(0.0, 0.0); channels];
        for part in &parts {
            total.iter_mut().zip(part).for_each(|(total, x)| *total = (total.0 + x.0, total.1 + x.1));
        }
        total.into_iter().map(|(a, b)| (a as f32, b as f32)).unzip()
    }

    /// The gradient of x from that of y; `sums`, those of [`Self::sums`], are read if the statistics are the rows' own.
    pub(super) fn input_gradient(
        &self,
        x: &[f32],
        weight: &[f32],
        dy: &[f32],
        sums: &(Vec<f32>, Vec<f32>),
    ) -> Vec<f32> {
        let channels = self.mean.len();
        let rows = (x.len() / channels) as f32;
        let task = rows_per_task(channels) * channels;
        let mut dx = vec![0.0; x.len()];
        dx.par_chunks_mut(task).zip(x.par_chunks(task)).zip(dy.par_chunks(task)).for_each(|((dx, x), dy)| {
            let lines = dx.chunks_exact_mut(channels).zip(x.chunks_exact(channels)).zip(dy.chunks_exact(channels));
            for ((dx, x), dy) in lines {
                for (c, ((dx, x), g)) in dx.iter_mut().zip(x).zip(dy).enumerate() {
                    let centred = if self.own {
                        g - (sums.0[c] + (x - self.mean[c]) * self.scale[c] * sums.1[c]) / rows
                    } else {
                        *g
                    };
                    *dx = weight[c] * self.scale[c] * centred;
                }
            }
        });
        dx
    }
}

impl CustomOp3 for BatchNorm {
    fn name(&self) -> &'static str {
        "batch-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (weight, bias) = (floats(weight, weight_layout)?, floats(bias, bias_layout)?);
        let channels = self.mean.len();
        let mut y = floats(x, x_layout)?.to_vec();
        y.par_chunks_mut(rows_per_task(channels) * channels).for_each(|rows| {
            for row in rows.chunks_exact_mut(channels) {
                for (c, y) in row.iter_mut().enumerate() {
                    *y = ((*y - self.mean[c]) * self.scale[c]).mul_add(weight[c], bias[c]);
                }
            }
        });
        Ok((CpuStorage::F32(y), x_layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _res: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let like = |values: Vec<f32>, of: &Tensor| Tensor::from_vec(values, of.shape(), of.device());
        with_floats(x, |numbers| {
            with_floats(grad, |dy| {
                with_floats(weight, |w| {
                    let sums = self.sums(numbers, dy);
                    let dx = self.input_gradient(numbers, w, dy, &sums);
                    Ok((Some(like(dx, x)?), Some(like(sums.1, weight)?), Some(like(sums.0, bias)?)))
                })
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use copl_testing::tensors::{assert_gradients, assert_same, tensor, var};

    use super::*;

    #[test]
    fn kernel_and_plain_composition_agree() {
        for shape in [vec![2, 3, 5], vec![700, 30]] {
            let channels = shape[shape.len() - 1];
            let (x, w, b) = (var(&shape, 1), var(&[channels], 2), var(&[channels], 3));
            let given =
                BatchStatistics::given(&tensor(&[channels], 4), &tensor(&[channels], 5).abs().unwrap()).unwrap();
            for s in [statistics_fused(&x).unwrap(), given] {
                assert_same(&[&x, &w, &b], 2e-5, || fused(&x, &w, &b, &s).unwrap(), || plain(&x, &w, &b, &s).unwrap());
            }
        }
    }

    #[test]
    fn statistics_are_the_same_where_they_are_computed_by_tensor_operations() {
        let x = var(&[7, 90, 12], 1);
        let (slices, tensors) = (statistics_fused(&x).unwrap(), statistics_plain(&x).unwrap());
        assert_eq!(slices.rows, tensors.rows);
        let pairs = slices.mean.iter().zip(&tensors.mean).chain(slices.variance.iter().zip(&tensors.variance));
        assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-6), "{slices:?} {tensors:?}");
    }

    #[test]
    fn gradients_pass_through_the_statistics_of_the_batch() {
        let (x, w, b) = (var(&[5, 3], 1), var(&[3], 2), var(&[3], 3));
        assert_gradients(&[&x, &w, &b], 15, 2e-3, || fused(&x, &w, &b, &statistics_fused(&x).unwrap()).unwrap());
    }
}
