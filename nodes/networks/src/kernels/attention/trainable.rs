//! Window attention without prompts as a tensor function with gradients of tokens, bias and scale: for encoders in
//! training.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};

use super::super::kept::Kept;
use super::super::slices::{floats, with_floats};
use super::windows::Windows;
use super::{Attention, PromptKeys, Wanted};

/// Attends packed tokens `qkv` [N, L, 3C] -> [N, L, C] with `bias` [H, W, W] (or `[0]`: none) and `scale` `[H]`.
/// CPU, f32, no padding.
///
/// # Errors
/// If the shapes do not fit, or the windows have padding, whose values would depend on weights this function does not
/// see.
pub fn attend(windows: &Arc<Windows>, qkv: &Tensor, bias: &Tensor, scale: &Tensor, cosine: bool) -> Result<Tensor> {
    if windows.has_padding() {
        candle_core::bail!("trainable window attention needs maps of whole windows");
    }
    let op = TrainableAttention { windows: windows.clone(), cosine, sums: Kept::empty() };
    qkv.contiguous()?.apply_op3(&bias.contiguous()?, &scale.contiguous()?, op)
}

struct TrainableAttention {
    windows: Arc<Windows>,
    cosine: bool,
    sums: Kept<Vec<f32>>,
}

impl TrainableAttention {
    fn attention(&self, width: usize, bias: &[f32], scale: &[f32]) -> Attention {
        Attention {
            heads: scale.len(),
            width,
            cosine: self.cosine,
            windows: Windows::clone(&self.windows),
            scale: scale.to_vec(),
            bias: bias.to_vec(),
            padding: Vec::new(),
        }
    }
}

impl CustomOp3 for TrainableAttention {
    fn name(&self) -> &'static str {
        "window-attention"
    }

    fn cpu_fwd(
        &self,
        qkv: &CpuStorage,
        qkv_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
        scale: &CpuStorage,
        scale_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (images, tokens, packed) = qkv_layout.shape().dims3()?;
        let attention = self.attention(packed / 3, floats(bias, bias_layout)?, floats(scale, scale_layout)?);
        let (out, sums) = attention.forward(floats(qkv, qkv_layout)?, PromptKeys::NONE);
        self.sums.put(sums);
        Ok((CpuStorage::F32(out), Shape::from((images, tokens, packed / 3))))
    }

    fn bwd(
        &self,
        qkv: &Tensor,
        bias: &Tensor,
        scale: &Tensor,
        _res: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let sums = self.sums.take()?;
        let width = qkv.dim(2)? / 3;
        let attention = with_floats(bias, |b| with_floats(scale, |s| Ok(self.attention(width, b, s))))?;
        let trained = bias.track_op() || scale.track_op();
        let wanted = Wanted { qkv: true, bias_and_scale: trained && bias.elem_count() > 0 };
        let found =
            with_floats(qkv, |x| with_floats(grad, |g| Ok(attention.backward(x, PromptKeys::NONE, &sums, g, wanted))))?;
        let like = |values: Vec<f32>, of: &Tensor| Tensor::from_vec(values, of.shape(), of.device());
        let dqkv = Some(like(found.qkv, qkv)?);
        if !wanted.bias_and_scale {
            return Ok((dqkv, None, None));
        }
        Ok((dqkv, Some(like(found.bias, bias)?), Some(like(found.scale, scale)?)))
    }
}

#[cfg(test)]
mod tests {
    use copl_testing::tensors::{assert_gradients, tensor, var};

    use super::*;

    #[test]
    fn gradients_are_those_of_finite_differences() {
        let windows = Arc::new(Windows::new(4, 4, 2, 1));
        let (qkv, bias) = (var(&[2, 16, 18], 1), var(&[2, 4, 4], 2));
        let scale = candle_core::Var::from_tensor(&(tensor(&[2], 3).abs().unwrap() + 0.5).unwrap()).unwrap();
        for cosine in [true, false] {
            assert_gradients(&[&qkv, &bias, &scale], 24, 2e-3, || {
                attend(&windows, &qkv, &bias, &scale, cosine).unwrap()
            });
        }
    }
}
