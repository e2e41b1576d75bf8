//! Layer norm over the last dimension, with a residual added where the block has one.

use candle_core::{CpuStorage, CustomOp3, D, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::constants::{plus, times};
use super::math::{dot_centred, squared_distance, sum};
use super::slices::{filled, floats, rows_per_task, with_floats};

/// Added to the variance unless an architecture says otherwise (PyTorch's default).
pub(crate) const EPSILON: f64 = 1e-5;

/// Borrowed weights of a layer norm over `weight.len()` numbers.
#[derive(Clone, Copy)]
pub(crate) struct Norm<'a> {
    pub(crate) weight: &'a [f32],
    pub(crate) bias: &'a [f32],
    /// Added to the variance.
    pub(crate) epsilon: f32,
}

/// A frozen layer norm that owns its weights.
#[derive(Debug, Clone)]
pub(crate) struct NormLayer {
    weight: Vec<f32>,
    bias: Vec<f32>,
    epsilon: f32,
}

impl NormLayer {
    /// Copies `weight` and `bias` [width] out of tensors.
    pub(crate) fn new(weight: &Tensor, bias: &Tensor, epsilon: f64) -> Result<Self> {
        Ok(Self { weight: weight.to_vec1()?, bias: bias.to_vec1()?, epsilon: epsilon as f32 })
    }

    pub(crate) fn view(&self) -> Norm<'_> {
        Norm { weight: &self.weight, bias: &self.bias, epsilon: self.epsilon }
    }
}

/// Mean and reciprocal deviation of a row.
#[inline(always)]
pub(super) fn statistics(row: &[f32], epsilon: f32) -> (f32, f32) {
    let n = row.len() as f32;
    let mean = sum(row) / n;
    (mean, 1.0 / (squared_distance(row, mean) / n + epsilon).sqrt())
}

/// The gradient of a row h in place of that of x = (h - mean) scale, its normalised numbers.
#[inline(always)]
pub(super) fn row_gradient(dh: &mut [f32], h: &[f32], mean: f32, scale: f32) {
    // dh = scale (g - mean(g) - x mean(g x)).
    let width = h.len() as f32;
    let a = sum(dh) / width;
    let c = dot_centred(dh, h, mean) * scale * scale / width;
    for (d, h) in dh.iter_mut().zip(h) {
        *d = scale * (*d - a - (h - mean) * c);
    }
}

/// y = LN(h), or y = residual + LN(h); all [rows, width].
pub(crate) fn norm_rows(norm: Norm<'_>, h: &[f32], residual: Option<&[f32]>) -> Vec<f32> {
    let width = norm.weight.len();
    let task = rows_per_task(width) * width;
    filled(h.len(), task, |first, y| {
        let h = &h[first..][..y.len()];
        for (y, h) in y.chunks_exact_mut(width).zip(h.chunks_exact(width)) {
            let (mean, scale) = statistics(h, norm.epsilon);
            for (((y, h), w), b) in y.iter_mut().zip(h).zip(norm.weight).zip(norm.bias) {
                *y = ((h - mean) * scale).mul_add(*w, *b);
            }
        }
        if let Some(residual) = residual {
            for (y, r) in y.iter_mut().zip(&residual[first..]) {
                *y += r;
            }
        }
    })
}

/// The gradient of h from that of y = LN(h), [rows, width]; or that and `residual`, where h takes another way too.
pub(crate) fn norm_rows_backward(norm: Norm<'_>, h: &[f32], dy: &[f32], residual: Option<&[f32]>) -> Vec<f32> {
    let width = norm.weight.len();
    let task = rows_per_task(width) * width;
    filled(h.len(), task, |first, dh| {
        let (h, dy) = (&h[first..][..dh.len()], &dy[first..][..dh.len()]);
        let rows = dh.chunks_exact_mut(width).zip(h.chunks_exact(width)).zip(dy.chunks_exact(width));
        for ((dh, h), dy) in rows {
            let (mean, scale) = statistics(h, norm.epsilon);
            for ((d, g), w) in dh.iter_mut().zip(dy).zip(norm.weight) {
                *d = g * w;
            }
            row_gradient(dh, h, mean, scale);
        }
        if let Some(residual) = residual {
            for (d, r) in dh.iter_mut().zip(&residual[first..]) {
                *d += r;
            }
        }
    })
}

/// LN(x) weight + bias over the last dimension of `x` [..., width] as one operation, differentiable in all three.
pub(super) fn fused(x: &Tensor, weight: &Tensor, bias: &Tensor, epsilon: f64) -> Result<Tensor> {
    x.contiguous()?.apply_op3(&weight.contiguous()?, &bias.contiguous()?, LayerNorm { epsilon: epsilon as f32 })
}

/// From elementary operations.
pub(super) fn plain(x: &Tensor, weight: &Tensor, bias: &Tensor, epsilon: f64) -> Result<Tensor> {
    let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
    let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
    let deviation = (variance + epsilon)?.sqrt()?;
    plus(&times(&centred.broadcast_div(&deviation)?, weight)?, bias)
}

