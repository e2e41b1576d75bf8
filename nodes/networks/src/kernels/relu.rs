//! ReLU with the gradient PyTorch takes at zero: none.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::constants::times;
use super::slices::{floats, with_floats};

const TASK: usize = 16 * 1024;

/// max(x, 0) of every number of a tensor of any shape, as one operation; the gradient at 0 is 0.
pub(super) fn fused(x: &Tensor) -> Result<Tensor> {
    x.contiguous()?.apply_op1(Relu)
}

/// From elementary operations.
pub(super) fn plain(x: &Tensor) -> Result<Tensor> {
    times(x, &x.detach().gt(0.0)?.to_dtype(x.dtype())?)
}

struct Relu;

impl CustomOp1 for Relu {
    fn name(&self) -> &'static str {
        "relu"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let mut y = floats(storage, layout)?.to_vec();
        y.par_chunks_mut(TASK).for_each(|y| y.iter_mut().for_each(|y| *y = if *y < 0.0 { 0.0 } else { *y }));
        Ok((CpuStorage::F32(y), layout.shape().clone()))
    }

    fn bwd(&self, _arg: &Tensor, res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let dx = with_floats(res, |y| {
            with_floats(grad, |g| {
                let mut dx = g.to_vec();
                dx.par_chunks_mut(TASK).zip(y.par_chunks(TASK)).for_each(|(dx, y)| {
                    for (dx, y) in dx.iter_mut().zip(y) {
                        *dx = if *y > 0.0 { *dx } else { 0.0 };
                    }
                });
                Ok(dx)
            })
        })?;
        Ok(Some(Tensor::from_vec(dx, res.shape(), res.device())?))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;
    use copl_testing::tensors::{assert_same, values, var};

    use super::*;

    #[test]
    fn kernel_and_plain_composition_agree() {
        let x = var(&[3, 7, 50], 1);
        assert_same(&[&x], 0.0, || fused(&x).unwrap(), || plain(&x).unwrap());
    }

    #[test]
    fn zero_has_no_gradient_and_nan_stays() {
        let x = candle_core::Var::new(&[0.0f32, -1.0, 2.0, f32::NAN], &Device::Cpu).unwrap();
        let y = fused(&x).unwrap();
        assert!(values(&y)[3].is_nan());
        let gradient = y.sum_all().unwrap().backward().unwrap();
        assert_eq!(values(gradient.get(&x).unwrap())[..3], [0.0, 0.0, 1.0]);
    }
}
