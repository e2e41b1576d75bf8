//! What DG-SCT's attentions do to tokens, each as one operation over images: weights of channels and of tokens, and the mean of
//! what is positive.

use candle_core::{CpuStorage, CustomOp1, CustomOp3, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use crate::kernels::math::dot;
use crate::kernels::slices::{floats, with_floats};

/// Images, tokens and channels of `x`, if the weights `channels` [N, 1, d] and `tokens` [N, n, 1] fit it.
fn checked(x: &Tensor, channels: &Tensor, tokens: Option<&Tensor>) -> Result<(usize, usize, usize)> {
    let (images, count, width) = x.dims3()?;
    let fits = channels.dims() == [images, 1, width] && tokens.is_none_or(|t| t.dims() == [images, count, 1]);
    if !fits || width == 0 {
        candle_core::bail!(
            "tokens {:?} with weights of channels {:?} and of tokens {:?}",
            x.dims(),
            channels.dims(),
            tokens.map(Tensor::dims)
        );
    }
    Ok((images, count, width))
}

/// x (c + t) of `x` [N, n, d], weights c of channels [N, 1, d] and t of tokens [N, n, 1] (none: 0).
pub(in crate::kernels) fn weigh_fused(x: &Tensor, channels: &Tensor, tokens: Option<&Tensor>) -> Result<Tensor> {
    let (images, count, width) = checked(x, channels, tokens)?;
    let tokens = match tokens {
        Some(tokens) => tokens.contiguous()?,
        None => Tensor::zeros((images, count, 1), x.dtype(), x.device())?,
    };
    x.contiguous()?.apply_op3(&channels.contiguous()?, &tokens, Weigh { count, width })
}

/// From elementary operations.
pub(in crate::kernels) fn weigh_plain(x: &Tensor, channels: &Tensor, tokens: Option<&Tensor>) -> Result<Tensor> {
    checked(x, channels, tokens)?;
    match tokens {
        Some(tokens) => x * channels.broadcast_add(tokens)?,
        None => x.broadcast_mul(channels),
    }
}

/// The mean over tokens of max(x, 0), [N, n, d] -> [N, 1, d]; the gradient at 0 is 0.
pub(in crate::kernels) fn mean_of_positive_fused(x: &Tensor) -> Result<Tensor> {
    x.contiguous()?.apply_op1(MeanOfPositive)
}

/// From elementary operations.
pub(in crate::kernels) fn mean_of_positive_plain(x: &Tensor) -> Result<Tensor> {
    crate::kernels::relu::plain(x)?.mean_keepdim(1)
}

struct Weigh {
    count: usize,
    width: usize,
}

impl CustomOp3 for Weigh {
    fn name(&self) -> &'static str {
        "weigh-channels-and-tokens"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        channels: &CpuStorage,
        channels_layout: &Layout,
        tokens: &CpuStorage,
        tokens_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let mut y = floats(x, x_layout)?.to_vec();
        let (channels, tokens) = (floats(channels, channels_layout)?, floats(tokens, tokens_layout)?);
        let images = y.par_chunks_mut((self.count * self.width).max(1));
        images.zip(channels.par_chunks(self.width)).zip(tokens.par_chunks(self.count.max(1))).for_each(
            |((y, c), t)| {
                for (y, t) in y.chunks_exact_mut(self.width).zip(t) {
                    for (y, c) in y.iter_mut().zip(c) {
                        *y *= c + t;
                    }
                }
            },
        );
        Ok((CpuStorage::F32(y), x_layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        channels: &Tensor,
        tokens: &Tensor,
        _res: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let Self { count, width } = *self;
        let (of_image, wants_x) = ((count * width).max(1), x.track_op());
        let mut dx = vec![0.0; if wants_x { x.elem_count() } else { 0 }];
        let (mut dc, mut dt) = (vec![0.0; channels.elem_count()], vec![0.0; tokens.elem_count()]);
        with_floats(x, |x| {
            with_floats(channels, |c| {
                with_floats(tokens, |t| {
                    with_floats(grad, |dy| {
                        let image = |image: usize, dx: &mut [f32], dc: &mut [f32], dt: &mut [f32]| {
                            let (x, dy) = (&x[image * of_image..][..of_image], &dy[image * of_image..][..of_image]);
                            let (c, t) = (&c[image * width..][..width], &t[image * count..][..count]);
                            for (row, (x, dy)) in x.chunks_exact(width).zip(dy.chunks_exact(width)).enumerate() {
                                for ((dc, x), dy) in dc.iter_mut().zip(x).zip(dy) {
                                    *dc += x * dy;
                                }
                                dt[row] = dot(x, dy);
                                if wants_x {
                                    let dx = dx[row * width..][..width].iter_mut();
                                    dx.zip(dy).zip(c).for_each(|((dx, dy), c)| *dx = dy * (c + t[row]));
                                }
                            }
                        };
                        let weights = dc.par_chunks_mut(width).zip(dt.par_chunks_mut(count.max(1))).enumerate();
                        match wants_x {
                            true => weights
                                .zip(dx.par_chunks_mut(of_image))
                                .for_each(|((index, (dc, dt)), dx)| image(index, dx, dc, dt)),
                            false => weights.for_each(|(index, (dc, dt))| image(index, &mut [], dc, dt)),
                        }
                        Ok(())
                    })
                })
            })
        })?;
        let like = |numbers: Vec<f32>, of: &Tensor| match of.track_op() {
            true => Tensor::from_vec(numbers, of.shape(), of.device()).map(Some),
            false => Ok(None),
        };
        Ok((like(dx, x)?, like(dc, channels)?, like(dt, tokens)?))
    }
}

struct MeanOfPositive;

impl CustomOp1 for MeanOfPositive {
    fn name(&self) -> &'static str {
        "mean-of-positive"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (images, count, width) = layout.shape().dims3()?;
        let mut mean = vec![0.0f32; images * width];
        let x = floats(storage, layout)?.par_chunks((count * width).max(1));
        mean.par_chunks_mut(width.max(1)).zip(x).for_each(|(mean, x)| {
            for row in x.chunks_exact(width) {
                mean.iter_mut().zip(row).for_each(|(mean, x)| *mean += if *x > 0.0 { *x } else { 0.0 });
            }
            mean.iter_mut().for_each(|mean| *mean /= count as f32);
        });
        Ok((CpuStorage::F32(mean), Shape::from((images, 1, width))))
    }

    fn bwd(&self, x: &Tensor, _res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let (_, count, width) = x.dims3()?;
        let mut dx = vec![0.0; x.elem_count()];
        let of_image = (count * width).max(1);
        with_floats(x, |x| {
            with_floats(grad, |g| {
                let images = dx.par_chunks_mut(of_image).zip(x.par_chunks(of_image)).zip(g.par_chunks(width.max(1)));
                images.for_each(|((dx, x), g)| {
                    for (dx, x) in dx.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
                        for ((dx, x), g) in dx.iter_mut().zip(x).zip(g) {
                            *dx = if *x > 0.0 { g / count as f32 } else { 0.0 };
                        }
                    }
                });
                Ok(())
            })
        })?;
        Ok(Some(Tensor::from_vec(dx, x.shape(), x.device())?))
    }
}

