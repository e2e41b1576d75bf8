//! The weights of one block, and the block from differentiable operations: for training an encoder, for devices without
//! frozen blocks, and as the oracle of those.

use candle_core::{Result, Tensor};

use super::config::SwinV2Config;
use super::position::{BiasNetwork, position_bias};
use crate::encoders::attention::AttentionLayer;
use crate::encoders::block::Block;
use crate::encoders::placement::Placement;
use crate::encoders::prompts::Prompts;
use crate::kernels::Execution;
use crate::kernels::attention::plain::WindowTables;
use crate::kernels::attention::windows::Windows;
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
    attention: AttentionLayer,
    tables: WindowTables,
    norm1: (Tensor, Tensor),
    fc1: (Tensor, Tensor),
    fc2: (Tensor, Tensor),
    norm2: (Tensor, Tensor),
    execution: Execution,
}

impl Layer {
    pub(super) fn new(weights: LayerWeights, execution: Execution) -> Result<Self> {
        let tables = WindowTables::new(weights.windows(), weights.qkv.device())?;
        let attention = AttentionLayer {
            qkv: (weights.qkv, weights.qkv_bias),
            proj: (weights.proj, weights.proj_bias),
            scale: weights.scale,
            bias: Some(weights.bias),
            cosine: true,
            execution,
        };
        Ok(Self {
            attention,
            tables,
            norm1: weights.norm1,
            fc1: (weights.fc1, weights.fc1_bias),
            fc2: (weights.fc2, weights.fc2_bias),
            norm2: weights.norm2,
            execution,
        })
    }

    fn linear(&self, x: &Tensor, (weight, bias): &(Tensor, Tensor)) -> Result<Tensor> {
        self.execution.linear(x, weight, Some(bias))
    }

    /// x + LN(branch).
    fn residual(&self, x: &Tensor, branch: &Tensor, (weight, bias): &(Tensor, Tensor)) -> Result<Tensor> {
        x + self.execution.layer_norm(branch, weight, bias)?
    }
}

impl Block for Layer {
    /// x + LN(attention(x)).
    fn attend(&self, x: &Tensor, prompts: Option<&Prompts>) -> crate::Result<Tensor> {
        let prompts = match prompts {
            Some(prompts) => prompts.joined(x.dim(0)?)?.map(|tokens| (tokens, prompts.bias)),
            None => None,
        };
        let prompts = prompts.as_ref().map(|(tokens, bias)| (tokens, *bias));
        Ok(self.residual(x, &self.attention.forward(&self.tables, x, prompts)?, &self.norm1)?)
    }

    /// x + LN(feed-forward(x)).
    fn feed(&self, x: &Tensor) -> crate::Result<Tensor> {
        let hidden = self.execution.gelu(&self.linear(x, &self.fc1)?)?;
        Ok(self.residual(x, &self.linear(&hidden, &self.fc2)?, &self.norm2)?)
    }
}
