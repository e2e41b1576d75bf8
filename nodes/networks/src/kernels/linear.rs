//! A linear layer as a tensor function, differentiable in tokens, weight and bias; a weight or bias that takes no part in a
//! graph has no gradient.

use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::constants::{plus, times_transposed};
use super::dense::Dense;
use super::matrix::{Matrix, MatrixMut, Threads, Write, product};
use super::slices::{floats, with_floats};

/// Gradients of larger weights are one product over all rows; those of smaller are sums over tasks' rows.
pub(super) const SPLIT_BELOW: usize = 64 * 1024;

/// Rows a task of the weight's gradient sums over; a whole number of these, so sums do not depend on the threads.
const ROWS: usize = 1024;

/// As one operation.
pub(super) fn fused(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let (outputs, inputs) = weight.dims2()?;
    if x.dims().last() != Some(&inputs) {
        candle_core::bail!("a linear layer of {inputs} inputs was given {:?}", x.dims());
    }
    let bias = match bias {
        Some(bias) => bias.contiguous()?,
        None => Tensor::zeros(outputs, x.dtype(), x.device())?,
    };
    x.contiguous()?.apply_op3(&weight.contiguous()?, &bias, Linear)
}

/// From elementary operations.
pub(super) fn plain(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let mut shape = x.dims().to_vec();
    let inputs = shape.pop().unwrap_or(1);
    // A weight of half precision makes the product one of half precision; all else stays as it was.
    let rows = x.reshape((x.elem_count() / inputs.max(1), inputs))?.to_dtype(weight.dtype())?;
    let y = times_transposed(&rows, weight)?.to_dtype(x.dtype())?;
    let y = match bias {
        Some(bias) => plus(&y, bias)?,
        None => y,
    };
    shape.push(weight.dim(0)?);
    y.reshape(shape)
}

/// x M of `x` [..., in] and a matrix [in, out], as one operation.
pub(super) fn times_fused(x: &Tensor, matrix: &Tensor) -> Result<Tensor> {
    if x.dims().last() != Some(&matrix.dims2()?.0) {
        candle_core::bail!("a product of {:?} with a matrix {:?}", x.dims(), matrix.dims());
    }
    x.contiguous()?.apply_op2(&matrix.contiguous()?, Times)
}

/// From elementary operations.
pub(super) fn times_plain(x: &Tensor, matrix: &Tensor) -> Result<Tensor> {
    let (inputs, outputs) = matrix.dims2()?;
    let mut shape = x.dims().to_vec();
    shape.pop();
    shape.push(outputs);
    x.reshape((x.elem_count() / inputs.max(1), inputs))?.matmul(matrix)?.reshape(shape)
}

struct Times;

impl CustomOp2 for Times {
    fn name(&self) -> &'static str {
        "times-matrix"
    }

    fn cpu_fwd(&self, x: &CpuStorage, xl: &Layout, matrix: &CpuStorage, ml: &Layout) -> Result<(CpuStorage, Shape)> {
        let (inputs, outputs) = ml.shape().dims2()?;
        let (x, m) = (floats(x, xl)?, floats(matrix, ml)?);
        let rows = x.len() / inputs.max(1);
        let mut y = vec![0.0; rows * outputs];
        let out = MatrixMut::new(&mut y, rows, outputs);
        product(out, Matrix::new(x, rows, inputs), Matrix::new(m, inputs, outputs), Write::Replace, Threads::All);
        let mut shape = xl.dims().to_vec();
        if let Some(last) = shape.last_mut() {
            *last = outputs;
        }
        Ok((CpuStorage::F32(y), Shape::from(shape)))
    }

    fn bwd(&self, x: &Tensor, matrix: &Tensor, _res: &Tensor, dy: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (inputs, outputs) = matrix.dims2()?;
        let rows = x.elem_count() / inputs.max(1);
        let like = |numbers: Vec<f32>, of: &Tensor| Tensor::from_vec(numbers, of.shape(), of.device());
        let to_x = |m: &[f32], dy: &[f32]| {
            let mut dx = vec![0.0; rows * inputs];
            let (dy, m) = (Matrix::new(dy, rows, outputs), Matrix::new(m, inputs, outputs).transposed());
            product(MatrixMut::new(&mut dx, rows, inputs), dy, m, Write::Replace, Threads::All);
            dx
        };
        let to_matrix = |x: &[f32], dy: &[f32]| {
            let mut dm = vec![0.0; inputs * outputs];
            let (x, dy) = (Matrix::new(x, rows, inputs).transposed(), Matrix::new(dy, rows, outputs));
            product(MatrixMut::new(&mut dm, inputs, outputs), x, dy, Write::Replace, Threads::All);
            dm
        };
        let dx = match x.track_op() {
            true => Some(with_floats(matrix, |m| with_floats(dy, |dy| like(to_x(m, dy), x)))?),
            false => None,
        };
        let dm = match matrix.track_op() {
            true => Some(with_floats(x, |x| with_floats(dy, |dy| like(to_matrix(x, dy), matrix)))?),
            false => None,
        };
        Ok((dx, dm))
    }
}

struct Linear;

