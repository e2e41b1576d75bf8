//! A frozen linear layer on rows: y = x Wᵀ + b, and the gradient of x alone.

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use super::matrix::{Matrix, MatrixMut, Threads, Write, product};

/// Weights above this size are worth one product over all rows, which packs them once; below, rows are split in tasks
/// that stay in a core's cache together with what follows the product.
pub(crate) const SPLIT_BELOW: usize = 64 * 1024;

/// Numbers of a layer's wider side that stay in a core's second-level cache.
const CACHED: usize = 128 * 1024;

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
        self.forward_then(x, None::<&mut [f32]>, |_, _| ())
    }

    /// `residual` [rows, outputs] + the result of `x` [rows, inputs].
    pub(crate) fn forward_onto(&self, x: &[f32], residual: &[f32]) -> Vec<f32> {
        let mut y = residual.to_vec();
        self.fill(x, &mut y, Write::Add, None::<&mut [f32]>, |_, _| ());
        y
    }

    /// As [`Self::forward`], then `finish` on parts of the result while they are in cache. `extra`, as large as the
    /// result, is handed to `finish` in the same parts.
    pub(crate) fn forward_then<E: Send>(
        &self,
        x: &[f32],
        extra: Option<&mut [E]>,
        finish: impl Fn(&mut [f32], Option<&mut [E]>) + Sync,
    ) -> Vec<f32> {
        let mut y = vec![0.0; x.len() / self.inputs * self.outputs];
        self.fill(x, &mut y, Write::Replace, extra, finish);
        y
    }

    fn fill<E: Send>(
        &self,
        x: &[f32],
        y: &mut [f32],
        write: Write,
        extra: Option<&mut [E]>,
        finish: impl Fn(&mut [f32], Option<&mut [E]>) + Sync,
    ) {
        let rows = x.len() / self.inputs;
        if rows == 0 {
            return;
        }
        let split = self.weight.len() <= SPLIT_BELOW;
        if !split {
            self.multiply(x, y, write, Threads::All);
        }
        let task = self.task(rows);
        let part = |y: &mut [f32], x: &[f32], extra: Option<&mut [E]>| {
            if split {
                self.multiply(x, y, write, Threads::One);
            }
            self.add_bias(y);
            finish(y, extra);
        };
        let parts = y.par_chunks_mut(task * self.outputs).zip(x.par_chunks(task * self.inputs));
        match extra {
            Some(extra) => {
                parts.zip(extra.par_chunks_mut(task * self.outputs)).for_each(|((y, x), extra)| part(y, x, Some(extra)))
            }
            None => parts.for_each(|(y, x)| part(y, x, None)),
        }
    }

    /// Rows of one task: few enough for every thread to have two, enough to be worth packing the weights, at most what
    /// a core's cache holds.
    fn task(&self, rows: usize) -> usize {
        let most = (CACHED / self.inputs.max(self.outputs)).max(64);
        rows.div_ceil(2 * rayon::current_num_threads()).clamp(64, most)
    }

    fn multiply(&self, x: &[f32], y: &mut [f32], write: Write, threads: Threads) {
        let rows = x.len() / self.inputs;
        let weight = Matrix::new(self.weight, self.outputs, self.inputs).transposed();
        let out = MatrixMut::new(y, rows, self.outputs);
        product(out, Matrix::new(x, rows, self.inputs), weight, write, threads);
    }

    fn add_bias(&self, y: &mut [f32]) {
        if self.bias.is_empty() {
            return;
        }
        for row in y.chunks_exact_mut(self.outputs) {
            for (y, b) in row.iter_mut().zip(self.bias) {
                *y += b;
            }
        }
    }

    /// The gradient of x from that of y, written over or added to `dx` [rows, inputs].
    pub(crate) fn backward(&self, dy: &[f32], dx: &mut [f32], write: Write) {
        let rows = dy.len() / self.outputs;
        if rows == 0 {
            return;
        }
        let weight = Matrix::new(self.weight, self.outputs, self.inputs);
        if self.weight.len() <= SPLIT_BELOW {
            let task = self.task(rows);
            dx.par_chunks_mut(task * self.inputs).zip(dy.par_chunks(task * self.outputs)).for_each(|(dx, dy)| {
                let rows = dy.len() / self.outputs;
                let out = MatrixMut::new(dx, rows, self.inputs);
                product(out, Matrix::new(dy, rows, self.outputs), weight, write, Threads::One);
            });
        } else {
            let out = MatrixMut::new(dx, rows, self.inputs);
            product(out, Matrix::new(dy, rows, self.outputs), weight, write, Threads::All);
        }
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
            dense.backward(&dy, &mut dx, Write::Add);
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
