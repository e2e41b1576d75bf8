//! A block's attention from differentiable operations: for training an encoder, for devices without frozen blocks, and as
//! the oracle of those.

use candle_core::{Result, Tensor};

use crate::kernels::Execution;
use crate::kernels::attention::PromptBias;
use crate::kernels::attention::plain::{Terms, WindowTables, attend};

/// An attention layer: what makes queries, keys and values, and what follows their attention.
pub(super) struct AttentionLayer {
    /// Weight [3C, C] and bias `[3C]` of queries, keys and values.
    pub(super) qkv: (Tensor, Tensor),
    /// Weight [C, C] and bias `[C]` of the layer behind.
    pub(super) proj: (Tensor, Tensor),
    /// `[H]` factor of the logits.
    pub(super) scale: Tensor,
    /// [H, W, W] position bias, where there is one.
    pub(super) bias: Option<Tensor>,
    /// Queries and keys are normalised.
    pub(super) cosine: bool,
    pub(super) execution: Execution,
}

impl AttentionLayer {
    /// Tokens [N, L, C] attend to those of their window and to prompts [N, P, C] -> [N, L, C].
    pub(super) fn forward(
        &self,
        tables: &WindowTables,
        x: &Tensor,
        prompts: Option<(&Tensor, PromptBias)>,
    ) -> Result<Tensor> {
        let layer = |x: &Tensor, (weight, bias): &(Tensor, Tensor)| self.execution.linear(x, weight, Some(bias));
        if prompts.is_none()
            && !tables.windows().has_padding()
            && let Some(attend) = self.execution.window_attention()
        {
            let none = Tensor::zeros(0, x.dtype(), x.device())?;
            let bias = self.bias.as_ref().unwrap_or(&none);
            let heads = attend(tables.windows(), &layer(x, &self.qkv)?, bias, &self.scale, self.cosine)?;
            return layer(&heads, &self.proj);
        }
        let width = self.proj.0.dim(0)?;
        let keys = match prompts {
            Some((prompts, bias)) => {
                let part = |of: &Tensor| of.narrow(0, width, 2 * width);
                Some((layer(prompts, &(part(&self.qkv.0)?, part(&self.qkv.1)?))?, bias))
            }
            None => None,
        };
        let terms = Terms {
            heads: self.scale.dim(0)?,
            cosine: self.cosine,
            scale: &self.scale,
            bias: self.bias.as_ref(),
            prompts: keys.as_ref().map(|(keys, bias)| (keys, *bias)),
        };
        // Padding enters before the linear layer, as in timm: its queries, keys and values are their biases.
        let qkv = layer(&tables.split(x)?, &self.qkv)?;
        let heads = attend(tables, &qkv, &terms, |logits| self.execution.softmax(logits))?;
        tables.join(&layer(&heads, &self.proj)?)
    }
}