impl CustomOp3 for Linear {
    fn name(&self) -> &'static str {
        "linear"
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
        let (outputs, inputs) = weight_layout.shape().dims2()?;
        let bias = floats(bias, bias_layout)?;
        if bias.len() != outputs {
            candle_core::bail!("a linear layer of {outputs} outputs has {} biases", bias.len());
        }
        let dense = Dense { weight: floats(weight, weight_layout)?, bias, inputs, outputs };
        let y = dense.forward(floats(x, x_layout)?);
        let mut shape = x_layout.dims().to_vec();
        if let Some(last) = shape.last_mut() {
            *last = outputs;
        }
        Ok((CpuStorage::F32(y), Shape::from(shape)))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _res: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (outputs, inputs) = weight.dims2()?;
        let like = |values: Vec<f32>, of: &Tensor| Tensor::from_vec(values, of.shape(), of.device());
        let dx = match x.track_op() {
            true => Some(with_floats(weight, |w| {
                with_floats(grad, |dy| like(Dense { weight: w, bias: &[], inputs, outputs }.backward(dy), x))
            })?),
            false => None,
        };
        let dw = match weight.track_op() {
            true => {
                Some(with_floats(x, |x| with_floats(grad, |dy| like(weight_gradient(x, dy, inputs, outputs), weight)))?)
            }
            false => None,
        };
        let db = match bias.track_op() {
            true => Some(with_floats(grad, |dy| like(bias_gradient(dy, outputs), bias))?),
            false => None,
        };
        Ok((dx, dw, db))
    }
}

/// dyᵀ x, [outputs, inputs].
fn weight_gradient(x: &[f32], dy: &[f32], inputs: usize, outputs: usize) -> Vec<f32> {
    let part = |x: &[f32], dy: &[f32], threads| {
        let rows = x.len() / inputs;
        let mut dw = vec![0.0; outputs * inputs];
        let out = MatrixMut::new(&mut dw, outputs, inputs);
        product(
            out,
            Matrix::new(dy, rows, outputs).transposed(),
            Matrix::new(x, rows, inputs),
            Write::Replace,
            threads,
        );
        dw
    };
    if outputs * inputs > SPLIT_BELOW {
        return part(x, dy, Threads::All);
    }
    let parts = x.par_chunks(ROWS * inputs).zip(dy.par_chunks(ROWS * outputs));
    sum_in_order(parts.map(|(x, dy)| part(x, dy, Threads::One)).collect(), outputs * inputs)
}

/// Sum of dy over rows, [outputs].
pub(super) fn bias_gradient(dy: &[f32], outputs: usize) -> Vec<f32> {
    let parts = dy.par_chunks(ROWS * outputs).map(|dy| {
        let mut db = vec![0.0; outputs];
        for row in dy.chunks_exact(outputs) {
            db.iter_mut().zip(row).for_each(|(total, g)| *total += g);
        }
        db
    });
    sum_in_order(parts.collect(), outputs)
}

/// Sum of parts of one length, in their order.
pub(super) fn sum_in_order(parts: Vec<Vec<f32>>, length: usize) -> Vec<f32> {
    let mut parts = parts.into_iter();
    let mut total = parts.next().unwrap_or_else(|| vec![0.0; length]);
    for part in parts {
        total.iter_mut().zip(&part).for_each(|(total, x)| *total += x);
    }
    total
}

#[cfg(test)]
mod tests {
    use copl_testing::tensors::{assert_gradients, assert_same, values, var};

    use super::*;

    #[test]
    fn kernel_and_plain_composition_agree() {
        for (shape, outputs) in [(vec![3, 5], 4), (vec![2, 1100, 7], 9), (vec![2, 3, 260], 270)] {
            let (x, w, b) = (var(&shape, 1), var(&[outputs, shape[shape.len() - 1]], 2), var(&[outputs], 3));
            assert_same(&[&x, &w, &b], 2e-5, || fused(&x, &w, Some(&b)).unwrap(), || plain(&x, &w, Some(&b)).unwrap());
            assert_same(&[&x, &w], 2e-5, || fused(&x, &w, None).unwrap(), || plain(&x, &w, None).unwrap());
        }
        let (x, w, b) = (var(&[4, 3], 1), var(&[2, 3], 2), var(&[2], 3));
        assert_gradients(&[&x, &w, &b], 12, 2e-3, || fused(&x, &w, Some(&b)).unwrap());
    }

    #[test]
    fn products_with_a_matrix_agree() {
        for (shape, outputs) in [(vec![3, 5], 4), (vec![2, 40, 7], 9)] {
            let (x, m) = (var(&shape, 1), var(&[shape[shape.len() - 1], outputs], 2));
            assert_same(&[&x, &m], 2e-5, || times_fused(&x, &m).unwrap(), || times_plain(&x, &m).unwrap());
        }
        let (x, m) = (var(&[4, 3], 1), var(&[3, 2], 2));
        assert_gradients(&[&x, &m], 12, 2e-3, || times_fused(&x, &m).unwrap());
        assert!(times_fused(&m, &x).is_err());
    }

    #[test]
    fn frozen_weights_have_no_gradient_in_either() {
        let (x, w, b) = (var(&[2, 6, 3], 1), var(&[4, 3], 2), var(&[4], 3));
        let (frozen_w, frozen_b) = (w.as_detached_tensor(), b.as_detached_tensor());
        for layer in [fused, plain] {
            let gradients = |w: &Tensor, b: &Tensor| {
                layer(&x, w, Some(b)).unwrap().sqr().unwrap().sum_all().unwrap().backward().unwrap()
            };
            let (frozen, trained) = (gradients(&frozen_w, &frozen_b), gradients(&w, &b));
            assert_eq!(values(frozen.get(&x).unwrap()), values(trained.get(&x).unwrap()));
            assert_eq!(frozen.get_ids().count(), 1, "x alone has a gradient");
            assert!(trained.get(&w).is_some() && trained.get(&b).is_some());
        }
    }
}
