//! A step of Adam (Kingma and Ba 2015) for one tensor, as PyTorch computes it.

use candle_core::{CpuStorage, InplaceOp3, Layout, Result, Tensor, Var};
use rayon::prelude::*;

use super::slices::{filled, floats, with_floats};

const TASK: usize = 16 * 1024;

/// The numbers of a step that do not depend on the weights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamStep {
    /// Decays of the moments.
    pub beta1: f64,
    pub beta2: f64,
    /// Added to the denominator.
    pub epsilon: f64,
    /// Learning rate over 1 - beta1^t.
    pub rate: f64,
    /// sqrt(1 - beta2^t).
    pub second_correction: f64,
}

/// On the CPU, f32, in parallel. It rounds as [`plain`] does.
pub(super) fn fused(weight: &Var, moments: [&Tensor; 2], gradient: &Tensor, step: &AdamStep) -> Result<[Tensor; 2]> {
    let mean = |old: &Tensor, keep: f64, part: &(dyn Fn(f32) -> f32 + Sync)| {
        let keep = keep as f32;
        let of = |old: &[f32], g: &[f32]| {
            let new = filled(old.len(), TASK, |first, new| {
                let (old, g) = (&old[first..][..new.len()], &g[first..][..new.len()]);
                new.iter_mut().zip(old).zip(g).for_each(|((new, old), g)| *new = old * keep + part(*g));
            });
            Tensor::from_vec(new, weight.shape(), weight.device())
        };
        with_floats(old, |old| with_floats(gradient, |g| of(old, g)))
    };
    let (of_first, of_second) = ((1.0 - step.beta1) as f32, (1.0 - step.beta2) as f32);
    let first = mean(moments[0], step.beta1, &|g| g * of_first)?;
    let second = mean(moments[1], step.beta2, &|g| g * g * of_second)?;
    weight.inplace_op3(&first, &second, step)?;
    Ok([first, second])
}

/// From elementary operations.
pub(super) fn plain(weight: &Var, moments: [&Tensor; 2], gradient: &Tensor, step: &AdamStep) -> Result<[Tensor; 2]> {
    let first = ((moments[0] * step.beta1)? + (gradient * (1.0 - step.beta1))?)?;
    let second = ((moments[1] * step.beta2)? + (gradient.sqr()? * (1.0 - step.beta2))?)?;
    let denominator = ((second.sqrt()? / step.second_correction)? + step.epsilon)?;
    let change = ((&first / denominator)? * step.rate)?;
    weight.set(&(weight.as_detached_tensor() - change)?)?;
    Ok([first, second])
}

impl InplaceOp3 for AdamStep {
    fn name(&self) -> &'static str {
        "adam-step"
    }

    fn cpu_fwd(
        &self,
        weight: &mut CpuStorage,
        weight_layout: &Layout,
        first: &CpuStorage,
        first_layout: &Layout,
        second: &CpuStorage,
        second_layout: &Layout,
    ) -> Result<()> {
        let (first, second) = (floats(first, first_layout)?, floats(second, second_layout)?);
        let (CpuStorage::F32(weight), Some((from, to))) = (weight, weight_layout.contiguous_offsets()) else {
            candle_core::bail!("a step of Adam needs a contiguous f32 tensor on the CPU")
        };
        let (correction, rate) = ((1.0 / self.second_correction) as f32, self.rate as f32);
        let epsilon = self.epsilon as f32;
        let parts = weight[from..to].par_chunks_mut(TASK).zip(first.par_chunks(TASK)).zip(second.par_chunks(TASK));
        parts.for_each(|((weight, first), second)| {
            for ((w, m), v) in weight.iter_mut().zip(first).zip(second) {
                *w -= m / (v.sqrt() * correction + epsilon) * rate;
            }
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use copl_testing::tensors::{values, var};

    use super::*;

    #[test]
    fn kernel_and_plain_composition_take_the_same_steps() {
        let step = AdamStep { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, rate: 0.01, second_correction: 0.0316 };
        type Adam = fn(&Var, [&Tensor; 2], &Tensor, &AdamStep) -> Result<[Tensor; 2]>;
        let run = |adam: Adam| {
            let weight = var(&[300, 70], 1);
            let zero = weight.as_detached_tensor().zeros_like().unwrap();
            let mut moments = [zero.clone(), zero];
            for seed in 2..5 {
                let gradient = var(&[300, 70], seed).as_detached_tensor();
                moments = adam(&weight, [&moments[0], &moments[1]], &gradient, &step).unwrap();
            }
            [values(&weight), values(&moments[0]), values(&moments[1])]
        };
        assert_eq!(run(fused), run(plain));
    }
}
