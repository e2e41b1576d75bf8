//! Sums of 3x3 convolutions, stride 1, each padded by its dilation so that the map keeps its size; channels last.
//!
//! A convolution is a list of taps: an offset (dy, dx) and a matrix [in, out]. Several dilations over one input are one
//! longer list, so a sum of convolutions costs one product. Taps that reach no pixel of the map are left out. For each
//! block of pixels the neighbours at all taps are laid side by side, at most [`BLOCK`] numbers at a time, and multiplied;
//! the gradient of the input is the same operation with taps negated and matrices transposed. Blocks are shared out among
//! the threads; for the gradient of the weight taps are, so that no sum is split.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::linear::bias_gradient;
use super::matrix::{Matrix, MatrixMut, Threads, Write, product};
use super::slices::{floats, with_floats};

/// Numbers a thread lays side by side at a time: 4 MiB.
const BLOCK: usize = 1024 * 1024;

/// One 3x3 convolution.
#[derive(Debug, Clone)]
pub struct Filter {
    /// [out, in, 3, 3]
    pub weight: Tensor,
    /// `[out]`
    pub bias: Tensor,
    /// Distance between neighbouring taps, and the padding.
    pub dilation: usize,
}

/// The sum of the convolutions `filters` of `x` [N, H, W, in] -> [N, H, W, out] as one operation; differentiable in all
/// tensors.
pub(super) fn fused(x: &Tensor, filters: &[Filter]) -> Result<Tensor> {
    let (_, _, _, inputs) = x.dims4()?;
    let mut weights = Vec::with_capacity(filters.len());
    let mut taps = Vec::with_capacity(9 * filters.len());
    let mut bias: Option<Tensor> = None;
    for filter in filters {
        let (outputs, own, height, width) = filter.weight.dims4()?;
        if (own, height, width) != (inputs, 3, 3) {
            candle_core::bail!("a 3x3 convolution of {:?} over {inputs} channels", filter.weight.dims());
        }
        weights.push(filter.weight.permute((2, 3, 1, 0))?.reshape((9 * inputs, outputs))?);
        let reach = filter.dilation as isize;
        taps.extend([-reach, 0, reach].iter().flat_map(|dy| [-reach, 0, reach].map(|dx| (*dy, dx))));
        bias = Some(match bias {
            Some(bias) => (bias + &filter.bias)?,
            None => filter.bias.clone(),
        });
    }
    let Some(bias) = bias else { candle_core::bail!("a sum of no convolutions") };
    let weight = if weights.len() == 1 { weights.swap_remove(0) } else { Tensor::cat(&weights, 0)? };
    x.contiguous()?.apply_op3(&weight.contiguous()?, &bias.contiguous()?, Taps(taps))
}

/// From elementary operations.
pub(super) fn plain(x: &Tensor, filters: &[Filter]) -> Result<Tensor> {
    let x = x.permute((0, 3, 1, 2))?.contiguous()?;
    let mut sum: Option<Tensor> = None;
    for Filter { weight, bias, dilation } in filters {
        let y = x.conv2d(weight, *dilation, 1, *dilation, 1)?;
        let y = y.broadcast_add(&bias.reshape((1, bias.elem_count(), 1, 1))?)?;
        sum = Some(match sum {
            Some(sum) => (sum + y)?,
            None => y,
        });
    }
    match sum {
        Some(sum) => sum.permute((0, 2, 3, 1))?.contiguous(),
        None => candle_core::bail!("a sum of no convolutions"),
    }
}

/// Offsets (dy, dx) of the taps, in the order of the rows of the weight [taps in, out].
struct Taps(Vec<(isize, isize)>);

/// Maps of one size, and the taps that reach a pixel of them.
struct Geometry {
    height: usize,
    width: usize,
    taps: Vec<(isize, isize)>,
    /// Their places among all taps.
    places: Vec<usize>,
}

impl Geometry {
    fn new(height: usize, width: usize, taps: &[(isize, isize)]) -> Self {
        let reaches =
            |(_, (dy, dx)): &(usize, &(isize, isize))| dy.unsigned_abs() < height && dx.unsigned_abs() < width;
        let (places, taps) = taps.iter().enumerate().filter(reaches).unzip();
        Self { height, width, taps, places }
    }

    fn mirrored(&self) -> Self {
        let taps = self.taps.iter().map(|(dy, dx)| (-dy, -dx)).collect();
        Self { taps, places: self.places.clone(), ..*self }
    }

    /// Matrices [in, out] of the taps in use, one under the other.
    fn used(&self, weight: &[f32], size: usize) -> Vec<f32> {
        self.places.iter().flat_map(|place| &weight[place * size..][..size]).copied().collect()
    }

