//! The weights of one block, and the block from differentiable operations: for training an encoder, for devices without
//! kernels, and as the oracle of the frozen block.

use std::sync::Arc;

use candle_core::{Result, Tensor};

use super::super::Prompts;
use super::super::placement::Placement;
use super::config::SwinV2Config;
use super::position::{BiasNetwork, position_bias};
use crate::kernels::attention::plain::{Terms, WindowTables, attend};
use crate::kernels::attention::trainable;
use crate::kernels::attention::windows::Windows;
use crate::kernels::{Execution, gelu, layer_norm, linear};
use crate::weights::Tensors;

/// Logit scales are held below 100.
const LARGEST_SCALE: f64 = 100.0;

/// The tensors of one block, with what depends only on weights worked out.
pub(super) struct LayerWeights {
    pub(super) qkv: Tensor,
    /// [3C] with zeros for keys.
    pub(super) qkv_bias: Tensor,
    pub(super) proj: Tensor,
    pub(super) proj_bias: Tensor,
    pub(super) norm1: (Tensor, Tensor),
    pub(super) fc1: Tensor,
    pub(super) fc1_bias: Tensor,
    pub(super) fc2: Tensor,
    pub(super) fc2_bias: Tensor,
    pub(super) norm2: (Tensor, Tensor),
    /// [H]
    pub(super) scale: Tensor,
    /// [H, W, W]
    pub(super) bias: Tensor,
    pub(super) placement: Placement,
}

impl LayerWeights {
    pub(super) fn new(config: &SwinV2Config, weights: &mut Tensors, stage: usize, block: usize) -> crate::Result<Self> {
        let mut get = |name: &str| weights.take(&format!("layers.{stage}.blocks.{block}.{name}"));
        let placement = config.placement(stage, block);
        let network = BiasNetwork {
            first: &get("attn.cpb_mlp.0.weight")?,
            first_bias: &get("attn.cpb_mlp.0.bias")?,
            second: &get("attn.cpb_mlp.2.weight")?,
        };
        let q_bias = get("attn.q_bias")?;
        let qkv_bias = Tensor::cat(&[&q_bias, &q_bias.zeros_like()?, &get("attn.v_bias")?], 0)?;
        let scale = get("attn.logit_scale")?.flatten_all()?.minimum(LARGEST_SCALE.ln())?.exp()?;
        Ok(Self {
            qkv: get("attn.qkv.weight")?,
            qkv_bias,
            proj: get("attn.proj.weight")?,
            proj_bias: get("attn.proj.bias")?,
            norm1: (get("norm1.weight")?, get("norm1.bias")?),
            fc1: get("mlp.fc1.weight")?,
            fc1_bias: get("mlp.fc1.bias")?,
            fc2: get("mlp.fc2.weight")?,
            fc2_bias: get("mlp.fc2.bias")?,
            norm2: (get("norm2.weight")?, get("norm2.bias")?),
            scale,
            bias: position_bias(&network, placement.window, config.pretrained_window(stage))?,
            placement,
        })
    }

    pub(super) fn windows(&self) -> Windows {
        let Placement { map, window, shift } = self.placement;
        Windows::new(map, map, window, shift)
    }
}

/// A block made of differentiable operations.
pub(super) struct Layer {
    weights: LayerWeights,
    tables: WindowTables,
    windows: Arc<Windows>,
    execution: Execution,
}

impl Layer {
    pub(super) fn new(weights: LayerWeights, execution: Execution) -> Result<Self> {
        let windows = weights.windows();
        let tables = WindowTables::new(windows.clone(), weights.qkv.device())?;
        Ok(Self { weights, tables, windows: Arc::new(windows), execution })
    }

    /// x + LN(attention(x)), then x + LN(feed-forward(x)).
    pub(super) fn forward(&self, x: &Tensor, prompts: Option<&Prompts>) -> crate::Result<Tensor> {
        let w = &self.weights;
        let attended = self.attention(x, prompts)?;
        let x = (x + layer_norm(&attended, &w.norm1.0, &w.norm1.1, self.execution)?)?;
        let hidden = gelu(&linear(&x, &w.fc1, Some(&w.fc1_bias), self.execution)?, self.execution)?;
        let out = linear(&hidden, &w.fc2, Some(&w.fc2_bias), self.execution)?;
        Ok((&x + layer_norm(&out, &w.norm2.0, &w.norm2.1, self.execution)?)?)
    }

    fn attention(&self, x: &Tensor, prompts: Option<&Prompts>) -> crate::Result<Tensor> {
        let w = &self.weights;
        let prompts = match prompts {
            Some(prompts) => prompts.joined(x.dim(0)?)?.map(|tokens| (tokens, prompts.bias)),
            None => None,
        };
        if prompts.is_none() && self.execution.uses_kernels(x) && !self.windows.has_padding() {
            let qkv = linear(x, &w.qkv, Some(&w.qkv_bias), self.execution)?;
            let out = trainable::attend(&self.windows, &qkv, &w.bias, &w.scale, true)?;
            return Ok(linear(&out, &w.proj, Some(&w.proj_bias), self.execution)?);
        }
        // Padding enters before the linear layer, as in timm: its queries and values are their biases.
        let qkv = linear(&self.tables.split(x)?, &w.qkv, Some(&w.qkv_bias), self.execution)?;
        let width = w.proj.dim(0)?;
        let keys = match &prompts {
            Some((tokens, _)) => {
                let (weight, bias) = (w.qkv.narrow(0, width, 2 * width)?, w.qkv_bias.narrow(0, width, 2 * width)?);
                Some(linear(tokens, &weight, Some(&bias), self.execution)?)
            }
            None => None,
        };
        let terms = Terms {
            heads: w.scale.dim(0)?,
            cosine: true,
            scale: &w.scale,
            bias: Some(&w.bias),
            prompts: keys.as_ref().zip(prompts.as_ref().map(|(_, bias)| *bias)),
        };
        let out = attend(&self.tables, &qkv, &terms, self.execution)?;
        Ok(self.tables.join(&linear(&out, &w.proj, Some(&w.proj_bias), self.execution)?)?)
    }
}
