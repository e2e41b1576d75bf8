//! The arithmetic of a frozen pre-norm block's halves, forward and backward.
//!
//! Kept for the backward pass of the whole, in numbers a token: queries, keys and values (3 C), what enters the second norm
//! (C), and the slopes of the non-linearity in 16 bits (as much as 2 C numbers where the hidden width is 4 C). The tokens
//! themselves are in the graph already; norms and probabilities are worked out again, which costs little beside the
//! products.

use std::borrow::Cow;

use candle_core::Result;

use super::weights::{BlockSizes, BlockWeights};
use crate::encoders::frozen::{FrozenBlock, FrozenPart, InputGradients, Inputs};
use crate::kernels::attention::windows::Windows;
use crate::kernels::attention::{Attention, PromptKeys, Wanted};
use crate::kernels::dense::DenseLayer;
use crate::kernels::{NormLayer, gelu_in_place_packed, multiply_by_packed, norm_rows, norm_rows_backward};

/// A block with weights that stay as they are.
pub(super) fn block(
    weights: &BlockWeights,
    sizes: &BlockSizes,
    recomputes: bool,
) -> Result<FrozenBlock<FrozenAttention, FrozenFeed>> {
    let dense = |(weight, bias): &(_, _)| DenseLayer::new(weight, Some(bias));
    let norm = |(weight, bias): &(_, _)| NormLayer::new(weight, bias, sizes.epsilon);
    let width = weights.proj.0.dim(0)?;
    let attention = FrozenAttention {
        norm: norm(&weights.norm1)?,
        attention: Attention {
            heads: sizes.heads,
            width,
            cosine: false,
            windows: sizes.windows.clone().unwrap_or_else(|| Windows::whole(0)),
            scale: vec![1.0 / ((width / sizes.heads) as f32).sqrt(); sizes.heads],
            bias: match &sizes.bias {
                Some(bias) => bias.flatten_all()?.to_vec1()?,
                None => Vec::new(),
            },
            // Packed query, key and value of a padded position: their biases, for its tokens are zeros.
            padding: weights.qkv.1.to_vec1()?,
        },
        whole: sizes.windows.is_none(),
        qkv: dense(&weights.qkv)?,
        proj: dense(&weights.proj)?,
    };
    let feed = FrozenFeed { norm: norm(&weights.norm2)?, fc1: dense(&weights.fc1)?, fc2: dense(&weights.fc2)? };
    Ok(FrozenBlock::new(attention, feed, recomputes))
}

/// x + attention(LN(x)).
pub(super) struct FrozenAttention {
    norm: NormLayer,
    attention: Attention,
    /// All tokens see all, whatever their number.
    whole: bool,
    qkv: DenseLayer,
    proj: DenseLayer,
}

/// What the backward pass of the attention needs beside the tokens.
pub(super) struct Attended {
    /// [N L, 3C]
    qkv: Vec<f32>,
    /// [S, 2C] and [N O, 2C]
    shared: Vec<f32>,
    own: Vec<f32>,
    /// Logarithms of the attention's sums.
    sums: Vec<f32>,
}

impl FrozenAttention {
    /// The attention over `count` tokens an image.
    fn attention(&self, count: usize) -> Cow<'_, Attention> {
        if self.whole {
            Cow::Owned(Attention { windows: Windows::whole(count), ..self.attention.clone() })
        } else {
            Cow::Borrowed(&self.attention)
        }
    }
}

impl FrozenPart for FrozenAttention {
    const NAME: &'static str = "frozen-pre-norm-attention";

    const READS_TOKENS: bool = true;

    type Activations = Attended;

    fn width(&self) -> usize {
        self.attention.width
    }

    fn tokens(&self) -> Option<usize> {
        (!self.whole).then_some(self.attention.windows.tokens)
    }

    fn forward(&self, inputs: Inputs<'_>, _keep: bool) -> (Vec<f32>, Attended) {
        let Inputs { tokens: x, shared, own, count, bias } = inputs;
        let width = self.attention.width;
        let keys = self.qkv.rows(width, 2 * width);
        let normal = |x: &[f32]| norm_rows(self.norm.view(), x, None);
        let qkv = self.qkv.view().forward(&normal(x));
        let (shared, own) = (keys.forward(&normal(shared)), keys.forward(&normal(own)));
        let prompts = PromptKeys { shared: &shared, own: &own, bias };
        let (heads, sums) = self.attention(count).forward(&qkv, prompts);
        let y = self.proj.view().forward_onto(&heads, x);
        (y, Attended { qkv, shared, own, sums })
    }

    fn backward(&self, inputs: Inputs<'_>, kept: Attended, dy: Cow<'_, [f32]>, wants_tokens: bool) -> InputGradients {
        let Attended { qkv, shared, own, sums } = kept;
        let width = self.attention.width;
        let dheads = self.proj.view().backward(&dy);
        let prompts = PromptKeys { shared: &shared, own: &own, bias: inputs.bias };
        let wanted = Wanted { qkv: wants_tokens, bias_and_scale: false };
        let gradients = self.attention(inputs.count).backward(&qkv, prompts, &sums, &dheads, wanted);
        drop((qkv, dheads));
        let through_norm = |x: &[f32], dnormal: &[f32], residual: Option<&[f32]>| {
            norm_rows_backward(self.norm.view(), x, dnormal, residual)
        };
        let keys = self.qkv.rows(width, 2 * width);
        let to_prompts = |prompts: &[f32], dkeys: &[f32]| through_norm(prompts, &keys.backward(dkeys), None);
        let (shared, own) = (to_prompts(inputs.shared, &gradients.shared), to_prompts(inputs.own, &gradients.own));
        let tokens = match wants_tokens {
            true => through_norm(inputs.tokens, &self.qkv.view().backward(&gradients.qkv), Some(&dy)),
            false => Vec::new(),
        };
        InputGradients { tokens, shared, own }
    }
}

/// x + feed-forward(LN(x)).
pub(super) struct FrozenFeed {
    norm: NormLayer,
    fc1: DenseLayer,
    fc2: DenseLayer,
}

impl FrozenPart for FrozenFeed {
    const NAME: &'static str = "frozen-pre-norm-feed-forward";

    const READS_TOKENS: bool = true;

    /// [N L, hidden] slopes of the non-linearity.
    type Activations = Vec<u16>;

    fn width(&self) -> usize {
        self.fc1.view().inputs
    }

    fn tokens(&self) -> Option<usize> {
        None
    }

    fn forward(&self, inputs: Inputs<'_>, keep: bool) -> (Vec<f32>, Vec<u16>) {
        let (x, fc1) = (inputs.tokens, self.fc1.view());
        let normal = norm_rows(self.norm.view(), x, None);
        let (hidden, slopes) = fc1.forward_then(&normal, keep, gelu_in_place_packed);
        drop(normal);
        (self.fc2.view().forward_onto(&hidden, x), slopes)
    }

    fn backward(
        &self,
        inputs: Inputs<'_>,
        slopes: Vec<u16>,
        dy: Cow<'_, [f32]>,
        _wants_tokens: bool,
    ) -> InputGradients {
        let dhidden = self.fc2.view().backward_then(&dy, |first, d| multiply_by_packed(d, &slopes[first..]));
        drop(slopes);
        let dnormal = self.fc1.view().backward(&dhidden);
        drop(dhidden);
        InputGradients::of_tokens(norm_rows_backward(self.norm.view(), inputs.tokens, &dnormal, Some(&dy)))
    }
}