    /// As [`Self::used`], each transposed: [taps out, in].
    fn used_transposed(&self, weight: &[f32], inputs: usize, outputs: usize) -> Vec<f32> {
        let mut transposed = vec![0.0; self.places.len() * inputs * outputs];
        for (to, place) in transposed.chunks_exact_mut(inputs * outputs).zip(&self.places) {
            let from = &weight[place * inputs * outputs..][..inputs * outputs];
            for (i, row) in from.chunks_exact(outputs).enumerate() {
                for (o, number) in row.iter().enumerate() {
                    to[o * inputs + i] = *number;
                }
            }
        }
        transposed
    }

    /// Pixels of one block of `all`: within [`BLOCK`], and few enough for every thread to have some.
    fn pixels(&self, channels: usize, all: usize) -> usize {
        let most = (BLOCK / (self.taps.len() * channels).max(1)).max(1);
        all.div_ceil(2 * rayon::current_num_threads()).max(64).min(most).min(all.max(1))
    }

    /// Lays the neighbours of pixels `first..` side by side: `columns` [pixels, taps, channels].
    fn gather(&self, x: &[f32], channels: usize, first: usize, columns: &mut [f32]) {
        let (height, width) = (self.height as isize, self.width as isize);
        for (index, columns) in columns.chunks_exact_mut(self.taps.len() * channels).enumerate() {
            let pixel = (first + index) as isize;
            let (row, column) = (pixel / width, pixel % width);
            let y = row % height;
            for (to, (dy, dx)) in columns.chunks_exact_mut(channels).zip(&self.taps) {
                if (0..height).contains(&(y + dy)) && (0..width).contains(&(column + dx)) {
                    let from = (pixel + dy * width + dx) as usize * channels;
                    to.copy_from_slice(&x[from..][..channels]);
                } else {
                    to.fill(0.0);
                }
            }
        }
    }

    /// `x` [pixels, channels] through `weight` [taps channels, outputs], added to `y`; a block of pixels is a task.
    fn apply(&self, x: &[f32], channels: usize, weight: &[f32], outputs: usize, y: &mut [f32]) {
        let sums = self.taps.len() * channels;
        let block = self.pixels(channels, x.len() / channels.max(1));
        let weight = Matrix::new(weight, sums, outputs);
        y.par_chunks_mut((block * outputs).max(1)).enumerate().for_each_init(
            || vec![0.0; block * sums],
            |columns, (index, y)| {
                let pixels = y.len() / outputs;
                let columns = &mut columns[..pixels * sums];
                self.gather(x, channels, index * block, columns);
                let out = MatrixMut::new(y, pixels, outputs);
                product(out, Matrix::new(columns, pixels, sums), weight, Write::Add, Threads::One);
            },
        );
    }

    /// Gradient of the whole weight [all taps channels, outputs]; zero for taps that reach nothing. A group of taps is a
    /// task: no sum over pixels is split.
    fn weight_gradient(&self, x: &[f32], channels: usize, dy: &[f32], outputs: usize, dw: &mut [f32]) {
        let size = channels * outputs;
        let mut used = vec![0.0; self.taps.len() * size];
        let group = self.taps.len().div_ceil(rayon::current_num_threads()).max(1);
        used.par_chunks_mut((group * size).max(1)).zip(self.taps.par_chunks(group)).for_each(|(used, taps)| {
            let some = Self { taps: taps.to_vec(), places: Vec::new(), ..*self };
            some.add_weight_gradient(x, channels, dy, outputs, used);
        });
        for (from, place) in used.chunks_exact(size).zip(&self.places) {
            dw[place * size..][..size].copy_from_slice(from);
        }
    }

    /// Adds the gradient of the weight of these taps [taps channels, outputs], block by block.
    fn add_weight_gradient(&self, x: &[f32], channels: usize, dy: &[f32], outputs: usize, dw: &mut [f32]) {
        let (sums, all) = (self.taps.len() * channels, x.len() / channels.max(1));
        let block = self.pixels(channels, all);
        let mut columns = vec![0.0; block * sums];
        for first in (0..all).step_by(block) {
            let pixels = block.min(all - first);
            let columns = &mut columns[..pixels * sums];
            self.gather(x, channels, first, columns);
            let dy = Matrix::new(&dy[first * outputs..][..pixels * outputs], pixels, outputs);
            let columns = Matrix::new(columns, pixels, sums).transposed();
            product(MatrixMut::new(dw, sums, outputs), columns, dy, Write::Add, Threads::One);
        }
    }
}

