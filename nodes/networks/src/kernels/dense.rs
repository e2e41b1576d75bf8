//! A frozen linear layer on rows: y = x Wᵀ + b, and the gradient of x alone.

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use super::matrix::{Matrix, MatrixMut, Threads, Write, product};
use super::slices::{filled, filled_with};

/// Numbers of a task's wider side: those of a part stay in a core's cache with what follows the product.
const CACHED: usize = 256 * 1024;

/// Rows of a task at most; at so many, packing the weights costs next to nothing.
const MOST_ROWS: usize = 512;

/// Borrowed weights of a layer from `inputs` to `outputs` numbers.
#[derive(Clone, Copy)]
pub(crate) struct Dense<'a> {
    /// [outputs, inputs]
    pub(crate) weight: &'a [f32],
    /// [outputs], or empty
    pub(crate) bias: &'a [f32],
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
}

impl Dense<'_> {
    /// [rows, inputs] -> [rows, outputs].
    pub(crate) fn forward(&self, x: &[f32]) -> Vec<f32> {
        let rows = x.len() / self.inputs;
        filled(rows * self.outputs, self.task(rows) * self.outputs, |first, y| self.part(x, first, y, Write::Replace))
    }

    /// `residual` [rows, outputs] + the result of `x` [rows, inputs].
    pub(crate) fn forward_onto(&self, x: &[f32], residual: &[f32]) -> Vec<f32> {
        filled(residual.len(), self.task(residual.len() / self.outputs) * self.outputs, |first, y| {
            y.copy_from_slice(&residual[first..][..y.len()]);
            self.part(x, first, y, Write::Add);
        })
    }

    /// As [`Self::forward`], then `finish` on parts of the result while they are in cache. Where it is to `keep` something
    /// of each number, `finish` is handed zeros for it, and they are returned beside the result.
    pub(crate) fn forward_then<E: Copy + Default + Send>(
        &self,
        x: &[f32],
        keep: bool,
        finish: impl Fn(&mut [f32], Option<&mut [E]>) + Sync + Send,
    ) -> (Vec<f32>, Vec<E>) {
        let rows = x.len() / self.inputs;
        filled_with(rows * self.outputs, self.task(rows) * self.outputs, keep, |first, y, kept| {
            self.part(x, first, y, Write::Replace);
            finish(y, kept);
        })
    }

    /// Rows of one task: few enough for every thread to have two, enough to be worth packing the weights, at most what a
    /// core's cache holds.
    fn task(&self, rows: usize) -> usize {
        let most = (CACHED / self.inputs.max(self.outputs)).clamp(MOST_ROWS / 2, MOST_ROWS);
        rows.div_ceil(2 * rayon::current_num_threads()).clamp(64, most)
    }

    /// The outputs `y`, from number `first` of all outputs on.
    fn part(&self, x: &[f32], first: usize, y: &mut [f32], write: Write) {
        let rows = y.len() / self.outputs;
        let x = &x[first / self.outputs * self.inputs..][..rows * self.inputs];
        let weight = Matrix::new(self.weight, self.outputs, self.inputs).transposed();
        let out = MatrixMut::new(y, rows, self.outputs);
        product(out, Matrix::new(x, rows, self.inputs), weight, write, Threads::One);
        if !self.bias.is_empty() {
            for row in y.chunks_exact_mut(self.outputs) {
                row.iter_mut().zip(self.bias).for_each(|(y, b)| *y += b);
            }
        }
    }

    /// The gradient of x from that of y.
    pub(crate) fn backward(&self, dy: &[f32]) -> Vec<f32> {
        self.backward_then(dy, |_, _| ())
    }

    /// As [`Self::backward`], then `finish` on parts of the gradient, from their first place on, while they are in cache.
    pub(crate) fn backward_then(&self, dy: &[f32], finish: impl Fn(usize, &mut [f32]) + Sync + Send) -> Vec<f32> {
        let rows = dy.len() / self.outputs;
        filled(rows * self.inputs, self.task(rows) * self.inputs, |first, dx| {
            self.backward_part(dy, first, dx, Write::Replace);
            finish(first, dx);
        })
    }

    /// Adds the gradient of x to `dx` [rows, inputs].
    pub(crate) fn backward_onto(&self, dy: &[f32], dx: &mut [f32]) {
        let task = self.task(dx.len() / self.inputs) * self.inputs;
        let parts = dx.par_chunks_mut(task).enumerate();
        parts.for_each(|(index, dx)| self.backward_part(dy, index * task, dx, Write::Add));
    }

    fn backward_part(&self, dy: &[f32], first: usize, dx: &mut [f32], write: Write) {
        let rows = dx.len() / self.inputs;
        let dy = &dy[first / self.inputs * self.outputs..][..rows * self.outputs];
        let weight = Matrix::new(self.weight, self.outputs, self.inputs);
        let out = MatrixMut::new(dx, rows, self.inputs);
        product(out, Matrix::new(dy, rows, self.outputs), weight, write, Threads::One);
    }
}

