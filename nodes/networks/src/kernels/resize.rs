//! Resizing of maps by bilinear or bicubic interpolation, channels last: two fixed matrices, one an axis.
//!
//! Positions and coefficients are those of PyTorch's `interpolate`: bicubic with a = -0.75 and neighbours clamped to the
//! border, no antialiasing. The matrices are kept sparse; the backward pass multiplies by their transposes.

use candle_core::{CpuStorage, CustomOp1, Device, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::slices::{floats, with_floats};

/// How numbers between pixels are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interpolation {
    /// Linear in both axes; centres of pixels half a pixel inside the border.
    Bilinear,
    /// Linear in both axes; the first and last pixels keep their places (`align_corners`).
    BilinearAligned,
    /// Cubic convolution; centres of pixels half a pixel inside the border.
    Bicubic,
    /// Cubic convolution; the first and last pixels keep their places (`align_corners`).
    BicubicAligned,
}

/// The matrices that resize a map to `size`; none if it has that size.
fn axes(x: &Tensor, size: (usize, usize), how: Interpolation) -> Result<Option<Resize>> {
    let (_, height, width, _) = x.dims4()?;
    if (height, width) == size {
        return Ok(None);
    }
    if height.min(width).min(size.0).min(size.1) == 0 {
        candle_core::bail!("a map of {height} x {width} cannot become one of {size:?}");
    }
    Ok(Some(Resize { rows: Axis::new(height, size.0, how), columns: Axis::new(width, size.1, how) }))
}

/// Resizes `x` [N, H, W, C] to `size` (H', W'), [N, H', W', C], as one operation.
pub(super) fn fused(x: &Tensor, size: (usize, usize), how: Interpolation) -> Result<Tensor> {
    match axes(x, size, how)? {
        Some(resize) => x.contiguous()?.apply_op1(resize),
        None => Ok(x.clone()),
    }
}

/// From elementary operations.
pub(super) fn plain(x: &Tensor, size: (usize, usize), how: Interpolation) -> Result<Tensor> {
    let Some(Resize { rows, columns }) = axes(x, size, how)? else { return Ok(x.clone()) };
    let (images, height, width, channels) = x.dims4()?;
    let (new_height, new_width) = (rows.taps.len(), columns.taps.len());
    let tall = rows.matrix(x.device())?.broadcast_matmul(&x.reshape((images, height, width * channels))?)?;
    let wide = tall.reshape((images * new_height, width, channels))?;
    columns.matrix(x.device())?.broadcast_matmul(&wide)?.reshape((images, new_height, new_width, channels))
}

/// The matrix of one axis, by rows: for each new position, the old ones and their shares.
#[derive(Debug, Clone)]
struct Axis {
    from: usize,
    taps: Vec<Vec<(usize, f32)>>,
}

impl Axis {
    fn new(from: usize, to: usize, how: Interpolation) -> Self {
        let (cubic, aligned) = match how {
            Interpolation::Bilinear => (false, false),
            Interpolation::BilinearAligned => (false, true),
            Interpolation::Bicubic => (true, false),
            Interpolation::BicubicAligned => (true, true),
        };
        let taps = (0..to).map(|index| {
            let position = if !aligned {
                let position = (index as f64 + 0.5) * from as f64 / to as f64 - 0.5;
                if cubic { position } else { position.max(0.0) }
            } else if to > 1 {
                index as f64 * (from - 1) as f64 / (to - 1) as f64
            } else {
                0.0
            };
            let first = position.floor();
            let share = position - first;
            let neighbours = if cubic {
                vec![(-1, far(1.0 + share)), (0, near(share)), (1, near(1.0 - share)), (2, far(2.0 - share))]
            } else {
                vec![(0, 1.0 - share), (1, share)]
            };
            let mut row: Vec<(usize, f32)> = Vec::with_capacity(4);
            for (offset, share) in neighbours {
                let place = (first as isize + offset).clamp(0, from as isize - 1) as usize;
                match row.iter_mut().find(|(other, _)| *other == place) {
                    Some((_, sum)) => *sum += share as f32,
                    None => row.push((place, share as f32)),
                }
            }
            row
        });
        Self { from, taps: taps.collect() }
    }

    fn transposed(&self) -> Self {
        let mut taps = vec![Vec::new(); self.from];
        for (to, row) in self.taps.iter().enumerate() {
            for (from, share) in row {
                taps[*from].push((to, *share));
            }
        }
        Self { from: self.taps.len(), taps }
    }

    /// [1, to, from]
    fn matrix(&self, device: &Device) -> Result<Tensor> {
        let mut dense = vec![0f32; self.taps.len() * self.from];
        for (row, taps) in dense.chunks_exact_mut(self.from).zip(&self.taps) {
            for (place, share) in taps {
                row[*place] += share;
            }
        }
        Tensor::from_vec(dense, (1, self.taps.len(), self.from), device)
    }

