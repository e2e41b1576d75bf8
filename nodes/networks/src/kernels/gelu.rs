//! GELU with the error function: on rows for frozen layers, and as a differentiable tensor function.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::kept::Kept;
use super::math::gelu_with_slope;
use super::slices::{floats, with_floats};

const TASK: usize = 16 * 1024;

/// Replaces each number by its GELU; the slopes go to `slopes` when given.
pub(crate) fn gelu_in_place(x: &mut [f32], slopes: Option<&mut [f32]>) {
    match slopes {
        Some(slopes) => {
            for (x, slope) in x.iter_mut().zip(slopes) {
                (*x, *slope) = gelu_with_slope(*x);
            }
        }
        None => {
            for x in x {
                *x = gelu_with_slope(*x).0;
            }
        }
    }
}

/// Slopes of GELU lie within (-0.13, 1.13): stored in 16 bits, evenly spaced over this range, they are exact to 1e-5 in
/// half the memory.
const LEAST_SLOPE: f32 = -0.15;
const SLOPE_STEP: f32 = 1.3 / 65535.0;

/// As [`gelu_in_place`], with the slopes in 16 bits for [`multiply_by_packed`].
pub(crate) fn gelu_in_place_packed(x: &mut [f32], slopes: Option<&mut [u16]>) {
    let Some(slopes) = slopes else { return gelu_in_place(x, None) };
    for (x, packed) in x.iter_mut().zip(slopes) {
        let (y, slope) = gelu_with_slope(*x);
        *x = y;
        // Rounded to nearest: a half is added before the conversion cuts off. What is not finite becomes 0 here, and stays
        // visible in y.
        *packed = ((slope - LEAST_SLOPE) * (1.0 / SLOPE_STEP) + 0.5) as u16;
    }
}

/// a *= the slopes that [`gelu_in_place_packed`] left.
pub(crate) fn multiply_by_packed(a: &mut [f32], slopes: &[u16]) {
    for (a, packed) in a.iter_mut().zip(slopes) {
        *a *= f32::from(*packed).mul_add(SLOPE_STEP, LEAST_SLOPE);
    }
}

/// a *= b.
pub(crate) fn multiply_in_place(a: &mut [f32], b: &[f32]) {
    for (a, b) in a.iter_mut().zip(b) {
        *a *= b;
    }
}

/// GELU of every number of a tensor of any shape, as one operation. (candle has it as one too: the plain composition.)
pub(super) fn fused(x: &Tensor) -> Result<Tensor> {
    let keep = x.track_op();
    x.contiguous()?.apply_op1(Gelu { keep, slopes: Kept::empty() })
}

struct Gelu {
    keep: bool,
    slopes: Kept<Vec<f32>>,
}

impl CustomOp1 for Gelu {
    fn name(&self) -> &'static str {
        "gelu"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let mut y = floats(storage, layout)?.to_vec();
        if self.keep {
            let mut slopes = vec![0.0; y.len()];
            y.par_chunks_mut(TASK).zip(slopes.par_chunks_mut(TASK)).for_each(|(y, s)| gelu_in_place(y, Some(s)));
            self.slopes.put(slopes);
        } else {
            y.par_chunks_mut(TASK).for_each(|y| gelu_in_place(y, None));
        }
        Ok((CpuStorage::F32(y), layout.shape().clone()))
    }

    fn bwd(&self, arg: &Tensor, _res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let mut dx = self.slopes.take()?;
        with_floats(grad, |g| {
            dx.par_chunks_mut(TASK).zip(g.par_chunks(TASK)).for_each(|(dx, g)| multiply_in_place(dx, g));
            Ok(())
        })?;
        Ok(Some(Tensor::from_vec(dx, arg.shape(), arg.device())?))
    }
}

#[cfg(test)]
mod tests {
    use copl_testing::tensors::{assert_gradients, assert_same, var};

    use super::*;

    #[test]
    fn kernel_and_plain_composition_agree() {
        let x = var(&[3, 7, 5], 1);
        assert_same(&[&x], 1e-6, || fused(&x).unwrap(), || x.gelu_erf().unwrap());
        assert_gradients(&[&x], 20, 1e-3, || fused(&x).unwrap());
    }

    #[test]
    fn packed_slopes_are_exact_to_a_hundred_thousandth() {
        let x: Vec<f32> = (-9000..9000).map(|i| i as f32 * 1e-3).collect();
        let (mut y, mut slopes) = (x.clone(), vec![0.0; x.len()]);
        gelu_in_place(&mut y, Some(&mut slopes));
        let (mut z, mut packed) = (x, vec![0; slopes.len()]);
        gelu_in_place_packed(&mut z, Some(&mut packed));
        assert_eq!(y, z);
        let mut unpacked = vec![1.0; packed.len()];
        multiply_by_packed(&mut unpacked, &packed);
        for (found, expected) in unpacked.iter().zip(&slopes) {
            assert!((found - expected).abs() <= 1.1e-5, "{found} for {expected}");
        }
    }
}
