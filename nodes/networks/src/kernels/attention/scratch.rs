//! Working memory of one task, and the loading of one head's rows into it.

use super::super::math::dot;
use super::super::matrix::{Matrix, MatrixMut, Threads, Write, product};
use super::windows::PADDING;
use super::{Attention, PromptBias, PromptKeys};

/// Rows of one head: queries of a window, keys and values of the window then of the prompts, and the logits between
/// them.
pub(super) struct Scratch {
    /// [W, D] normalised and multiplied by the scale.
    pub(super) q: Vec<f32>,
    /// [W + P, D] normalised.
    pub(super) k: Vec<f32>,
    /// [W + P, D]
    pub(super) v: Vec<f32>,
    /// Reciprocal lengths of queries [W] and keys [W + P].
    pub(super) q_inverse: Vec<f32>,
    pub(super) k_inverse: Vec<f32>,
    /// [W, W + P]
    pub(super) logits: Vec<f32>,
    pub(super) columns: usize,
}

/// Copies a row, normalised to length 1 if `cosine`, times `factor`; returns the reciprocal of its length.
#[inline(always)]
fn load(to: &mut [f32], from: &[f32], cosine: bool, factor: f32) -> f32 {
    // 1e-12 as torch.nn.functional.normalize.
    let inverse = if cosine { 1.0 / dot(from, from).sqrt().max(1e-12) } else { 1.0 };
    for (to, from) in to.iter_mut().zip(from) {
        *to = from * (inverse * factor);
    }
    inverse
}

impl Scratch {
    pub(super) fn new(attention: &Attention, prompts: usize) -> Self {
        let (size, depth) = (attention.windows.size, attention.head_width());
        let columns = size + prompts;
        Self {
            q: vec![0.0; size * depth],
            k: vec![0.0; columns * depth],
            v: vec![0.0; columns * depth],
            q_inverse: vec![0.0; size],
            k_inverse: vec![0.0; columns],
            logits: vec![0.0; size * columns],
            columns,
        }
    }

    /// Loads the prompts' keys and values of a head, behind those of the window: shared ones, then `own` [O, 2C].
    pub(super) fn load_prompts(&mut self, attention: &Attention, head: usize, shared: &[f32], own: &[f32]) {
        let (width, depth, size) = (attention.width, attention.head_width(), attention.windows.size);
        let rows = shared.chunks_exact(2 * width).chain(own.chunks_exact(2 * width));
        for (at, row) in (size..).zip(rows) {
            let key = &row[head * depth..][..depth];
            self.k_inverse[at] = load(&mut self.k[at * depth..][..depth], key, attention.cosine, 1.0);
            self.v[at * depth..][..depth].copy_from_slice(&row[width + head * depth..][..depth]);
        }
    }

    /// Loads queries, keys and values of a window from `qkv` [L, 3C] of one image.
    pub(super) fn load_window(&mut self, attention: &Attention, head: usize, window: usize, qkv: &[f32]) {
        let (width, depth, size) = (attention.width, attention.head_width(), attention.windows.size);
        for (at, &token) in attention.windows.source[window * size..][..size].iter().enumerate() {
            let row = match token {
                PADDING => &attention.padding[..],
                token => &qkv[token as usize * 3 * width..][..3 * width],
            };
            let part = |which: usize| &row[which * width + head * depth..][..depth];
            let to = at * depth..(at + 1) * depth;
            self.q_inverse[at] = load(&mut self.q[to.clone()], part(0), attention.cosine, attention.scale[head]);
            self.k_inverse[at] = load(&mut self.k[to.clone()], part(1), attention.cosine, 1.0);
            self.v[to].copy_from_slice(part(2));
        }
    }

    /// Fills the logits of the loaded window, biases and mask included.
    pub(super) fn fill_logits(&mut self, attention: &Attention, head: usize, window: usize, bias: PromptBias) {
        let (size, depth) = (attention.windows.size, attention.head_width());
        let out = MatrixMut::new(&mut self.logits, size, self.columns);
        let queries = Matrix::new(&self.q, size, depth);
        product(out, queries, Matrix::new(&self.k, self.columns, depth).transposed(), Write::Replace, Threads::One);
        let area = if attention.bias.is_empty() { 0 } else { size * size };
        let table = &attention.bias[head * area..][..area];
        for (row, bias_row) in self.logits.chunks_exact_mut(self.columns).zip(table.chunks_exact(size)) {
            for (x, b) in row.iter_mut().zip(bias_row) {
                *x += b;
            }
            if bias == PromptBias::Mean && self.columns > size {
                let mean = bias_row.iter().sum::<f32>() / size as f32;
                row[size..].iter_mut().for_each(|x| *x += mean);
            }
        }
        if let Some(mask) = attention.windows.mask_of(window) {
            for (row, mask_row) in self.logits.chunks_exact_mut(self.columns).zip(mask.chunks_exact(size)) {
                for (x, m) in row.iter_mut().zip(mask_row) {
                    *x += m;
                }
            }
        }
    }
}

/// The own prompts of one image.
pub(super) fn own_of<'a>(prompts: PromptKeys<'a>, image: usize, count: usize, width: usize) -> &'a [f32] {
    &prompts.own[image * count * 2 * width..][..count * 2 * width]
}
