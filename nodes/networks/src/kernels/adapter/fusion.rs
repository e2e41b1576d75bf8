//! Tokens read gathered latents, as one operation.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};

use super::Fusion;
use super::reading::{Reading, ReadingScratch, ReadingSums, part, task_rows};
use crate::kernels::slices::{filled_by_tasks, floats, with_floats};

/// X' = X + g softmax(X Sᵀ) S of `x` [N, n, d], differentiable in tokens, latents and gate.
pub(in crate::kernels) fn fused(x: &Tensor, fusion: &Fusion) -> Result<Tensor> {
    let count = checked(x, fusion)?;
    let op = Fuse { count, width: x.dim(2)?, tokens: x.dim(1)? };
    x.contiguous()?.apply_op3(&fusion.latents.contiguous()?, &fusion.gate.contiguous()?, op)
}

/// The number of latents, if they fit the tokens.
pub(super) fn checked(x: &Tensor, fusion: &Fusion) -> Result<usize> {
    let ((images, _, width), (of_images, count, of_width)) = (x.dims3()?, fusion.latents.dims3()?);
    if (images, width) != (of_images, of_width) || count == 0 || width == 0 || fusion.gate.dims() != [1] {
        let (latents, gate) = (fusion.latents.dims(), fusion.gate.dims());
        candle_core::bail!("tokens {:?} read latents {latents:?} through a gate {gate:?}", x.dims());
    }
    Ok(count)
}

struct Fuse {
    count: usize,
    width: usize,
    tokens: usize,
}

impl Fuse {
    fn reading<'a>(&self, latents: &'a [f32], gate: &[f32]) -> Reading<'a> {
        Reading { latents, count: self.count, width: self.width, tokens: self.tokens, gate: gate[0] }
    }
}

impl CustomOp3 for Fuse {
    fn name(&self) -> &'static str {
        "read-latents"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        latents: &CpuStorage,
        latents_layout: &Layout,
        gate: &CpuStorage,
        gate_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let reading = self.reading(floats(latents, latents_layout)?, floats(gate, gate_layout)?);
        let (x, task) = (floats(x, x_layout)?, task_rows(self.width));
        let fill = |scratch: &mut ReadingScratch, (): &mut (), index: usize, y: &mut [f32]| {
            reading.forward(index * task, part(x, index, task * self.width), y, scratch);
        };
        let (y, _) = filled_by_tasks(x.len(), task * self.width, ReadingScratch::default, || (), fill);
        Ok((CpuStorage::F32(y), x_layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        latents: &Tensor,
        gate: &Tensor,
        _res: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let like = |wanted: bool, numbers: Vec<f32>, of: &Tensor| {
            wanted.then(|| Tensor::from_vec(numbers, of.shape(), of.device())).transpose()
        };
        let (dx, dlatents, dgate) = with_floats(x, |x| {
            with_floats(latents, |s| {
                with_floats(gate, |g| {
                    with_floats(grad, |dy| {
                        let (reading, task) = (self.reading(s, g), task_rows(self.width));
                        let fill =
                            |scratch: &mut ReadingScratch, sums: &mut ReadingSums, index: usize, dx: &mut [f32]| {
                                let x = part(x, index, task * self.width);
                                dx.copy_from_slice(part(dy, index, task * self.width));
                                reading.weigh(index * task, x, scratch);
                                reading.backward(index * task, x, dx, scratch, sums, latents.track_op());
                            };
                        let (memory, none) = (ReadingScratch::default, ReadingSums::default);
                        let (dx, sums) = filled_by_tasks(x.len(), task * self.width, memory, none, fill);
                        let (dlatents, dgate) = reading.total(&sums);
                        Ok((dx, dlatents, dgate))
                    })
                })
            })
        })?;
        Ok((
            like(x.track_op(), dx, x)?,
            like(latents.track_op(), dlatents, latents)?,
            like(gate.track_op(), vec![dgate], gate)?,
        ))
    }
}

#[cfg(test)]
mod tests {
    use copl_testing::tensors::{assert_gradients, assert_same, tensor, var};

    use super::super::plain;
    use super::*;

    #[test]
    fn kernel_and_plain_composition_agree() {
        for (images, rows, count, width) in [(1, 1, 1, 1), (3, 49, 2, 24), (2, 600, 4, 30), (5, 65, 32, 40)] {
            let (x, latents) = (var(&[images, rows, width], 1), var(&[images, count, width], 2));
            let gate = var(&[1], 3);
            let fusion = Fusion { latents: latents.as_tensor().clone(), gate: gate.as_tensor().clone() };
            assert_same(
                &[&x, &latents, &gate],
                2e-5,
                || fused(&x, &fusion).unwrap(),
                || plain::fuse(&x, &fusion).unwrap(),
            );
        }
        for count in [2, 6] {
            let (x, latents, gate) = (var(&[2, 7, 5], 1), var(&[2, count, 5], 2), var(&[1], 3));
            assert_gradients(&[&x, &latents, &gate], 12, 2e-3, || {
                fused(&x, &Fusion { latents: latents.as_tensor().clone(), gate: gate.as_tensor().clone() }).unwrap()
            });
        }
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        let x = tensor(&[2, 7, 5], 1);
        for fuse in [fused, plain::fuse] {
            for latents in [[2, 3, 6], [3, 3, 5]] {
                assert!(fuse(&x, &Fusion { latents: tensor(&latents, 2), gate: tensor(&[1], 3) }).is_err());
            }
        }
    }
}
