//! A frozen convolution over maps that lie channels last.

use std::cell::RefCell;

use candle_core::Tensor;
use rayon::prelude::*;

use super::map::Map;
use crate::error::Result;
use crate::kernels::matrix::{Matrix, MatrixMut, Threads, Write, product};
use crate::weights::Tensors;

/// Numbers laid side by side at a time: 1 MiB, beside the weights' part that a product packs.
const COLUMNS: usize = 256 * 1024;

/// Places of a block at most; at so many, packing the weights costs next to nothing.
const MOST_PLACES: usize = 512;

/// Added to the variance of a batch norm (PyTorch's default).
const EPSILON: f64 = 1e-5;

/// What is done to the sums before they leave the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finish {
    Nothing,
    /// max(x, 0), after the residual.
    Relu,
}

/// A convolution that stays as it is.
#[derive(Debug)]
pub(super) struct Convolution {
    /// [size size inputs, outputs]
    weight: Vec<f32>,
    bias: Vec<f32>,
    size: usize,
    stride: usize,
    padding: usize,
    inputs: usize,
    outputs: usize,
}

thread_local! {
    static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

impl Convolution {
    /// Of a weight [outputs, inputs, size, size].
    pub(super) fn new(weight: &Tensor, bias: Vec<f32>, stride: usize, padding: usize) -> Result<Self> {
        let (outputs, inputs, size, _) = weight.dims4()?;
        let weight = weight.permute((2, 3, 1, 0))?.contiguous()?.flatten_all()?.to_vec1()?;
        let bias = if bias.is_empty() { vec![0.0; outputs] } else { bias };
        Ok(Self { weight, bias, size, stride, padding, inputs, outputs })
    }

    /// The convolution `name`, padded so that stride 1 keeps the size, and the batch norm `norm` behind it.
    pub(super) fn folded(weights: &mut Tensors, name: &str, norm: &str, stride: usize) -> Result<Self> {
        let weight = weights.take(&format!("{name}.weight"))?;
        let mut part = |part: &str| -> Result<Vec<f32>> { Ok(weights.take(&format!("{norm}.{part}"))?.to_vec1()?) };
        let (gain, shift) = (part("weight")?, part("bias")?);
        let (mean, variance) = (part("running_mean")?, part("running_var")?);
        let scales: Vec<f64> =
            gain.iter().zip(&variance).map(|(g, v)| f64::from(*g) / (f64::from(*v) + EPSILON).sqrt()).collect();
        let bias = shift.iter().zip(&mean).zip(&scales).map(|((b, m), s)| (f64::from(*b) - f64::from(*m) * s) as f32);
        let padding = weight.dim(3)? / 2;
        let mut folded = Self::new(&weight, bias.collect(), stride, padding)?;
        for row in folded.weight.chunks_exact_mut(scales.len()) {
            row.iter_mut().zip(&scales).for_each(|(w, s)| *w = (f64::from(*w) * s) as f32);
        }
        Ok(folded)
    }

    /// The outputs, plus `residual` of their size where there is one.
    pub(super) fn apply(&self, x: &Map, residual: Option<&Map>, finish: Finish) -> Map {
        let extent = |side: usize| (side + 2 * self.padding).saturating_sub(self.size) / self.stride + 1;
        let (height, width) = (extent(x.height), extent(x.width));
        let all = x.count * height * width;
        let sums = self.size * self.size * self.inputs;
        let block = (COLUMNS / sums).clamp(64, MOST_PLACES).min(all.div_ceil(2 * rayon::current_num_threads()).max(64));
        let mut values: Vec<f32> = Vec::with_capacity(all * self.outputs);
        values.spare_capacity_mut()[..all * self.outputs].par_chunks_mut(block * self.outputs).enumerate().for_each(
            |(index, part)| {
                let out = crate::kernels::slices::zeroed(part);
                self.block(x, (height, width), index * block, out);
                if let Some(residual) = residual {
                    let residual = &residual.values[index * block * self.outputs..][..out.len()];
                    out.iter_mut().zip(residual).for_each(|(y, r)| *y += r);
                }
                if finish == Finish::Relu {
                    out.iter_mut().for_each(|y| *y = y.max(0.0));
                }
            },
        );
        // SAFETY: the parts are all numbers up to this length, and each was set.
        unsafe { values.set_len(all * self.outputs) };
        Map { count: x.count, height, width, channels: self.outputs, values }
    }

    /// The sums of the places from `first` on.
    fn block(&self, x: &Map, size: (usize, usize), first: usize, out: &mut [f32]) {
        let (places, sums) = (out.len() / self.outputs, self.size * self.size * self.inputs);
        out.chunks_exact_mut(self.outputs).for_each(|y| y.copy_from_slice(&self.bias));
        let weight = Matrix::new(&self.weight, sums, self.outputs);
        let mut multiply = |columns: &[f32]| {
            let out = MatrixMut::new(out, places, self.outputs);
            product(out, Matrix::new(columns, places, sums), weight, Write::Add, Threads::One);
        };
        if (self.size, self.stride, self.padding) == (1, 1, 0) {
            return multiply(&x.values[first * sums..][..places * sums]);
        }
        SCRATCH.with_borrow_mut(|scratch| {
            if scratch.len() < places * sums {
                scratch.resize(places * sums, 0.0);
            }
            let columns = &mut scratch[..places * sums];
            self.gather(x, size, first, columns);
            multiply(columns);
        });
    }

    /// Lays the neighbours of the places from `first` on side by side, zeros where they lie outside.
    fn gather(&self, x: &Map, (height, width): (usize, usize), first: usize, columns: &mut [f32]) {
        let (channels, line) = (self.inputs, self.size * self.inputs);
        for (index, columns) in columns.chunks_exact_mut(self.size * line).enumerate() {
            let place = first + index;
            let (image, row, column) = (place / (height * width), place / width % height, place % width);
            let left = (column * self.stride) as isize - self.padding as isize;
            for (v, columns) in columns.chunks_exact_mut(line).enumerate() {
                let y = (row * self.stride + v) as isize - self.padding as isize;
                if !(0..x.height as isize).contains(&y) {
                    columns.fill(0.0);
                    continue;
                }
                // The taps of a row lie side by side in the map too.
                let from = (image * x.height + y as usize) * x.width;
                let before = (-left).clamp(0, self.size as isize) as usize;
                let end = (x.width as isize - left).clamp(before as isize, self.size as isize) as usize;
                columns[..before * channels].fill(0.0);
                columns[end * channels..].fill(0.0);
                if end > before {
                    let start = (from + (left + before as isize) as usize) * channels;
                    columns[before * channels..end * channels]
                        .copy_from_slice(&x.values[start..][..(end - before) * channels]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;
    use copl_testing::tensors::numbers;

    use super::*;

    #[test]
    fn every_size_stride_and_padding_is_that_of_candle() {
        for (size, stride, padding) in [(1, 1, 0), (1, 2, 0), (3, 1, 1), (3, 2, 1), (7, 2, 3), (7, 4, 3), (4, 4, 0)] {
            let (count, inputs, outputs, height, width) = (2, 3, 5, 13, 9);
            let images = numbers(count * inputs * height * width, 1);
            let images = Tensor::from_vec(images, (count, inputs, height, width), &Device::Cpu).unwrap();
            let weight = numbers(outputs * inputs * size * size, 2);
            let weight = Tensor::from_vec(weight, (outputs, inputs, size, size), &Device::Cpu).unwrap();
            let bias = numbers(outputs, 3);
            let expected = images.conv2d(&weight, padding, stride, 1, 1).unwrap();
            let shape = Tensor::from_vec(bias.clone(), (1, outputs, 1, 1), &Device::Cpu).unwrap();
            let expected = expected.broadcast_add(&shape).unwrap().permute((0, 2, 3, 1)).unwrap();
            let x = Map::of_images("test", &images, [inputs, height, width]).unwrap();
            let found = Convolution::new(&weight, bias, stride, padding).unwrap().apply(&x, None, Finish::Nothing);
            assert_eq!([found.height, found.width], [expected.dim(1).unwrap(), expected.dim(2).unwrap()]);
            let expected: Vec<f32> = expected.contiguous().unwrap().flatten_all().unwrap().to_vec1().unwrap();
            for (found, expected) in found.values.iter().zip(&expected) {
                assert!((found - expected).abs() < 1e-4, "{size} {stride} {padding}: {found}, not {expected}");
            }
        }
    }
}
