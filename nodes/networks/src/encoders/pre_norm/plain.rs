//! A pre-norm block from differentiable operations: for training an encoder, for devices without frozen blocks, and as the
//! oracle of those.

use candle_core::{Result, Tensor};

use super::weights::{BlockSizes, BlockWeights};
use crate::encoders::attention::AttentionLayer;
use crate::encoders::block::Block;
use crate::encoders::prompts::Prompts;
use crate::kernels::Execution;
use crate::kernels::attention::plain::WindowTables;
use crate::kernels::attention::windows::Windows;

/// A block made of differentiable operations.
pub(super) struct PlainBlock {
    attention: AttentionLayer,
    /// None: all tokens see all, whatever their number.
    tables: Option<WindowTables>,
    norm1: (Tensor, Tensor),
    norm2: (Tensor, Tensor),
    fc1: (Tensor, Tensor),
    fc2: (Tensor, Tensor),
    epsilon: f64,
    execution: Execution,
}

impl PlainBlock {
    pub(super) fn new(weights: BlockWeights, sizes: BlockSizes, execution: Execution) -> Result<Self> {
        let device = weights.proj.1.device().clone();
        let scale = 1.0 / ((weights.proj.0.dim(0)? / sizes.heads) as f64).sqrt();
        let attention = AttentionLayer {
            qkv: weights.qkv,
            proj: weights.proj,
            scale: Tensor::full(scale as f32, sizes.heads, &device)?,
            bias: sizes.bias,
            cosine: false,
            execution,
        };
        Ok(Self {
            attention,
            tables: sizes.windows.map(|windows| WindowTables::new(windows, &device)).transpose()?,
            norm1: weights.norm1,
            norm2: weights.norm2,
            fc1: weights.fc1,
            fc2: weights.fc2,
            epsilon: sizes.epsilon,
            execution,
        })
    }

    fn norm(&self, x: &Tensor, (weight, bias): &(Tensor, Tensor)) -> Result<Tensor> {
        self.execution.layer_norm_with(x, weight, bias, self.epsilon)
    }

    fn linear(&self, x: &Tensor, (weight, bias): &(Tensor, Tensor)) -> Result<Tensor> {
        self.execution.linear(x, weight, Some(bias))
    }
}

impl Block for PlainBlock {
    /// x + attention(LN(x)).
    fn attend(&self, x: &Tensor, prompts: Option<&Prompts>) -> crate::Result<Tensor> {
        let (images, count, _) = x.dims3()?;
        let prompts = match prompts {
            Some(prompts) => prompts.joined(images)?.map(|tokens| (tokens, prompts.bias)),
            None => None,
        };
        let prompts = match &prompts {
            Some((tokens, bias)) => Some((self.norm(tokens, &self.norm1)?, *bias)),
            None => None,
        };
        let normal = self.norm(x, &self.norm1)?;
        let prompts = prompts.as_ref().map(|(tokens, bias)| (tokens, *bias));
        let attended = match &self.tables {
            Some(tables) => self.attention.forward(tables, &normal, prompts)?,
            None => {
                let tables = WindowTables::new(Windows::whole(count), x.device())?;
                self.attention.forward(&tables, &normal, prompts)?
            }
        };
        Ok((x + attended)?)
    }

    /// x + feed-forward(LN(x)).
    fn feed(&self, x: &Tensor) -> crate::Result<Tensor> {
        let hidden = self.execution.gelu(&self.linear(&self.norm(x, &self.norm2)?, &self.fc1)?)?;
        Ok((x + self.linear(&hidden, &self.fc2)?)?)
    }
}
