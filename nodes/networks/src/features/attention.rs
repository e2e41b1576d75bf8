//! Attention without prompts or windows: some queries, some keys, one softmax a head.

use rayon::prelude::*;

use crate::kernels::matrix::{Matrix, MatrixMut, Threads, Write, product};
use crate::kernels::slices::zeroed;
use crate::kernels::softmax::softmax_rows;

/// Queries of a task.
const QUERIES: usize = 256;

/// Rows of numbers, some of which are queries, keys or values: those from `first` on of each `stride`.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) values: &'a [f32],
    pub(super) first: usize,
    pub(super) stride: usize,
}

impl<'a> Rows<'a> {
    /// `count` rows from row `row` on, of `width` numbers from `offset` on.
    fn part(self, row: usize, count: usize, offset: usize, width: usize) -> Matrix<'a> {
        Matrix::strided(&self.values[row * self.stride + self.first + offset..], count, width, self.stride)
    }
}

/// Sizes of an attention.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attention {
    /// Queries an image, and keys.
    pub(super) queries: usize,
    pub(super) keys: usize,
    /// Numbers of a query over all heads.
    pub(super) width: usize,
    pub(super) heads: usize,
    /// Whether a query sees no key behind its own place.
    pub(super) causal: bool,
}

impl Attention {
    /// softmax(q kᵀ / √(width / heads)) v of every head side by side, [images queries, width].
    pub(super) fn apply(self, images: usize, q: Rows<'_>, k: Rows<'_>, v: Rows<'_>) -> Vec<f32> {
        let Self { queries, keys, width, heads, causal } = self;
        let (head, scale) = (width / heads, 1.0 / ((width / heads) as f32).sqrt());
        let mut out: Vec<f32> = Vec::with_capacity(images * queries * width);
        let parts = out.spare_capacity_mut()[..images * queries * width].par_chunks_mut(queries * width).enumerate();
        let parts = parts.flat_map(|(image, out)| {
            out.par_chunks_mut(QUERIES * width).enumerate().map(move |(part, out)| (image, part * QUERIES, out))
        });
        parts.for_each_init(Vec::new, |scores: &mut Vec<f32>, (image, first, out)| {
            let out = zeroed(out);
            let count = out.len() / width;
            scores.resize(count * keys, 0.0);
            for h in 0..heads {
                let q = q.part(image * queries + first, count, h * head, head);
                let k = k.part(image * keys, keys, h * head, head).transposed();
                product(MatrixMut::new(scores, count, keys), q, k, Write::Replace, Threads::One);
                for (index, row) in scores.chunks_exact_mut(keys).enumerate() {
                    row.iter_mut().for_each(|x| *x *= scale);
                    if causal {
                        row[(first + index + 1).min(keys)..].fill(f32::NEG_INFINITY);
                    }
                }
                softmax_rows(scores, keys);
                let v = v.part(image * keys, keys, h * head, head);
                let to = MatrixMut::strided(&mut out[h * head..], count, head, width);
                product(to, Matrix::new(scores, count, keys), v, Write::Replace, Threads::One);
            }
        });
        // SAFETY: the parts are all numbers up to this length, and each was set.
        unsafe { out.set_len(images * queries * width) };
        out
    }
}