impl CustomOp3 for Taps {
    fn name(&self) -> &'static str {
        "convolve"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (images, height, width, inputs) = x_layout.shape().dims4()?;
        let (_, outputs) = weight_layout.shape().dims2()?;
        let bias = floats(bias, bias_layout)?;
        if bias.len() != outputs {
            candle_core::bail!("a convolution to {outputs} channels has {} biases", bias.len());
        }
        let geometry = Geometry::new(height, width, &self.0);
        let weight = geometry.used(floats(weight, weight_layout)?, inputs * outputs);
        let mut y = vec![0.0; images * height * width * outputs];
        y.par_chunks_mut(outputs.max(1)).with_min_len(256).for_each(|y| y.copy_from_slice(bias));
        geometry.apply(floats(x, x_layout)?, inputs, &weight, outputs, &mut y);
        Ok((CpuStorage::F32(y), Shape::from((images, height, width, outputs))))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _res: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (_, height, width, inputs) = x.dims4()?;
        let (_, outputs) = weight.dims2()?;
        let geometry = Geometry::new(height, width, &self.0);
        let like = |values: Vec<f32>, of: &Tensor| Tensor::from_vec(values, of.shape(), of.device());
        with_floats(grad, |dy| {
            let dx = match x.track_op() {
                true => {
                    let mut dx = vec![0.0; x.elem_count()];
                    let back = with_floats(weight, |w| Ok(geometry.used_transposed(w, inputs, outputs)))?;
                    geometry.mirrored().apply(dy, outputs, &back, inputs, &mut dx);
                    Some(like(dx, x)?)
                }
                false => None,
            };
            let dw = match weight.track_op() {
                true => Some(with_floats(x, |x| {
                    let mut dw = vec![0.0; weight.elem_count()];
                    geometry.weight_gradient(x, inputs, dy, outputs, &mut dw);
                    like(dw, weight)
                })?),
                false => None,
            };
            let db = match bias.track_op() {
                true => Some(like(bias_gradient(dy, outputs), bias)?),
                false => None,
            };
            Ok((dx, dw, db))
        })
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Var;
    use copl_testing::tensors::{assert_gradients, assert_same, values, var};

    use super::*;

    fn filters(weights: &[(&Var, &Var, usize)]) -> Vec<Filter> {
        let filter = |(w, b, dilation): &(&Var, &Var, usize)| Filter {
            weight: w.as_tensor().clone(),
            bias: b.as_tensor().clone(),
            dilation: *dilation,
        };
        weights.iter().map(filter).collect()
    }

    #[test]
    fn kernel_and_plain_composition_agree() {
        for (side, dilation) in [((1, 1), 1), ((5, 7), 1), ((9, 4), 3), ((3, 12), 6), ((40, 33), 2)] {
            let x = var(&[2, side.0, side.1, 3], 1);
            let (w, b) = (var(&[5, 3, 3, 3], 2), var(&[5], 3));
            let filters = filters(&[(&w, &b, dilation)]);
            assert_same(&[&x, &w, &b], 2e-5, || fused(&x, &filters).unwrap(), || plain(&x, &filters).unwrap());
        }
    }

    #[test]
    fn a_sum_of_dilations_is_that_of_its_terms() {
        let x = var(&[2, 7, 6, 4], 1);
        let (w, b, w2, b2) = (var(&[3, 4, 3, 3], 2), var(&[3], 3), var(&[3, 4, 3, 3], 4), var(&[3], 5));
        let filters = filters(&[(&w, &b, 3), (&w2, &b2, 18)]);
        let vars = [&x, &w, &b, &w2, &b2];
        assert_same(&vars, 2e-5, || fused(&x, &filters).unwrap(), || plain(&x, &filters).unwrap());
    }

    #[test]
    fn gradients_are_those_of_finite_differences() {
        let (x, w, b) = (var(&[2, 4, 3, 2], 1), var(&[3, 2, 3, 3], 2), var(&[3], 3));
        assert_gradients(&[&x, &w, &b], 12, 2e-3, || fused(&x, &filters(&[(&w, &b, 1), (&w, &b, 2)])).unwrap());
    }

    #[test]
    fn blocks_cover_maps_larger_than_one() {
        // 9 taps of 512 channels: 227 pixels a block, 2 x 600 pixels.
        let (x, w, b) = (var(&[2, 20, 30, 512], 1), var(&[2, 512, 3, 3], 2), var(&[2], 3));
        let filters = filters(&[(&w, &b, 1)]);
        let run = || fused(&x, &filters).unwrap();
        assert_same(&[&x, &w, &b], 5e-5, run, || plain(&x, &filters).unwrap());
        assert_eq!(values(&run()), values(&run()), "the same bits each time");
    }
}
