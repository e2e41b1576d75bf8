//! Latents gather tokens, L + softmax(L Yᵀ) Y: one task an image, the softmax kept by no one and computed again in the
//! backward pass.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::latents::{Latents, Order};
use super::reading::part;
use crate::kernels::linear::sum_in_order;
use crate::kernels::slices::{filled_by_tasks, floats, with_floats};
use crate::kernels::softmax::{softmax_rows, softmax_rows_backward};

/// As one operation: latents L [t, d] and tokens Y [N, m, d] -> [N, t, d], differentiable in both.
pub(in crate::kernels) fn fused(latents: &Tensor, tokens: &Tensor) -> Result<Tensor> {
    let ((count, width), (_, rows, of_tokens)) = (latents.dims2()?, tokens.dims3()?);
    if width != of_tokens || count == 0 || width == 0 || rows == 0 {
        candle_core::bail!("latents {:?} gather tokens {:?}", latents.dims(), tokens.dims());
    }
    latents.contiguous()?.apply_op2(&tokens.contiguous()?, Gather { rows })
}

struct Gather {
    /// Tokens of an image (m).
    rows: usize,
}

impl Gather {
    /// softmax(L Yᵀ) of one image's tokens, [t, m].
    fn shares(&self, latents: Latents<'_>, tokens: &[f32]) -> Vec<f32> {
        let mut shares = vec![0.0; latents.numbers.len() / latents.width * self.rows];
        latents.scores(tokens, &mut shares);
        softmax_rows(&mut shares, self.rows);
        shares
    }

    fn forward(&self, latents: Latents<'_>, tokens: &[f32]) -> Vec<f32> {
        let of_image = self.rows * latents.width;
        let mut out = vec![0.0; tokens.len() / of_image * latents.numbers.len()];
        out.par_chunks_mut(latents.numbers.len()).zip(tokens.par_chunks(of_image)).for_each(|(out, tokens)| {
            out.copy_from_slice(latents.numbers);
            latents.add_sums(&self.shares(latents, tokens), tokens, out);
        });
        out
    }

    /// Gradients of latents and tokens from that of the output, where they are wanted.
    fn backward(
        &self,
        latents: Latents<'_>,
        tokens: &[f32],
        dy: &[f32],
        [of_latents, of_tokens]: [bool; 2],
    ) -> (Vec<f32>, Vec<f32>) {
        let (size, of_image) = (latents.numbers.len(), self.rows * latents.width);
        let none = || vec![0.0; if of_latents { size } else { 0 }];
        let fill = |(): &mut (), dlatents: &mut Vec<f32>, index: usize, dtokens: &mut [f32]| {
            let (tokens, dy) = (part(tokens, index, of_image), part(dy, index, size));
            let shares = self.shares(latents, tokens);
            let gathered = Latents { numbers: dy, ..latents };
            let mut dscores = vec![0.0; shares.len()];
            gathered.scores(tokens, &mut dscores);
            softmax_rows_backward(&mut dscores, &shares, self.rows);
            if of_tokens {
                gathered.add(&shares, dtokens);
                latents.add(&dscores, dtokens);
            }
            if of_latents {
                dlatents.iter_mut().zip(dy).for_each(|(sum, d)| *sum += d);
                latents.add_sums(&dscores, tokens, dlatents);
            }
        };
        let (dtokens, sums) = filled_by_tasks(tokens.len(), of_image, || (), none, fill);
        (sum_in_order(sums, none().len()), dtokens)
    }
}

fn view(numbers: &[f32], width: usize) -> Latents<'_> {
    Latents { numbers, width, order: Order::ByLatent }
}

impl CustomOp2 for Gather {
    fn name(&self) -> &'static str {
        "gather-tokens"
    }

    fn cpu_fwd(
        &self,
        latents: &CpuStorage,
        latents_layout: &Layout,
        tokens: &CpuStorage,
        tokens_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (count, width) = latents_layout.shape().dims2()?;
        let images = tokens_layout.shape().dims3()?.0;
        let latents = view(floats(latents, latents_layout)?, width);
        let out = self.forward(latents, floats(tokens, tokens_layout)?);
        Ok((CpuStorage::F32(out), Shape::from((images, count, width))))
    }

    fn bwd(
        &self,
        latents: &Tensor,
        tokens: &Tensor,
        _res: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let width = latents.dim(1)?;
        let wanted = [latents.track_op(), tokens.track_op()];
        let found = with_floats(latents, |l| {
            with_floats(tokens, |y| with_floats(grad, |dy| Ok(self.backward(view(l, width), y, dy, wanted))))
        })?;
        let like = |wanted: bool, numbers: Vec<f32>, of: &Tensor| {
            wanted.then(|| Tensor::from_vec(numbers, of.shape(), of.device())).transpose()
        };
        Ok((like(wanted[0], found.0, latents)?, like(wanted[1], found.1, tokens)?))
    }
}

#[cfg(test)]
mod tests {
    use copl_testing::tensors::{assert_gradients, assert_same, tensor, values, var};

    use super::super::plain;
    use super::*;

    #[test]
    fn kernel_and_plain_composition_agree() {
        for (images, rows, count, width) in [(1, 1, 1, 1), (3, 49, 2, 24), (2, 130, 4, 7), (2, 65, 32, 40)] {
            let (l, y) = (var(&[count, width], 1), var(&[images, rows, width], 2));
            assert_same(&[&l, &y], 1e-5, || fused(&l, &y).unwrap(), || plain::gather(&l, &y).unwrap());
        }
        for count in [2, 6] {
            let (l, y) = (var(&[count, 5], 1), var(&[2, 7, 5], 2));
            assert_gradients(&[&l, &y], 12, 2e-3, || fused(&l, &y).unwrap());
        }
    }

    #[test]
    fn what_takes_no_part_in_the_graph_has_no_gradient() {
        let (l, y) = (var(&[2, 5], 1), var(&[2, 7, 5], 2));
        let (frozen_l, frozen_y) = (tensor(&[2, 5], 1), tensor(&[2, 7, 5], 2));
        let gradients =
            |l: &Tensor, y: &Tensor| fused(l, y).unwrap().sqr().unwrap().sum_all().unwrap().backward().unwrap();
        let both = gradients(&l, &y);
        for (l, y, of) in [(l.as_tensor(), &frozen_y, &l), (&frozen_l, y.as_tensor(), &y)] {
            let one = gradients(l, y);
            assert_eq!(one.get_ids().count(), 1, "the variable alone");
            let of_both = both.get(of.as_tensor()).unwrap();
            assert_eq!(values(one.get(of.as_tensor()).unwrap()), values(of_both));
        }
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        for gather in [fused, plain::gather] {
            assert!(gather(&var(&[2, 5], 1), &var(&[2, 7, 6], 2)).is_err());
        }
    }
}
