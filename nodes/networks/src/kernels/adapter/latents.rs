//! Products of rows with a few latents [t, width].
//!
//! A product of matrices first packs its operands, which for two latents costs more than the product itself: few latents are
//! read one after the other.

use crate::kernels::math::dot;
use crate::kernels::matrix::{Matrix, MatrixMut, Threads, Write, product};

/// So many latents at most are multiplied without packing.
const FEW: usize = 4;

/// Rows that are multiplied with one latent after the other while they are in a core's first-level cache. One row with all
/// latents would be vectors across the latents, too short ones.
const BLOCK: usize = 16;

/// How a number of each row and latent is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// [rows, t]
    ByRow,
    /// [t, rows]
    ByLatent,
}

/// Latents, and the order of the numbers that they share with rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Latents<'a> {
    /// [t, width]
    pub(super) numbers: &'a [f32],
    pub(super) width: usize,
    pub(super) order: Order,
}

impl Latents<'_> {
    fn count(self) -> usize {
        self.numbers.len() / self.width
    }

    /// Where the number of a row and a latent stands.
    #[inline(always)]
    fn place(self, row: usize, latent: usize, rows: usize) -> usize {
        match self.order {
            Order::ByRow => row * self.count() + latent,
            Order::ByLatent => latent * rows + row,
        }
    }

    /// Numbers of rows and latents as a matrix [rows, t].
    fn matrix(self, shared: &[f32], rows: usize) -> Matrix<'_> {
        match self.order {
            Order::ByRow => Matrix::new(shared, rows, self.count()),
            Order::ByLatent => Matrix::new(shared, self.count(), rows).transposed(),
        }
    }

    /// `shared` = x Lᵀ, with `x` [rows, width].
    pub(super) fn scores(self, x: &[f32], shared: &mut [f32]) {
        let (rows, count) = (x.len() / self.width, self.count());
        if count <= FEW {
            for (block, x) in x.chunks(BLOCK * self.width).enumerate() {
                for (latent, l) in self.numbers.chunks_exact(self.width).enumerate() {
                    for (row, x) in x.chunks_exact(self.width).enumerate() {
                        shared[self.place(block * BLOCK + row, latent, rows)] = dot(x, l);
                    }
                }
            }
            return;
        }
        let (x, l) = (Matrix::new(x, rows, self.width), Matrix::new(self.numbers, count, self.width));
        let (out, a, b) = match self.order {
            Order::ByRow => (MatrixMut::new(shared, rows, count), x, l.transposed()),
            Order::ByLatent => (MatrixMut::new(shared, count, rows), l, x.transposed()),
        };
        product(out, a, b, Write::Replace, Threads::One);
    }

    /// `y` [rows, width] += `shared` L.
    pub(super) fn add(self, shared: &[f32], y: &mut [f32]) {
        let (rows, count) = (y.len() / self.width, self.count());
        if count <= FEW {
            for (row, y) in y.chunks_exact_mut(self.width).enumerate() {
                for (pair, latents) in self.numbers.chunks(2 * self.width).enumerate() {
                    let (first, second) = latents.split_at(self.width);
                    let share = |latent| shared[self.place(row, latent, rows)];
                    if second.is_empty() {
                        y.iter_mut().zip(first).for_each(|(y, l)| *y = l.mul_add(share(2 * pair), *y));
                        continue;
                    }
                    let (of_first, of_second) = (share(2 * pair), share(2 * pair + 1));
                    for ((y, first), second) in y.iter_mut().zip(first).zip(second) {
                        *y = second.mul_add(of_second, first.mul_add(of_first, *y));
                    }
                }
            }
            return;
        }
        let l = Matrix::new(self.numbers, count, self.width);
        product(MatrixMut::new(y, rows, self.width), self.matrix(shared, rows), l, Write::Add, Threads::One);
    }

    /// `sums` [t, width] += `shared`ᵀ x, with `x` [rows, width]: sums over rows, of latents' shape.
    pub(super) fn add_sums(self, shared: &[f32], x: &[f32], sums: &mut [f32]) {
        let (rows, count) = (x.len() / self.width, self.count());
        if count <= FEW {
            for (row, x) in x.chunks_exact(self.width).enumerate() {
                for (latent, sums) in sums.chunks_exact_mut(self.width).enumerate() {
                    let share = shared[self.place(row, latent, rows)];
                    sums.iter_mut().zip(x).for_each(|(sum, x)| *sum = x.mul_add(share, *sum));
                }
            }
            return;
        }
        let x = Matrix::new(x, rows, self.width);
        let out = MatrixMut::new(sums, count, self.width);
        product(out, self.matrix(shared, rows).transposed(), x, Write::Add, Threads::One);
    }
}

#[cfg(test)]
mod tests {
    use copl_testing::tensors::numbers;

    use super::*;

    #[test]
    fn products_match_the_definition_in_both_orders() {
        let (rows, width) = (2 * BLOCK + 7, 19);
        for count in [1, 2, 3, FEW, FEW + 1, 33] {
            let (l, x, c) = (numbers(count * width, 1), numbers(rows * width, 2), numbers(rows * count, 3));
            for order in [Order::ByRow, Order::ByLatent] {
                let latents = Latents { numbers: &l, width, order };
                let (mut scores, mut y) = (vec![0.0; rows * count], vec![1.0; rows * width]);
                let mut sums = vec![2.0; count * width];
                latents.scores(&x, &mut scores);
                latents.add(&c, &mut y);
                latents.add_sums(&c, &x, &mut sums);
                let close = |found: f32, expected: f32| assert!((found - expected).abs() < 1e-5, "{found} {expected}");
                for row in 0..rows {
                    for j in 0..count {
                        let expected = (0..width).map(|i| x[row * width + i] * l[j * width + i]).sum();
                        close(scores[latents.place(row, j, rows)], expected);
                    }
                    for i in 0..width {
                        let share = |j: usize| c[latents.place(row, j, rows)] * l[j * width + i];
                        close(y[row * width + i], 1.0 + (0..count).map(share).sum::<f32>());
                    }
                }
                for j in 0..count {
                    for i in 0..width {
                        let share = |row: usize| c[latents.place(row, j, rows)] * x[row * width + i];
                        close(sums[j * width + i], 2.0 + (0..rows).map(share).sum::<f32>());
                    }
                }
            }
        }
    }
}
