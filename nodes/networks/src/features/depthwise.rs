//! A frozen 3x3 convolution of each channel with itself, padded by one, and GELU behind it.

use candle_core::Tensor;
use rayon::prelude::*;

use super::map::Map;
use crate::error::Result;
use crate::kernels::gelu_in_place;
use crate::kernels::slices::zeroed;

/// Weights of every tap by channel.
#[derive(Debug)]
pub(super) struct Depthwise {
    /// [9, channels]
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl Depthwise {
    /// Of a weight [channels, 1, 3, 3].
    pub(super) fn new(weight: &Tensor, bias: &Tensor) -> Result<Self> {
        let weight = weight.flatten_from(1)?.t()?.contiguous()?.flatten_all()?.to_vec1()?;
        Ok(Self { weight, bias: bias.to_vec1()? })
    }

    /// GELU of the convolved maps.
    pub(super) fn apply(&self, x: &Map) -> Map {
        let (channels, row) = (x.channels, x.width * x.channels);
        let mut values: Vec<f32> = Vec::with_capacity(x.values.len());
        values.spare_capacity_mut()[..x.values.len()].par_chunks_mut(row.max(1)).enumerate().for_each(
            |(index, out)| {
                let out = zeroed(out);
                let y = index % x.height;
                for (column, out) in out.chunks_exact_mut(channels).enumerate() {
                    out.copy_from_slice(&self.bias);
                    for v in 0..3 {
                        if !(1..=x.height).contains(&(y + v)) {
                            continue;
                        }
                        for u in 0..3 {
                            if !(1..=x.width).contains(&(column + u)) {
                                continue;
                            }
                            let from = &x.values[(index + v - 1) * row + (column + u - 1) * channels..][..channels];
                            let weight = &self.weight[(3 * v + u) * channels..][..channels];
                            for ((y, x), w) in out.iter_mut().zip(from).zip(weight) {
                                *y = x.mul_add(*w, *y);
                            }
                        }
                    }
                }
                gelu_in_place(out, None);
            },
        );
        // SAFETY: the rows are all numbers up to this length, and each was set.
        unsafe { values.set_len(x.values.len()) };
        Map { count: x.count, height: x.height, width: x.width, channels, values }
    }
}
