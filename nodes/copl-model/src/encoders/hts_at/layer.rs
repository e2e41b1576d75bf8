//! The weights of one block, and the block from differentiable operations: for training an encoder, for devices without
//! kernels, and as the oracle of the frozen block.

use std::sync::Arc;

use candle_core::{Result, Tensor};

use super::super::Prompts;
use super::super::swin_v2::position::pairs;
use super::config::{HtsAtConfig, Placement};
use crate::kernels::attention::plain::{Terms, WindowTables, attend};
use crate::kernels::attention::trainable;
use crate::kernels::attention::windows::Windows;
use crate::kernels::{Execution, gelu, layer_norm, linear};
use crate::weights::Tensors;

/// The tensors of one block, with what depends only on weights worked out.
pub(super) struct LayerWeights {
    pub(super) norm1: (Tensor, Tensor),
    pub(super) qkv: (Tensor, Tensor),
    pub(super) proj: (Tensor, Tensor),
    pub(super) norm2: (Tensor, Tensor),
    pub(super) fc1: (Tensor, Tensor),
    pub(super) fc2: (Tensor, Tensor),
    /// `[H]`, one over the root of the head width.
    pub(super) scale: Tensor,
    /// [H, W, W]
    pub(super) bias: Tensor,
    pub(super) windows: Windows,
}

impl LayerWeights {
    pub(super) fn new(config: &HtsAtConfig, weights: &mut Tensors, stage: usize, block: usize) -> crate::Result<Self> {
        let mut get = |name: &str| weights.take(&format!("layers.{stage}.blocks.{block}.{name}"));
        let mut pair = |name: &str| -> crate::Result<(Tensor, Tensor)> {
            Ok((get(&format!("{name}.weight"))?, get(&format!("{name}.bias"))?))
        };
        let (norm1, qkv, proj) = (pair("norm1")?, pair("attn.qkv")?, pair("attn.proj")?);
        let (norm2, fc1, fc2) = (pair("norm2")?, pair("mlp.fc1")?, pair("mlp.fc2")?);
        let table = get("attn.relative_position_bias_table")?;
        let Placement { map, window, shift } = config.placement(stage, block);
        let (size, heads) = (window * window, config.num_heads[stage]);
        let bias = table.index_select(&pairs(window, table.device())?, 0)?.t()?.contiguous()?;
        let scale = 1.0 / ((config.width(stage) / heads) as f64).sqrt();
        Ok(Self {
            norm1,
            scale: Tensor::full(scale as f32, heads, table.device())?,
            qkv,
            proj,
            norm2,
            fc1,
            fc2,
            bias: bias.reshape((heads, size, size))?,
            windows: Windows::new(map, map, window, shift),
        })
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
        let windows = Arc::new(weights.windows.clone());
        let tables = WindowTables::new(weights.windows.clone(), weights.bias.device())?;
        Ok(Self { weights, tables, windows, execution })
    }

    /// x + attention(LN(x)), then x + feed-forward(LN(x)).
    pub(super) fn forward(&self, x: &Tensor, prompts: Option<&Prompts>) -> crate::Result<Tensor> {
        let w = &self.weights;
        let x = (x + self.attention(x, prompts)?)?;
        let normal = layer_norm(&x, &w.norm2.0, &w.norm2.1, self.execution)?;
        let hidden = gelu(&linear(&normal, &w.fc1.0, Some(&w.fc1.1), self.execution)?, self.execution)?;
        Ok((&x + linear(&hidden, &w.fc2.0, Some(&w.fc2.1), self.execution)?)?)
    }

    fn attention(&self, x: &Tensor, prompts: Option<&Prompts>) -> crate::Result<Tensor> {
        let w = &self.weights;
        let norm = |tokens: &Tensor| layer_norm(tokens, &w.norm1.0, &w.norm1.1, self.execution);
        let qkv = linear(&norm(x)?, &w.qkv.0, Some(&w.qkv.1), self.execution)?;
        let prompts = match prompts {
            Some(prompts) => prompts.joined(x.dim(0)?)?.map(|tokens| (tokens, prompts.bias)),
            None => None,
        };
        let out = if prompts.is_none() && self.execution.uses_kernels(x) {
            trainable::attend(&self.windows, &qkv, &w.bias, &w.scale, false)?
        } else {
            let width = w.proj.0.dim(0)?;
            let keys = match &prompts {
                Some((tokens, _)) => {
                    let (weight, bias) = (w.qkv.0.narrow(0, width, 2 * width)?, w.qkv.1.narrow(0, width, 2 * width)?);
                    Some(linear(&norm(tokens)?, &weight, Some(&bias), self.execution)?)
                }
                None => None,
            };
            let terms = Terms {
                heads: w.scale.dim(0)?,
                cosine: false,
                scale: &w.scale,
                bias: &w.bias,
                prompts: keys.as_ref().zip(prompts.as_ref().map(|(_, bias)| *bias)),
            };
            self.tables.join(&attend(&self.tables, &self.tables.split(&qkv)?, &terms, self.execution)?)?
        };
        Ok(linear(&out, &w.proj.0, Some(&w.proj.1), self.execution)?)
    }
}
