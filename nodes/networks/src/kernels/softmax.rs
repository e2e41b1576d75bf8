//! Softmax over the last dimension, differentiable.

use candle_core::{CpuStorage, CustomOp1, D, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::constants::plus;
use super::math::{dot, exp, exp_and_sum, maximum};
use super::slices::{floats, rows_per_task, with_floats};

/// Softmax of `x` [..., n] over n, as one operation.
pub(super) fn fused(x: &Tensor) -> Result<Tensor> {
    x.contiguous()?.apply_op1(Softmax)
}

/// From elementary operations.
pub(super) fn plain(x: &Tensor) -> Result<Tensor> {
    let shifted = plus(x, &x.detach().max_keepdim(D::Minus1)?.neg()?)?;
    let e = shifted.exp()?;
    e.broadcast_div(&e.sum_keepdim(D::Minus1)?)
}

/// Rows so short that their exponentials are worth taking of many rows together.
const SHORT: usize = 8;

/// Replaces rows of `n` numbers by their softmax.
pub(crate) fn softmax_rows(rows: &mut [f32], n: usize) {
    if n >= SHORT {
        for row in rows.chunks_exact_mut(n) {
            let shift = maximum(row);
            let scale = 1.0 / exp_and_sum(row, shift);
            row.iter_mut().for_each(|x| *x *= scale);
        }
        return;
    }
    for row in rows.chunks_exact_mut(n) {
        let shift = row.iter().fold(f32::NEG_INFINITY, |most, &x| if x > most { x } else { most });
        row.iter_mut().for_each(|x| *x -= shift);
    }
    rows.iter_mut().for_each(|x| *x = exp(*x));
    for row in rows.chunks_exact_mut(n) {
        let scale = 1.0 / row.iter().sum::<f32>();
        row.iter_mut().for_each(|x| *x *= scale);
    }
}

/// The gradient of the rows of `n` numbers in place of that of their softmax `p`.
pub(super) fn softmax_rows_backward(d: &mut [f32], p: &[f32], n: usize) {
    for (d, p) in d.chunks_exact_mut(n).zip(p.chunks_exact(n)) {
        let mean = dot(p, d);
        for (d, p) in d.iter_mut().zip(p) {
            *d = p * (*d - mean);
        }
    }
}

struct Softmax;

impl CustomOp1 for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let mut y = floats(storage, layout)?.to_vec();
        let n = layout.dims().last().copied().unwrap_or(1);
        if n > 0 {
            y.par_chunks_mut(rows_per_task(n) * n).for_each(|rows| softmax_rows(rows, n));
        }
        Ok((CpuStorage::F32(y), layout.shape().clone()))
    }

    fn bwd(&self, _arg: &Tensor, res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let n = res.dim(D::Minus1)?;
        let dx = with_floats(res, |p| {
            with_floats(grad, |g| {
                let mut dx = g.to_vec();
                let task = rows_per_task(n) * n.max(1);
                dx.par_chunks_mut(task).zip(p.par_chunks(task)).for_each(|(dx, p)| softmax_rows_backward(dx, p, n));
                Ok(dx)
            })
        })?;
        Ok(Some(Tensor::from_vec(dx, res.shape(), res.device())?))
    }
}

#[cfg(test)]
mod tests {
    use copl_testing::tensors::{assert_gradients, assert_same, var};

    use super::*;

    #[test]
    fn kernel_and_plain_composition_agree() {
        for shape in [[1, 1, 1], [2, 5, 7], [3, 4, 40]] {
            let x = var(&shape, 1);
            assert_same(&[&x], 2e-6, || fused(&x).unwrap(), || plain(&x).unwrap());
            assert_gradients(&[&x], 10, 1e-3, || fused(&x).unwrap());
        }
    }
}