#[cfg(test)]
mod tests {
    use copl_testing::tensors::{assert_gradients, assert_same, var};

    use super::*;

    #[test]
    fn kernels_and_plain_compositions_agree() {
        for [images, count, width] in [[1, 1, 1], [3, 7, 5], [2, 90, 48]] {
            let (x, c, t) = (var(&[images, count, width], 1), var(&[images, 1, width], 2), var(&[images, count, 1], 3));
            assert_same(
                &[&x, &c, &t],
                2e-5,
                || weigh_fused(&x, &c, Some(&t)).unwrap(),
                || weigh_plain(&x, &c, Some(&t)).unwrap(),
            );
            assert_same(&[&x, &c], 2e-5, || weigh_fused(&x, &c, None).unwrap(), || weigh_plain(&x, &c, None).unwrap());
            assert_same(&[&x], 2e-6, || mean_of_positive_fused(&x).unwrap(), || mean_of_positive_plain(&x).unwrap());
        }
        let (x, c, t) = (var(&[2, 3, 4], 1), var(&[2, 1, 4], 2), var(&[2, 3, 1], 3));
        assert_gradients(&[&x, &c, &t], 12, 2e-3, || weigh_fused(&x, &c, Some(&t)).unwrap());
        assert!(weigh_fused(&x, &t, None).is_err());
    }
}