    /// [outer, from, inner] -> [outer, to, inner].
    fn apply(&self, x: &[f32], inner: usize) -> Vec<f32> {
        let outer = x.len() / (self.from * inner).max(1);
        let mut y = vec![0.0; outer * self.taps.len() * inner];
        y.par_chunks_mut(inner.max(1)).enumerate().with_min_len((4096 / inner.max(1)).max(1)).for_each(|(index, y)| {
            let x = &x[index / self.taps.len() * self.from * inner..][..self.from * inner];
            for (place, share) in &self.taps[index % self.taps.len()] {
                for (y, x) in y.iter_mut().zip(&x[place * inner..][..inner]) {
                    *y = x.mul_add(*share, *y);
                }
            }
        });
        y
    }
}

/// Cubic convolution's constant.
const A: f64 = -0.75;

/// The kernel at distances up to 1.
fn near(x: f64) -> f64 {
    ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
}

/// The kernel at distances from 1 to 2.
fn far(x: f64) -> f64 {
    ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A
}

struct Resize {
    rows: Axis,
    columns: Axis,
}

impl CustomOp1 for Resize {
    fn name(&self) -> &'static str {
        "resize"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (images, _, width, channels) = layout.shape().dims4()?;
        let tall = self.rows.apply(floats(storage, layout)?, width * channels);
        let y = self.columns.apply(&tall, channels);
        Ok((CpuStorage::F32(y), Shape::from((images, self.rows.taps.len(), self.columns.taps.len(), channels))))
    }

    fn bwd(&self, arg: &Tensor, _res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let (_, _, width, channels) = arg.dims4()?;
        let dx = with_floats(grad, |g| {
            let narrow = self.columns.transposed().apply(g, channels);
            Ok(self.rows.transposed().apply(&narrow, width * channels))
        })?;
        Ok(Some(Tensor::from_vec(dx, arg.shape(), arg.device())?))
    }
}

#[cfg(test)]
mod tests {
    use copl_testing::tensors::{assert_gradients, assert_same, values, var};

    use super::*;

    const ALL: [Interpolation; 4] = [
        Interpolation::Bilinear,
        Interpolation::BilinearAligned,
        Interpolation::Bicubic,
        Interpolation::BicubicAligned,
    ];

    #[test]
    fn kernel_and_plain_composition_agree() {
        for how in ALL {
            for (from, to) in [((4, 6), (8, 12)), ((7, 5), (3, 9)), ((1, 2), (4, 1))] {
                let x = var(&[2, from.0, from.1, 3], 1);
                assert_same(&[&x], 2e-6, || fused(&x, to, how).unwrap(), || plain(&x, to, how).unwrap());
            }
        }
    }

    #[test]
    fn gradients_are_those_of_finite_differences() {
        for how in ALL {
            let x = var(&[1, 3, 4, 2], 1);
            assert_gradients(&[&x], 24, 1e-3, || fused(&x, (7, 6), how).unwrap());
        }
    }

    /// torch 2.15: F.interpolate of [[1, -2, 3], [5, 0.5, -1]] to 3 x 5.
    #[test]
    fn values_are_those_of_pytorch() {
        let x = Tensor::new(&[1f32, -2.0, 3.0, 5.0, 0.5, -1.0], &Device::Cpu).unwrap().reshape((1, 2, 3, 1)).unwrap();
        let expected: [[f32; 15]; 4] = [
            [
                1.00000, -0.20000, -2.00000, 1.00000, 3.00000, 3.00000, 1.50000, -0.75000, 0.30000, 1.00000, 5.00000,
                3.20000, 0.50000, -0.40000, -1.00000,
            ],
            [
                1.00000, -0.50000, -2.00000, 0.50000, 3.00000, 3.00000, 1.12500, -0.75000, 0.12500, 1.00000, 5.00000,
                2.75000, 0.50000, -0.25000, -1.00000,
            ],
            [
                0.92828, -0.86133, -2.21701, 0.98167, 3.88139, 3.36000, 1.41900, -0.75000, 0.05100, 1.16800, 5.79172,
                3.69932, 0.71701, -0.87967, -1.54539,
            ],
            [
                1.00000, -0.96875, -2.00000, 0.21875, 3.00000, 3.00000, 0.96094, -0.75000, -0.22656, 1.00000, 5.00000,
                2.89062, 0.50000, -0.67188, -1.00000,
            ],
        ];
        for (how, expected) in ALL.into_iter().zip(expected) {
            let y = values(&fused(&x, (3, 5), how).unwrap());
            for (y, expected) in y.iter().zip(expected) {
                assert!((y - expected).abs() < 2e-5, "{how:?}: {y}, expected {expected}");
            }
        }
    }

    #[test]
    fn a_map_of_the_same_size_is_unchanged() {
        let x = var(&[1, 3, 4, 2], 1);
        for how in ALL {
            for resize in [fused, plain] {
                assert_eq!(values(&resize(&x, (3, 4), how).unwrap()), values(&x));
            }
        }
    }
}