/// A frozen layer that owns its weights.
#[derive(Debug, Clone)]
pub(crate) struct DenseLayer {
    weight: Vec<f32>,
    bias: Vec<f32>,
    inputs: usize,
    outputs: usize,
}

impl DenseLayer {
    /// Copies `weight` [outputs, inputs] and `bias` [outputs] out of tensors.
    pub(crate) fn new(weight: &Tensor, bias: Option<&Tensor>) -> Result<Self> {
        let (outputs, inputs) = weight.dims2()?;
        let bias = match bias {
            Some(bias) => bias.to_vec1()?,
            None => Vec::new(),
        };
        Ok(Self { weight: weight.flatten_all()?.to_vec1()?, bias, inputs, outputs })
    }

    pub(crate) fn view(&self) -> Dense<'_> {
        self.rows(0, self.outputs)
    }

    /// The layer that computes only outputs `start..start + count`.
    pub(crate) fn rows(&self, start: usize, count: usize) -> Dense<'_> {
        Dense {
            weight: &self.weight[start * self.inputs..][..count * self.inputs],
            bias: if self.bias.is_empty() { &[] } else { &self.bias[start..][..count] },
            inputs: self.inputs,
            outputs: count,
        }
    }

    pub(crate) fn bias(&self) -> &[f32] {
        &self.bias
    }
}

#[cfg(test)]
mod tests {
    use copl_testing::tensors::numbers;

    use super::*;

    #[test]
    fn small_and_large_layers_agree_with_the_definition() {
        for (rows, inputs, outputs) in [(1, 3, 5), (37, 24, 96), (300, 7, 11), (5, 260, 270)] {
            let (x, w, b) = (numbers(rows * inputs, 1), numbers(outputs * inputs, 2), numbers(outputs, 3));
            let dense = Dense { weight: &w, bias: &b, inputs, outputs };
            let y = dense.forward(&x);
            let residual = numbers(rows * outputs, 5);
            for ((sum, y), r) in dense.forward_onto(&x, &residual).iter().zip(&y).zip(&residual) {
                assert!((sum - (y + r)).abs() < 1e-5);
            }
            let dy = numbers(rows * outputs, 4);
            let mut dx = vec![1.0; rows * inputs];
            dense.backward_onto(&dy, &mut dx);
            assert!(dense.backward(&dy).iter().zip(&dx).all(|(new, onto)| (new + 1.0 - onto).abs() < 1e-4));
            for r in (0..rows).step_by(3) {
                for o in 0..outputs {
                    let expected: f32 = b[o] + (0..inputs).map(|i| x[r * inputs + i] * w[o * inputs + i]).sum::<f32>();
                    assert!((y[r * outputs + o] - expected).abs() < 1e-4);
                }
                for i in 0..inputs {
                    let expected: f32 =
                        1.0 + (0..outputs).map(|o| dy[r * outputs + o] * w[o * inputs + i]).sum::<f32>();
                    assert!((dx[r * inputs + i] - expected).abs() < 1e-4);
                }
            }
        }
    }
}
