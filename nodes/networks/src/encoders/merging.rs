//! The order in which patch merging puts four neighbouring tokens [C] together as one [4C], shared by the Swins: columns
//! before rows, offsets (row, column) (0, 0), (1, 0), (0, 1), (1, 1). An odd map is padded with zeros.

use candle_core::{Result, Tensor};

use crate::kernels::slices::filled;

/// Gathers 2 x 2 neighbours of a square map of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Neighbours {
    /// Tokens of the map's side.
    pub(super) map: usize,
}

impl Neighbours {
    /// Tokens of the merged map's side.
    pub(super) fn side(self) -> usize {
        self.map.div_ceil(2)
    }

    /// The four tokens of the map merged into token `at`, in the order of their places in its 4C numbers.
    fn sources(self, at: usize) -> impl Iterator<Item = Option<usize>> {
        let (map, side) = (self.map, self.side());
        (0..4).map(move |part| {
            let (row, column) = (at / side * 2 + part % 2, at % side * 2 + part / 2);
            (row < map && column < map).then_some(row * map + column)
        })
    }

    /// [N, map², C] -> [N, side², 4C] on numbers.
    pub(super) fn gather(self, x: &[f32], width: usize) -> Vec<f32> {
        let (from, to) = (self.map * self.map * width, self.side() * self.side() * 4 * width);
        filled(x.len() / from * to, to, |first, out| {
            let x = &x[first / to * from..][..from];
            for (at, row) in out.chunks_exact_mut(4 * width).enumerate() {
                for (part, source) in row.chunks_exact_mut(width).zip(self.sources(at)) {
                    if let Some(token) = source {
                        part.copy_from_slice(&x[token * width..][..width]);
                    }
                }
            }
        })
    }

    /// [N, side², 4C] -> [N, map², C]: each token stands in one place only, so the gradient of [`Self::gather`] is the
    /// same copy backwards.
    pub(super) fn scatter(self, d: &[f32], width: usize) -> Vec<f32> {
        let (to, from) = (self.map * self.map * width, self.side() * self.side() * 4 * width);
        filled(d.len() / from * to, to, |first, out| {
            let d = &d[first / to * from..][..from];
            for (at, row) in d.chunks_exact(4 * width).enumerate() {
                for (part, source) in row.chunks_exact(width).zip(self.sources(at)) {
                    if let Some(token) = source {
                        out[token * width..][..width].copy_from_slice(part);
                    }
                }
            }
        })
    }

    /// [`Self::gather`] from differentiable operations.
    pub(super) fn gather_tokens(self, tokens: &Tensor) -> Result<Tensor> {
        let (images, _, width) = tokens.dims3()?;
        let side = self.side();
        let mut grid = tokens.reshape((images, self.map, self.map, width))?;
        if self.map % 2 == 1 {
            grid = grid.pad_with_zeros(1, 0, 1)?.pad_with_zeros(2, 0, 1)?;
        }
        let grid = grid.reshape(vec![images, side, 2, side, 2, width])?.permute(vec![0, 1, 3, 4, 2, 5])?;
        grid.contiguous()?.reshape((images, side * side, 4 * width))
    }
}
