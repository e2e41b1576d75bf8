//! A batch of maps, channels last.

use candle_core::Tensor;
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::kernels::slices::filled;

/// Maps [count, height, width, channels], one number after the other.
#[derive(Debug, Clone)]
pub(super) struct Map {
    pub(super) count: usize,
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) channels: usize,
    pub(super) values: Vec<f32>,
}

impl Map {
    /// Images [N, C, H, W].
    ///
    /// # Errors
    /// If they are of other sizes than `dims`, [C, H, W].
    pub(super) fn of_images(name: &str, images: &Tensor, dims: [usize; 3]) -> Result<Self> {
        let [channels, height, width] = dims;
        let count = match images.dims() {
            &[count, c, h, w] if [c, h, w] == dims => count,
            found => {
                return Err(Error::Shape {
                    what: format!("images for {name}"),
                    found: found.to_vec(),
                    expected: format!("[N, {channels}, {height}, {width}]"),
                });
            }
        };
        let values = images.permute((0, 2, 3, 1))?.contiguous()?.flatten_all()?.to_vec1::<f32>()?;
        Ok(Self { count, height, width, channels, values })
    }

    /// Rows times columns of one map.
    pub(super) fn places(&self) -> usize {
        self.height * self.width
    }

    /// The mean over the places, [count, channels].
    pub(super) fn mean(&self) -> Vec<f32> {
        let (size, scale) = (self.places() * self.channels, 1.0 / self.places() as f32);
        filled(self.count * self.channels, self.channels, |first, mean| {
            let map = &self.values[first / self.channels * size..][..size];
            for place in map.chunks_exact(self.channels) {
                mean.iter_mut().zip(place).for_each(|(sum, x)| *sum += x);
            }
            mean.iter_mut().for_each(|sum| *sum *= scale);
        })
    }

    /// The largest number under each window of `size` x `size` places, `stride` apart, the map padded by `padding` of what is
    /// never the largest. What is left at the end is dropped.
    pub(super) fn max_pool(&self, size: usize, stride: usize, padding: usize) -> Self {
        let extent = |side: usize| (side + 2 * padding - size) / stride + 1;
        let (height, width, channels) = (extent(self.height), extent(self.width), self.channels);
        let row = width * channels;
        let mut values = vec![f32::NEG_INFINITY; self.count * height * row];
        values.par_chunks_mut(row.max(1)).enumerate().for_each(|(index, out)| {
            let (image, y) = (index / height, index % height * stride);
            for v in (y..y + size).filter(|v| (padding..self.height + padding).contains(v)).map(|v| v - padding) {
                let from = &self.values[(image * self.height + v) * self.width * channels..][..self.width * channels];
                for (x, out) in out.chunks_exact_mut(channels).enumerate() {
                    let window = x * stride..x * stride + size;
                    for u in window.filter(|u| (padding..self.width + padding).contains(u)).map(|u| u - padding) {
                        let place = &from[u * channels..][..channels];
                        out.iter_mut().zip(place).for_each(|(most, x)| *most = if *x > *most { *x } else { *most });
                    }
                }
            }
        });
        Self { count: self.count, height, width, channels, values }
    }
}
