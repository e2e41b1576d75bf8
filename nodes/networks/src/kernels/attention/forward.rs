//! Forward pass of window attention.

use rayon::prelude::*;

use super::super::math::{exp_and_sum, maximum};
use super::super::matrix::{Matrix, MatrixMut, Threads, Write, product};
use super::super::slices::zeroed;
use super::scratch::{Scratch, own_of};
use super::windows::PADDING;
use super::{Attention, PromptKeys};

impl Attention {
    /// Attends `qkv` [N, L, 3C] to itself and to the prompts. Returns the output [N, L, C] and, per image, head, window
    /// and position, the logarithm of the sum of exponentials of the logits [N, H, windows, W], from which the backward
    /// pass rebuilds the probabilities.
    pub(crate) fn forward(&self, qkv: &[f32], prompts: PromptKeys<'_>) -> (Vec<f32>, Vec<f32>) {
        let (images, shared, own) = self.counts(qkv, prompts);
        let positions = self.windows.source.len();
        let (tokens, width) = (self.windows.tokens, self.width);
        let mut sums = vec![0.0; images * self.heads * positions];
        let mut out = Vec::with_capacity(images * tokens * width);
        out.spare_capacity_mut()[..images * tokens * width]
            .par_chunks_mut(tokens * width)
            .zip(sums.par_chunks_mut(self.heads * positions))
            .zip(qkv.par_chunks(tokens * 3 * width))
            .enumerate()
            .for_each_init(
                || (Scratch::new(self, shared + own), vec![0.0; self.windows.size * self.head_width()]),
                |(scratch, rows), (image, ((out, sums), qkv))| {
                    let out = zeroed(out);
                    for head in 0..self.heads {
                        scratch.load_prompts(self, head, prompts.shared, own_of(prompts, image, own, width));
                        for window in 0..self.windows.count() {
                            scratch.load_window(self, head, window, qkv);
                            scratch.fill_logits(self, head, window, prompts.bias);
                            let at = head * positions + window * self.windows.size;
                            self.attend(scratch, &mut sums[at..][..self.windows.size], rows);
                            self.store(head, window, rows, out);
                        }
                    }
                },
            );
        // SAFETY: each image's numbers were set before its heads were stored there.
        unsafe { out.set_len(images * tokens * width) };
        (out, sums)
    }

    /// Turns logits into probabilities and averages the values into `rows` [W, D].
    fn attend(&self, scratch: &mut Scratch, sums: &mut [f32], rows: &mut [f32]) {
        let (size, depth, columns) = (self.windows.size, self.head_width(), scratch.columns);
        for (row, sum) in scratch.logits.chunks_exact_mut(columns).zip(sums) {
            let shift = maximum(row);
            let total = exp_and_sum(row, shift);
            *sum = shift + total.ln();
            let scale = 1.0 / total;
            row.iter_mut().for_each(|x| *x *= scale);
        }
        let out = MatrixMut::new(rows, size, depth);
        let values = Matrix::new(&scratch.v, columns, depth);
        product(out, Matrix::new(&scratch.logits, size, columns), values, Write::Replace, Threads::One);
    }

    /// Writes one head's rows of a window to its tokens' places in `out` [L, C]; padding is dropped.
    fn store(&self, head: usize, window: usize, rows: &[f32], out: &mut [f32]) {
        let (size, depth) = (self.windows.size, self.head_width());
        for (&token, row) in self.windows.source[window * size..][..size].iter().zip(rows.chunks_exact(depth)) {
            if token != PADDING {
                out[token as usize * self.width + head * depth..][..depth].copy_from_slice(row);
            }
        }
    }
}
