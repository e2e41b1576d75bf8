//! Backward pass of window attention. Probabilities are rebuilt from the kept sums instead of being stored.

use std::mem::{self, MaybeUninit};

use rayon::prelude::*;

use super::super::math::{dot, exp};
use super::super::matrix::{Matrix, MatrixMut, Threads, Write, product};
use super::super::slices::zeroed;
use super::scratch::{Scratch, own_of};
use super::windows::PADDING;
use super::{Attention, KeyGradients, PromptKeys, Wanted};

/// Gradients of one head's rows.
struct HeadGradients {
    /// [W, D] of the output, gathered.
    out: Vec<f32>,
    /// [W, W + P] of the probabilities, then of the logits.
    logits: Vec<f32>,
    /// [W, D], [W + P, D], [W + P, D] of the normalised queries and keys, and of the values.
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
}

/// Gradients of one image.
struct Outputs<'a> {
    /// [L, 3C] not yet set, or empty.
    qkv: &'a mut [MaybeUninit<f32>],
    /// [S, 2C] and [O, 2C].
    shared: &'a mut [f32],
    own: &'a mut [f32],
    /// [H, W, W] and [H], or empty.
    bias: &'a mut [f32],
    scale: &'a mut [f32],
}

impl Attention {
    /// Gradients of the packed inputs, from that of the output `dout` [N, L, C] and what [`Attention::forward`] was
    /// given and returned as sums.
    pub(crate) fn backward(
        &self,
        qkv: &[f32],
        prompts: PromptKeys<'_>,
        sums: &[f32],
        dout: &[f32],
        wanted: Wanted,
    ) -> KeyGradients {
        let (images, shared, own) = self.counts(qkv, prompts);
        let (tokens, width, size) = (self.windows.tokens, self.width, self.windows.size);
        let positions = self.windows.source.len();
        // What all images add to is computed per image and summed in the images' order.
        let token_length = if wanted.qkv { tokens * 3 * width } else { 0 };
        let bias_length = if wanted.bias_and_scale { self.heads * size * size } else { 0 };
        let scale_length = if wanted.bias_and_scale { self.heads } else { 0 };
        let lengths = [own * 2 * width, shared * 2 * width, bias_length, scale_length];
        let [mut down, mut dshared, mut dbias, mut dscale] = lengths.map(|n| vec![0.0; images * n]);
        let mut dqkv = Vec::with_capacity(images * token_length);
        let outputs: Vec<Outputs<'_>> = {
            let mut qkv = pieces(&mut dqkv.spare_capacity_mut()[..images * token_length], token_length, images);
            let mut own = pieces(&mut down, lengths[0], images);
            let mut shared = pieces(&mut dshared, lengths[1], images);
            let mut bias = pieces(&mut dbias, lengths[2], images);
            let mut scale = pieces(&mut dscale, lengths[3], images);
            let mut outputs = Vec::with_capacity(images);
            while let (Some(qkv), Some(own), Some(shared), Some(bias), Some(scale)) =
                (qkv.next(), own.next(), shared.next(), bias.next(), scale.next())
            {
                outputs.push(Outputs { qkv, shared, own, bias, scale });
            }
            outputs
        };
        outputs.into_par_iter().enumerate().for_each_init(
            || (Scratch::new(self, shared + own), HeadGradients::new(self, shared + own)),
            |(scratch, gradients), (image, mut outputs)| {
                let dqkv = zeroed(mem::take(&mut outputs.qkv));
                let qkv = &qkv[image * tokens * 3 * width..][..tokens * 3 * width];
                let dout = &dout[image * tokens * width..][..tokens * width];
                for head in 0..self.heads {
                    scratch.load_prompts(self, head, prompts.shared, own_of(prompts, image, own, width));
                    gradients.k[size * self.head_width()..].fill(0.0);
                    gradients.v[size * self.head_width()..].fill(0.0);
                    for window in 0..self.windows.count() {
                        scratch.load_window(self, head, window, qkv);
                        scratch.fill_logits(self, head, window, prompts.bias);
                        let at = (image * self.heads + head) * positions + window * size;
                        self.window_gradients(scratch, gradients, head, window, &sums[at..][..size], dout);
                        if !outputs.bias.is_empty() {
                            self.add_bias_and_scale(scratch, gradients, head, &mut outputs);
                        }
                        if wanted.qkv {
                            self.store_window(scratch, gradients, head, window, dqkv);
                        }
                    }
                    self.store_prompts(scratch, gradients, head, &mut outputs);
                }
            },
        );
        // SAFETY: each image's numbers were set before its windows were stored there.
        unsafe { dqkv.set_len(images * token_length) };
        KeyGradients {
            qkv: dqkv,
            own: down,
            shared: sum_pieces(dshared, images),
            bias: sum_pieces(dbias, images),
            scale: sum_pieces(dscale, images),
        }
    }

    /// Gradients of one window's rows; those of prompt rows are added to what earlier windows left.
    fn window_gradients(
        &self,
        scratch: &mut Scratch,
        gradients: &mut HeadGradients,
        head: usize,
        window: usize,
        sums: &[f32],
        dout: &[f32],
    ) {
        let (size, depth, columns) = (self.windows.size, self.head_width(), scratch.columns);
        let source = &self.windows.source[window * size..][..size];
        for (&token, row) in source.iter().zip(gradients.out.chunks_exact_mut(depth)) {
            match token {
                PADDING => row.fill(0.0),
                token => row.copy_from_slice(&dout[token as usize * self.width + head * depth..][..depth]),
            }
        }
        let dout = Matrix::new(&gradients.out, size, depth);
        let values = Matrix::new(&scratch.v, columns, depth);
        let dlogits = MatrixMut::new(&mut gradients.logits, size, columns);
        product(dlogits, dout, values.transposed(), Write::Replace, Threads::One);
        let rows = scratch.logits.chunks_exact_mut(columns).zip(gradients.logits.chunks_exact_mut(columns));
        for ((p, d), sum) in rows.zip(sums) {
            p.iter_mut().for_each(|x| *x = exp(*x - sum));
            let mean = dot(p, d);
            for (d, p) in d.iter_mut().zip(p.iter()) {
                *d = p * (*d - mean);
            }
        }
        // Window rows are written anew; prompt rows, behind them, are added to.
        gradients.k[..size * depth].fill(0.0);
        gradients.v[..size * depth].fill(0.0);
        let probabilities = Matrix::new(&scratch.logits, size, columns);
        let dlogits = Matrix::new(&gradients.logits, size, columns);
        let dv = MatrixMut::new(&mut gradients.v, columns, depth);
        product(dv, probabilities.transposed(), dout, Write::Add, Threads::One);
        let dk = MatrixMut::new(&mut gradients.k, columns, depth);
        product(dk, dlogits.transposed(), Matrix::new(&scratch.q, size, depth), Write::Add, Threads::One);
        let dq = MatrixMut::new(&mut gradients.q, size, depth);
        product(dq, dlogits, Matrix::new(&scratch.k, columns, depth), Write::Replace, Threads::One);
    }

    /// Bias receives the logits' gradients; the scale, the sum of each times its unscaled product.
    fn add_bias_and_scale(&self, scratch: &Scratch, gradients: &HeadGradients, head: usize, outputs: &mut Outputs<'_>) {
        let size = self.windows.size;
        let table = &mut outputs.bias[head * size * size..][..size * size];
        for (to, from) in table.chunks_exact_mut(size).zip(gradients.logits.chunks_exact(scratch.columns)) {
            to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
        }
        outputs.scale[head] += dot(&scratch.q, &gradients.q) / self.scale[head];
    }

    /// Carries a window's gradients through the normalisation to their tokens in `dqkv` [L, 3C].
    fn store_window(&self, scratch: &Scratch, gradients: &HeadGradients, head: usize, window: usize, dqkv: &mut [f32]) {
        let (width, size, depth) = (self.width, self.windows.size, self.head_width());
        let scale = self.scale[head];
        for (at, &token) in self.windows.source[window * size..][..size].iter().enumerate() {
            if token == PADDING {
                continue;
            }
            let row = &mut dqkv[token as usize * 3 * width..][..3 * width];
            let rows = at * depth..(at + 1) * depth;
            let (dq, q) = (&gradients.q[rows.clone()], &scratch.q[rows.clone()]);
            let (dk, k) = (&gradients.k[rows.clone()], &scratch.k[rows.clone()]);
            // The loaded query carries the scale: d(loss)/d(unscaled) = scale dq, and unscaled = q / scale.
            let along = if self.cosine { dot(dq, q) } else { 0.0 };
            let inverse = scratch.q_inverse[at];
            for ((to, d), q) in row[head * depth..][..depth].iter_mut().zip(dq).zip(q) {
                *to = inverse * (scale * d - q / scale * along);
            }
            let to = &mut row[width + head * depth..][..depth];
            through_norm(to, dk, k, scratch.k_inverse[at], self.cosine);
            row[2 * width + head * depth..][..depth].copy_from_slice(&gradients.v[rows]);
        }
    }

    /// As [`Self::store_window`], for the prompts' keys and values, once all windows of the image have added to them.
    fn store_prompts(&self, scratch: &Scratch, gradients: &HeadGradients, head: usize, outputs: &mut Outputs<'_>) {
        let (width, size, depth) = (self.width, self.windows.size, self.head_width());
        let rows = outputs.shared.chunks_exact_mut(2 * width).chain(outputs.own.chunks_exact_mut(2 * width));
        for (at, row) in (size..).zip(rows) {
            let from = at * depth..(at + 1) * depth;
            let to = &mut row[head * depth..][..depth];
            let (dk, k) = (&gradients.k[from.clone()], &scratch.k[from.clone()]);
            through_norm(to, dk, k, scratch.k_inverse[at], self.cosine);
            row[width + head * depth..][..depth].copy_from_slice(&gradients.v[from]);
        }
    }
}

