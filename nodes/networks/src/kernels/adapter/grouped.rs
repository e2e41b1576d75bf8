//! A linear layer in groups, without bias, on the rows of one task: output group k reads input group k alone.

use crate::kernels::matrix::{Matrix, MatrixMut, Threads, Write, product};

/// Sizes of the layer; its weight is [outputs, inputs / groups].
#[derive(Debug, Clone, Copy)]
pub(super) struct Grouped {
    pub(super) groups: usize,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
}

impl Grouped {
    /// Inputs of one output.
    pub(super) fn of_output(self) -> usize {
        self.inputs / self.groups
    }

    /// Outputs of a group.
    pub(super) fn of_group(self) -> usize {
        self.outputs / self.groups
    }

    /// The group of an output.
    pub(super) fn group(self, output: usize) -> usize {
        output / self.of_group()
    }

    /// Group `k` of a weight.
    fn weight(self, weight: &[f32], k: usize) -> Matrix<'_> {
        let size = self.of_group() * self.of_output();
        Matrix::new(&weight[k * size..][..size], self.of_group(), self.of_output())
    }

    /// Columns of group `k` of rows of `width` numbers.
    fn columns(self, x: &[f32], k: usize, width: usize) -> Matrix<'_> {
        Matrix::strided(&x[k * (width / self.groups)..], x.len() / width, width / self.groups, width)
    }

    fn columns_mut(self, x: &mut [f32], k: usize, width: usize) -> MatrixMut<'_> {
        let rows = x.len() / width;
        MatrixMut::strided(&mut x[k * (width / self.groups)..], rows, width / self.groups, width)
    }

    /// `y` [rows, outputs] from `x` [rows, inputs].
    pub(super) fn forward(self, weight: &[f32], x: &[f32], y: &mut [f32], write: Write) {
        for k in 0..self.groups {
            let (out, x) = (self.columns_mut(y, k, self.outputs), self.columns(x, k, self.inputs));
            product(out, x, self.weight(weight, k).transposed(), write, Threads::One);
        }
    }

    /// The gradient of x from that of y.
    pub(super) fn backward(self, weight: &[f32], dy: &[f32], dx: &mut [f32]) {
        for k in 0..self.groups {
            let (out, dy) = (self.columns_mut(dx, k, self.inputs), self.columns(dy, k, self.outputs));
            product(out, dy, self.weight(weight, k), Write::Replace, Threads::One);
        }
    }

    /// The gradient of the weight from that of y, a sum over the rows, is added to `dweight`.
    pub(super) fn add_weight_gradient(self, x: &[f32], dy: &[f32], dweight: &mut [f32]) {
        let size = self.of_group() * self.of_output();
        for (k, dweight) in dweight.chunks_exact_mut(size).enumerate() {
            let out = MatrixMut::new(dweight, self.of_group(), self.of_output());
            let dy = self.columns(dy, k, self.outputs).transposed();
            product(out, dy, self.columns(x, k, self.inputs), Write::Add, Threads::One);
        }
    }
}

#[cfg(test)]
mod tests {
    use copl_testing::tensors::numbers;

    use super::*;

    #[test]
    fn output_groups_read_their_input_group_alone() {
        let (layer, rows) = (Grouped { groups: 2, inputs: 6, outputs: 4 }, 5);
        let (w, x, dy) = (numbers(4 * 3, 1), numbers(rows * 6, 2), numbers(rows * 4, 3));
        let (mut y, mut dx, mut dw) = (vec![1.0; rows * 4], vec![9.0; rows * 6], vec![2.0; 4 * 3]);
        layer.forward(&w, &x, &mut y, Write::Add);
        layer.backward(&w, &dy, &mut dx);
        layer.add_weight_gradient(&x, &dy, &mut dw);
        // The same with a whole weight, zero where input and output are of different groups.
        let whole = |o: usize, i: usize| if layer.group(o) == i / 3 { w[o * 3 + i % 3] } else { 0.0 };
        let close = |found: f32, expected: f32| assert!((found - expected).abs() < 1e-5, "{found} {expected}");
        for row in 0..rows {
            for o in 0..4 {
                close(y[row * 4 + o], 1.0 + (0..6).map(|i| x[row * 6 + i] * whole(o, i)).sum::<f32>());
            }
            for i in 0..6 {
                close(dx[row * 6 + i], (0..4).map(|o| dy[row * 4 + o] * whole(o, i)).sum());
            }
        }
        for o in 0..4 {
            for i in 0..3 {
                let column = layer.group(o) * 3 + i;
                close(dw[o * 3 + i], 2.0 + (0..rows).map(|row| dy[row * 4 + o] * x[row * 6 + column]).sum::<f32>());
            }
        }
    }
}