struct LayerNorm {
    epsilon: f32,
}

impl CustomOp3 for LayerNorm {
    fn name(&self) -> &'static str {
        "layer-norm"
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
        let norm = Norm { weight, bias, epsilon: self.epsilon };
        if x_layout.dims().last() != Some(&norm.weight.len()) || norm.weight.len() != norm.bias.len() {
            candle_core::bail!("layer norm of {:?} with weights of {}", x_layout.dims(), norm.weight.len());
        }
        let y = norm_rows(norm, floats(x, x_layout)?, None);
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
        let (shape, device) = (x.shape(), x.device());
        with_floats(x, |x| {
            with_floats(weight, |w| {
                with_floats(grad, |g| {
                    let norm = Norm { weight: w, bias: &[], epsilon: self.epsilon };
                    let dx = norm_rows_backward(norm, x, g, None);
                    let dx = Some(Tensor::from_vec(dx, shape, device)?);
                    if !weight.track_op() && !bias.track_op() {
                        return Ok((dx, None, None));
                    }
                    let (dw, db) = weight_gradients(norm, x, g);
                    let to_tensor = |v: Vec<f32>| Tensor::from_vec(v, weight.shape(), device);
                    Ok((dx, Some(to_tensor(dw)?), Some(to_tensor(db)?)))
                })
            })
        })
    }
}

/// Gradients of weight and bias: sums over rows, first within tasks, then over tasks in order.
fn weight_gradients(norm: Norm<'_>, x: &[f32], dy: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let width = norm.weight.len();
    let task = rows_per_task(width) * width;
    let partial: Vec<(Vec<f32>, Vec<f32>)> = x
        .par_chunks(task)
        .zip(dy.par_chunks(task))
        .map(|(x, dy)| {
            let (mut dw, mut db) = (vec![0.0; width], vec![0.0; width]);
            for (x, dy) in x.chunks_exact(width).zip(dy.chunks_exact(width)) {
                let (mean, scale) = statistics(x, norm.epsilon);
                for (((dw, db), x), g) in dw.iter_mut().zip(&mut db).zip(x).zip(dy) {
                    *dw += g * (x - mean) * scale;
                    *db += g;
                }
            }
            (dw, db)
        })
        .collect();
    let (mut dw, mut db) = (vec![0.0; width], vec![0.0; width]);
    for (w, b) in &partial {
        dw.iter_mut().zip(w).for_each(|(total, x)| *total += x);
        db.iter_mut().zip(b).for_each(|(total, x)| *total += x);
    }
    (dw, db)
}

#[cfg(test)]
mod tests {
    use copl_testing::tensors::{assert_gradients, assert_same, difference, tensor, values, var};

    use super::*;

    #[test]
    fn kernel_and_plain_composition_agree() {
        for (rows, width, epsilon) in [(1, 3, 1e-5), (130, 24, 1e-6), (700, 50, 0.5)] {
            let (x, w, b) = (var(&[2, rows, width], 1), var(&[width], 2), var(&[width], 3));
            assert_same(
                &[&x, &w, &b],
                2e-5,
                || fused(&x, &w, &b, epsilon).unwrap(),
                || plain(&x, &w, &b, epsilon).unwrap(),
            );
        }
        let (x, w, b) = (var(&[4, 9], 1), var(&[9], 2), var(&[9], 3));
        assert_gradients(&[&x, &w, &b], 12, 2e-3, || fused(&x, &w, &b, EPSILON).unwrap());
    }

    #[test]
    fn the_residual_is_added() {
        let (h, r, w, b) = (tensor(&[1500, 24], 1), tensor(&[1500, 24], 2), tensor(&[24], 3), tensor(&[24], 4));
        let (wv, bv) = (values(&w), values(&b));
        let y = norm_rows(Norm { weight: &wv, bias: &bv, epsilon: 1e-5 }, &values(&h), Some(&values(&r)));
        let y = Tensor::from_vec(y, (1500, 24), h.device()).unwrap();
        let expected = (plain(&h, &w, &b, 1e-5).unwrap() + r).unwrap();
        assert!(difference(&y, &expected) < 1e-5);
    }

    #[test]
    fn the_gradient_of_another_way_is_added() {
        let (h, dy, r, w) = (tensor(&[1500, 24], 1), tensor(&[1500, 24], 2), tensor(&[1500, 24], 3), tensor(&[24], 4));
        let wv = values(&w);
        let norm = Norm { weight: &wv, bias: &[], epsilon: 1e-6 };
        let alone = norm_rows_backward(norm, &values(&h), &values(&dy), None);
        let both = norm_rows_backward(norm, &values(&h), &values(&dy), Some(&values(&r)));
        let expected: Vec<f32> = alone.iter().zip(values(&r)).map(|(a, b)| a + b).collect();
        assert_eq!(both, expected);
    }
}