impl HeadGradients {
    fn new(attention: &Attention, prompts: usize) -> Self {
        let (size, depth) = (attention.windows.size, attention.head_width());
        let columns = size + prompts;
        Self {
            out: vec![0.0; size * depth],
            logits: vec![0.0; size * columns],
            q: vec![0.0; size * depth],
            k: vec![0.0; columns * depth],
            v: vec![0.0; columns * depth],
        }
    }
}

/// The gradient of x from that of y = x / |x|, with `inverse` = 1 / |x|.
#[inline(always)]
fn through_norm(to: &mut [f32], dy: &[f32], y: &[f32], inverse: f32, cosine: bool) {
    let along = if cosine { dot(dy, y) } else { 0.0 };
    for ((to, d), y) in to.iter_mut().zip(dy).zip(y) {
        *to = inverse * (d - y * along);
    }
}

/// `count` pieces of `length` each; empty pieces when the length is 0.
fn pieces<T>(all: &mut [T], length: usize, count: usize) -> impl Iterator<Item = &mut [T]> {
    let mut rest = all;
    (0..count).map(move |_| {
        let (piece, tail) = std::mem::take(&mut rest).split_at_mut(length);
        rest = tail;
        piece
    })
}

/// Sum of `count` equal pieces, in order.
fn sum_pieces(mut all: Vec<f32>, count: usize) -> Vec<f32> {
    if count == 0 || all.is_empty() {
        return Vec::new();
    }
    let length = all.len() / count;
    let (total, rest) = all.split_at_mut(length);
    for piece in rest.chunks_exact(length) {
        total.iter_mut().zip(piece).for_each(|(total, x)| *total += x);
    }
    all.truncate(length);
    all
}
