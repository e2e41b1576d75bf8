//! Tokens read gathered latents, X' = X + g softmax(X Sᵀ) S, on rows of any part of a batch: the arithmetic of the fusion
//! alone and of the fusion in front of a bottleneck.

use std::ops::Range;

use super::latents::{Latents, Order};
use crate::kernels::math::dot;
use crate::kernels::softmax::{softmax_rows, softmax_rows_backward};

/// Numbers of a task's tokens that stay in a core's second-level cache together with what is made of them.
const CACHED: usize = 48 * 1024;

/// Rows of `width` numbers that a task takes: a number that does not depend on the threads, nor do sums over a task's rows.
pub(super) fn task_rows(width: usize) -> usize {
    (CACHED / width.max(1)).clamp(64, 512)
}

/// Part `index` of numbers cut into parts of `length`, of which the last may be shorter.
pub(super) fn part(numbers: &[f32], index: usize, length: usize) -> &[f32] {
    &numbers[index * length..((index + 1) * length).min(numbers.len())]
}

/// What tokens read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading<'a> {
    /// S, [N, t, d].
    pub(super) latents: &'a [f32],
    /// t
    pub(super) count: usize,
    /// d
    pub(super) width: usize,
    /// Tokens of an image (n).
    pub(super) tokens: usize,
    /// g
    pub(super) gate: f32,
}

/// Working memory of one task.
#[derive(Debug, Default)]
pub(super) struct ReadingScratch {
    /// Softmax weights [rows, t].
    shares: Vec<f32>,
    /// Those times the gate; in the backward pass, gradients of the scores.
    factors: Vec<f32>,
}

/// Sums over the rows of tasks.
#[derive(Debug, Default)]
pub(super) struct ReadingSums {
    /// Images in their order, and the sum [t, d] over those of an image's rows.
    latents: Vec<(usize, Vec<f32>)>,
    gate: f64,
}

impl ReadingSums {
    /// The sum of the image at hand, of `length` numbers.
    fn of_image(&mut self, image: usize, length: usize) -> &mut [f32] {
        if self.latents.last().is_none_or(|(last, _)| *last != image) {
            self.latents.push((image, vec![0.0; length]));
        }
        self.latents.last_mut().map_or(&mut [], |(_, sum)| sum)
    }
}

impl Reading<'_> {
    /// The rows of a task that belong to one image, with the image; the task's begin at row `first` of the batch.
    fn images(self, first: usize, rows: usize) -> impl Iterator<Item = (usize, Range<usize>)> {
        let of_row = move |at: usize| (first + at) / self.tokens;
        (of_row(0)..).map_while(move |image| {
            let start = (image * self.tokens).saturating_sub(first);
            let end = ((image + 1) * self.tokens - first).min(rows);
            (start < rows).then_some((image, start..end))
        })
    }

    fn of_image(&self, image: usize) -> Latents<'_> {
        let size = self.count * self.width;
        Latents { numbers: &self.latents[image * size..][..size], width: self.width, order: Order::ByRow }
    }

    fn numbers(self, rows: &Range<usize>, width: usize) -> Range<usize> {
        rows.start * width..rows.end * width
    }

    /// Fills `scratch` for `x` [rows, d] from row `first` of the batch on.
    pub(super) fn weigh(self, first: usize, x: &[f32], scratch: &mut ReadingScratch) {
        let rows = x.len() / self.width;
        scratch.shares.resize(rows * self.count, 0.0);
        for (image, part) in self.images(first, rows) {
            self.of_image(image)
                .scores(&x[self.numbers(&part, self.width)], &mut scratch.shares[self.numbers(&part, self.count)]);
        }
        softmax_rows(&mut scratch.shares, self.count);
        scratch.factors.clear();
        scratch.factors.extend(scratch.shares.iter().map(|p| p * self.gate));
    }

    /// X' into `y` from `x`, both [rows, d] from row `first` of the batch on.
    pub(super) fn forward(self, first: usize, x: &[f32], y: &mut [f32], scratch: &mut ReadingScratch) {
        self.weigh(first, x, scratch);
        y.copy_from_slice(x);
        let rows = x.len() / self.width;
        for (image, part) in self.images(first, rows) {
            self.of_image(image)
                .add(&scratch.factors[self.numbers(&part, self.count)], &mut y[self.numbers(&part, self.width)]);
        }
    }

    /// The gradient of `x` in place of that of X', `dy`, and added sums for latents, where they are wanted, and gate. `scratch`
    /// is as [`Self::weigh`] left it for the same rows.
    pub(super) fn backward(
        self,
        first: usize,
        x: &[f32],
        dy: &mut [f32],
        scratch: &mut ReadingScratch,
        sums: &mut ReadingSums,
        wants_latents: bool,
    ) {
        let rows = x.len() / self.width;
        let ReadingScratch { shares, factors } = scratch;
        for (image, part) in self.images(first, rows) {
            let (of_width, of_count) = (self.numbers(&part, self.width), self.numbers(&part, self.count));
            let latents = self.of_image(image);
            let (x, dy) = (&x[of_width.clone()], &mut dy[of_width]);
            let (shares, factors) = (&shares[of_count.clone()], &mut factors[of_count]);
            if wants_latents {
                latents.add_sums(factors, dy, sums.of_image(image, latents.numbers.len()));
            }
            latents.scores(dy, factors);
            sums.gate += f64::from(dot(factors, shares));
            factors.iter_mut().for_each(|d| *d *= self.gate);
            softmax_rows_backward(factors, shares, self.count);
            if wants_latents {
                latents.add_sums(factors, x, sums.of_image(image, latents.numbers.len()));
            }
            latents.add(factors, dy);
        }
    }

    /// Gradients of latents [N, t, d], all zero if there are no sums of them, and of the gate, from those of all tasks in
    /// their order.
    pub(super) fn total(self, parts: &[ReadingSums]) -> (Vec<f32>, f32) {
        let mut latents = vec![0.0; self.latents.len()];
        let size = self.count * self.width;
        for (image, part) in parts.iter().flat_map(|part| &part.latents) {
            latents[image * size..][..size].iter_mut().zip(part).for_each(|(sum, d)| *sum += d);
        }
        (latents, parts.iter().map(|part| part.gate).sum::<f64>() as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_cut_where_an_image_ends() {
        let reading = Reading { latents: &[], count: 1, width: 1, tokens: 5, gate: 1.0 };
        let cut = |first, rows| reading.images(first, rows).collect::<Vec<_>>();
        assert_eq!(cut(0, 5), [(0, 0..5)]);
        assert_eq!(cut(5, 3), [(1, 0..3)]);
        assert_eq!(cut(3, 9), [(0, 0..2), (1, 2..7), (2, 7..9)]);
    }
}
