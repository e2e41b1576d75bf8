//! A pre-norm block from differentiable operations: for training an encoder, for devices without kernels, and as the oracle
//! of the frozen block.

use std::sync::Arc;

use candle_core::{Result, Tensor};

use super::super::Prompts;
use super::{BlockSizes, BlockWeights};
use crate::kernels::attention::plain::{Terms, WindowTables, attend};
use crate::kernels::attention::trainable;
use crate::kernels::attention::windows::Windows;
use crate::kernels::{Execution, gelu, layer_norm_with, linear};

/// A block made of differentiable operations.
pub(in crate::encoders) struct PlainLayer {
    weights: BlockWeights,
    sizes: BlockSizes,
    /// `[H]`, one over the root of the head width.
    scale: Tensor,
    execution: Execution,
}

impl PlainLayer {
    pub(super) fn new(weights: BlockWeights, sizes: BlockSizes, execution: Execution) -> Result<Self> {
        let scale = 1.0 / ((weights.proj.0.dim(0)? / sizes.heads) as f64).sqrt();
        let scale = Tensor::full(scale as f32, sizes.heads, weights.proj.1.device())?;
        Ok(Self { weights, sizes, scale, execution })
    }

    /// x + attention(LN(x)), then x + feed-forward(LN(x)).
    pub(super) fn forward(&self, x: &Tensor, prompts: Option<&Prompts>) -> crate::Result<Tensor> {
        let w = &self.weights;
        let x = (x + self.attention(x, prompts)?)?;
        let hidden = gelu(&self.linear(&self.norm(&x, &w.norm2)?, &w.fc1)?, self.execution)?;
        Ok((&x + self.linear(&hidden, &w.fc2)?)?)
    }

    fn norm(&self, x: &Tensor, (weight, bias): &(Tensor, Tensor)) -> Result<Tensor> {
        layer_norm_with(x, weight, bias, self.sizes.epsilon, self.execution)
    }

    fn linear(&self, x: &Tensor, (weight, bias): &(Tensor, Tensor)) -> Result<Tensor> {
        linear(x, weight, Some(bias), self.execution)
    }

    fn attention(&self, x: &Tensor, prompts: Option<&Prompts>) -> crate::Result<Tensor> {
        let w = &self.weights;
        let (images, count, width) = x.dims3()?;
        let normal = self.norm(x, &w.norm1)?;
        let windows = self.sizes.windows.clone().unwrap_or_else(|| Windows::whole(count));
        let prompts = match prompts {
            Some(prompts) => prompts.joined(images)?.map(|tokens| (tokens, prompts.bias)),
            None => None,
        };
        if prompts.is_none() && self.execution.uses_kernels(x) && !windows.has_padding() {
            let none = Tensor::zeros(0, x.dtype(), x.device())?;
            let bias = self.sizes.bias.as_ref().unwrap_or(&none);
            let qkv = self.linear(&normal, &w.qkv)?;
            let out = trainable::attend(&Arc::new(windows), &qkv, bias, &self.scale, false)?;
            return Ok(self.linear(&out, &w.proj)?);
        }
        let keys = match &prompts {
            Some((tokens, bias)) => {
                let part = |t: &Tensor| t.narrow(0, width, 2 * width);
                let rows = (part(&w.qkv.0)?, part(&w.qkv.1)?);
                Some((self.linear(&self.norm(tokens, &w.norm1)?, &rows)?, *bias))
            }
            None => None,
        };
        let terms = Terms {
            heads: self.sizes.heads,
            cosine: false,
            scale: &self.scale,
            bias: self.sizes.bias.as_ref(),
            prompts: keys.as_ref().map(|(keys, bias)| (keys, *bias)),
        };
        let tables = WindowTables::new(windows, x.device())?;
        // Padding enters before the linear layer: its queries, keys and values are their biases.
        let qkv = self.linear(&tables.split(&normal)?, &w.qkv)?;
        let out = tables.join(&attend(&tables, &qkv, &terms, self.execution)?)?;
        Ok(self.linear(&out, &w.proj)?)
    }
}
