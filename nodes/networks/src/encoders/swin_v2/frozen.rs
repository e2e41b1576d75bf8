//! The arithmetic of a frozen block's halves, forward and backward.

use std::borrow::Cow;

use candle_core::Result;

use super::layer::LayerWeights;
use crate::encoders::frozen::{FrozenBlock, FrozenPart, InputGradients, Inputs};
use crate::kernels::attention::{Attention, PromptKeys, Wanted};
use crate::kernels::dense::DenseLayer;
use crate::kernels::{EPSILON, NormLayer, gelu_in_place, multiply_in_place, norm_rows, norm_rows_backward};

/// A block with weights that stay as they are.
pub(super) fn block(weights: &LayerWeights, recomputes: bool) -> Result<FrozenBlock<FrozenAttention, FrozenFeed>> {
    let qkv = DenseLayer::new(&weights.qkv, Some(&weights.qkv_bias))?;
    let attention = FrozenAttention {
        attention: Attention {
            heads: weights.scale.dim(0)?,
            width: weights.proj.dim(0)?,
            cosine: true,
            windows: weights.windows(),
            scale: weights.scale.to_vec1()?,
            bias: weights.bias.flatten_all()?.to_vec1()?,
            padding: qkv.bias().to_vec(),
        },
        qkv,
        proj: DenseLayer::new(&weights.proj, Some(&weights.proj_bias))?,
        norm: NormLayer::new(&weights.norm1.0, &weights.norm1.1, EPSILON)?,
    };
    let feed = FrozenFeed {
        fc1: DenseLayer::new(&weights.fc1, Some(&weights.fc1_bias))?,
        fc2: DenseLayer::new(&weights.fc2, Some(&weights.fc2_bias))?,
        norm: NormLayer::new(&weights.norm2.0, &weights.norm2.1, EPSILON)?,
    };
    Ok(FrozenBlock::new(attention, feed, recomputes))
}

/// x + LN(attention(x)).
pub(super) struct FrozenAttention {
    attention: Attention,
    qkv: DenseLayer,
    proj: DenseLayer,
    norm: NormLayer,
}

/// What the backward pass of the attention needs.
pub(super) struct Attended {
    /// [N L, 3C]
    qkv: Vec<f32>,
    /// [S, 2C] and [N O, 2C]
    shared: Vec<f32>,
    own: Vec<f32>,
    /// Logarithms of the attention's sums.
    sums: Vec<f32>,
    /// [N L, C] before the norm.
    attended: Vec<f32>,
}

impl FrozenPart for FrozenAttention {
    const NAME: &'static str = "frozen-swin-attention";

    const READS_TOKENS: bool = false;

    type Activations = Attended;

    fn width(&self) -> usize {
        self.attention.width
    }

    fn tokens(&self) -> Option<usize> {
        Some(self.attention.windows.tokens)
    }

    fn forward(&self, inputs: Inputs<'_>, _keep: bool) -> (Vec<f32>, Attended) {
        let Inputs { tokens: x, shared, own, bias, .. } = inputs;
        let width = self.attention.width;
        let keys = self.qkv.rows(width, 2 * width);
        let qkv = self.qkv.view().forward(x);
        let (shared, own) = (keys.forward(shared), keys.forward(own));
        let (heads, sums) = self.attention.forward(&qkv, PromptKeys { shared: &shared, own: &own, bias });
        let attended = self.proj.view().forward(&heads);
        drop(heads);
        let y = norm_rows(self.norm.view(), &attended, Some(x));
        (y, Attended { qkv, shared, own, sums, attended })
    }

    fn backward(&self, inputs: Inputs<'_>, kept: Attended, dy: Cow<'_, [f32]>, wants_tokens: bool) -> InputGradients {
        let Attended { qkv, shared, own, sums, attended } = kept;
        let width = self.attention.width;
        let keys = self.qkv.rows(width, 2 * width);
        let dattended = norm_rows_backward(self.norm.view(), &attended, &dy, None);
        drop(attended);
        let dheads = self.proj.view().backward(&dattended);
        drop(dattended);
        let prompts = PromptKeys { shared: &shared, own: &own, bias: inputs.bias };
        let wanted = Wanted { qkv: wants_tokens, bias_and_scale: false };
        let gradients = self.attention.backward(&qkv, prompts, &sums, &dheads, wanted);
        let (shared, own) = (keys.backward(&gradients.shared), keys.backward(&gradients.own));
        let tokens = match wants_tokens {
            true => {
                let mut dx = dy.into_owned();
                self.qkv.view().backward_onto(&gradients.qkv, &mut dx);
                dx
            }
            false => Vec::new(),
        };
        InputGradients { tokens, shared, own }
    }
}

/// x + LN(feed-forward(x)).
pub(super) struct FrozenFeed {
    fc1: DenseLayer,
    fc2: DenseLayer,
    norm: NormLayer,
}

/// What the backward pass of the feed-forward layers needs.
pub(super) struct Fed {
    /// [N L, C] before the norm.
    fed: Vec<f32>,
    /// [N L, hidden] slopes of the non-linearity.
    slopes: Vec<f32>,
}

impl FrozenPart for FrozenFeed {
    const NAME: &'static str = "frozen-swin-feed-forward";

    const READS_TOKENS: bool = false;

    type Activations = Fed;

    fn width(&self) -> usize {
        self.fc1.view().inputs
    }

    fn tokens(&self) -> Option<usize> {
        None
    }

    fn forward(&self, inputs: Inputs<'_>, keep: bool) -> (Vec<f32>, Fed) {
        let (x, fc1) = (inputs.tokens, self.fc1.view());
        let (hidden, slopes) = fc1.forward_then(x, keep, gelu_in_place);
        let fed = self.fc2.view().forward(&hidden);
        drop(hidden);
        let y = norm_rows(self.norm.view(), &fed, Some(x));
        (y, Fed { fed, slopes })
    }

    fn backward(&self, _: Inputs<'_>, kept: Fed, dy: Cow<'_, [f32]>, _wants_tokens: bool) -> InputGradients {
        let Fed { fed, slopes } = kept;
        let dfed = norm_rows_backward(self.norm.view(), &fed, &dy, None);
        drop(fed);
        let dhidden = self.fc2.view().backward_then(&dfed, |first, d| multiply_in_place(d, &slopes[first..]));
        drop((dfed, slopes));
        let mut dx = dy.into_owned();
        self.fc1.view().backward_onto(&dhidden, &mut dx);
        InputGradients::of_tokens(dx)
    }
}
