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
    let mean = means(x, channels, |sums, x| sums.iter_mut().zip(x).for_each(|(sum, x)| *sum += f64::from(*x)));
    let centre: Vec<f64> = repeated(&mean).into_iter().map(f64::from).collect();
    let variance = means(x, channels, |sums, x| {
        for ((sum, x), centre) in sums.iter_mut().zip(x).zip(&centre) {
            let d = f64::from(*x) - centre;
            *sum += d * d;
        }
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

/// Numbers that are taken together where a row has fewer.
const LONG: usize = 64;

/// Rows that are taken together.
fn together(channels: usize) -> usize {
    LONG.div_ceil(channels.max(1))
}

/// A number a channel, for all rows that are taken together.
pub(super) fn repeated(numbers: &[f32]) -> Vec<f32> {
    numbers.repeat(together(numbers.len()))
}

/// Sums by channel of what `add` adds for rows that are taken together, first within tasks, then over tasks in order.
fn sums(x: &[f32], channels: usize, add: impl Fn(&mut [f64], &[f32]) + Sync) -> Vec<f64> {
    let long = together(channels) * channels;
    let parts: Vec<Vec<f64>> = x
        .par_chunks(rows_per_task(channels).next_multiple_of(together(channels)) * channels)
        .map(|rows| {
            let mut sums = vec![0.0; long];
            rows.chunks(long).for_each(|rows| add(&mut sums, rows));
            sums
        })
        .collect();
    in_order(&parts, channels)
}

/// Sums by channel of sums of tasks, which are of rows that were taken together.
fn in_order(parts: &[Vec<f64>], channels: usize) -> Vec<f64> {
    let mut total = vec![0.0; channels];
    for part in parts.iter().flat_map(|part| part.chunks_exact(channels)) {
        total.iter_mut().zip(part).for_each(|(total, x)| *total += x);
    }
    total
}

/// Means by channel over the rows of `x` [rows, channels] of what `add` adds for rows that are taken together.
pub(super) fn means(x: &[f32], channels: usize, add: impl Fn(&mut [f64], &[f32]) + Sync) -> Vec<f32> {
    let rows = (x.len() / channels) as f64;
    sums(x, channels, add).into_iter().map(|sum| (sum / rows) as f32).collect()
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
        let (mean, scale) = (repeated(&self.mean), repeated(&self.scale));
        let task = rows_per_task(channels).next_multiple_of(together(channels)) * channels;
        let (of_bias, of_weight): (Vec<Vec<f64>>, Vec<Vec<f64>>) = x
            .par_chunks(task)
            .zip(dy.par_chunks(task))
            .map(|(x, dy)| {
                let (mut of_bias, mut of_weight) = (vec![0.0; mean.len()], vec![0.0; mean.len()]);
                for (x, dy) in x.chunks(mean.len()).zip(dy.chunks(mean.len())) {
                    of_bias.iter_mut().zip(dy).for_each(|(sum, g)| *sum += f64::from(*g));
                    let channels = mean.iter().zip(&scale);
                    for ((sum, (x, g)), (mean, scale)) in of_weight.iter_mut().zip(x.iter().zip(dy)).zip(channels) {
                        *sum += f64::from(g * (x - mean) * scale);
                    }
                }
                (of_bias, of_weight)
            })
            .unzip();
        let total = |parts: &[Vec<f64>]| in_order(parts, channels).into_iter().map(|sum| sum as f32).collect();
        (total(&of_bias), total(&of_weight))
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
        let task = rows_per_task(channels).next_multiple_of(together(channels)) * channels;
        let mut dx = vec![0.0; x.len()];
        // dx = factor (dy - a - (x - mean) c), with a and c zero where the statistics do not depend on x.
        let factor = repeated(&weight.iter().zip(&self.scale).map(|(w, s)| w * s).collect::<Vec<f32>>());
        let rows = (x.len() / channels) as f32;
        let (a, c): (Vec<f32>, Vec<f32>) = match self.own {
            true => {
                let each = sums.0.iter().zip(&sums.1).zip(&self.scale);
                each.map(|((of_bias, of_weight), scale)| (of_bias / rows, scale * of_weight / rows)).unzip()
            }
            false => (vec![0.0; channels], vec![0.0; channels]),
        };
        let (a, c, mean) = (repeated(&a), repeated(&c), repeated(&self.mean));
        dx.par_chunks_mut(task).zip(x.par_chunks(task)).zip(dy.par_chunks(task)).for_each(|((dx, x), dy)| {
            let long = mean.len();
            for ((dx, x), dy) in dx.chunks_mut(long).zip(x.chunks(long)).zip(dy.chunks(long)) {
                let channels = factor.iter().zip(&mean).zip(a.iter().zip(&c));
                for (((dx, x), g), ((factor, mean), (a, c))) in dx.iter_mut().zip(x).zip(dy).zip(channels) {
                    *dx = factor * (g - a - (x - mean) * c);
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
