//! The arithmetic of a frozen block, forward and backward.

use candle_core::Result;

use super::super::frozen::{FrozenBlock, InputGradients, Inputs};
use super::layer::LayerWeights;
use crate::kernels::attention::{Attention, PromptKeys, Wanted};
use crate::kernels::dense::DenseLayer;
use crate::kernels::matrix::Write;
use crate::kernels::{EPSILON, NormLayer, gelu_in_place, multiply_in_place, norm_rows, norm_rows_backward};

/// A block with weights that stay as they are.
pub(super) struct FrozenLayer {
    attention: Attention,
    qkv: DenseLayer,
    proj: DenseLayer,
    norm1: NormLayer,
    fc1: DenseLayer,
    fc2: DenseLayer,
    norm2: NormLayer,
    /// Forget activations, compute them again in the backward pass.
    recomputes: bool,
}

/// What the backward pass needs.
pub(super) struct Activations {
    /// [N L, 3C]
    qkv: Vec<f32>,
    /// [S, 2C] and [N O, 2C]
    shared: Vec<f32>,
    own: Vec<f32>,
    /// Logarithms of the attention's sums.
    sums: Vec<f32>,
    /// [N L, C] before the first norm, and before the second.
    attended: Vec<f32>,
    fed: Vec<f32>,
    /// [N L, hidden] slopes of the non-linearity.
    slopes: Vec<f32>,
}

impl FrozenLayer {
    pub(super) fn new(weights: &LayerWeights, recomputes: bool) -> Result<Self> {
        let qkv = DenseLayer::new(&weights.qkv, Some(&weights.qkv_bias))?;
        Ok(Self {
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
            norm1: NormLayer::new(&weights.norm1.0, &weights.norm1.1, EPSILON)?,
            fc1: DenseLayer::new(&weights.fc1, Some(&weights.fc1_bias))?,
            fc2: DenseLayer::new(&weights.fc2, Some(&weights.fc2_bias))?,
            norm2: NormLayer::new(&weights.norm2.0, &weights.norm2.1, EPSILON)?,
            recomputes,
        })
    }
}

impl FrozenBlock for FrozenLayer {
    const NAME: &'static str = "frozen-swin-block";

    type Activations = Activations;

    fn width(&self) -> usize {
        self.attention.width
    }

    fn tokens(&self) -> Option<usize> {
        Some(self.attention.windows.tokens)
    }

    fn recomputes(&self) -> bool {
        self.recomputes
    }

    fn forward(&self, inputs: Inputs<'_>, keep: bool) -> (Vec<f32>, Activations) {
        let Inputs { tokens: x, shared, own, bias, .. } = inputs;
        let width = self.attention.width;
        let keys = self.qkv.rows(width, 2 * width);
        let qkv = self.qkv.view().forward(x);
        let (shared, own) = (keys.forward(shared), keys.forward(own));
        let (heads, sums) = self.attention.forward(&qkv, PromptKeys { shared: &shared, own: &own, bias });
        let attended = self.proj.view().forward(&heads);
        drop(heads);
        let middle = norm_rows(self.norm1.view(), &attended, Some(x));
        let fc1 = self.fc1.view();
        let mut slopes = vec![0.0; if keep { x.len() / fc1.inputs * fc1.outputs } else { 0 }];
        let hidden = fc1.forward_then(&middle, keep.then_some(&mut slopes[..]), gelu_in_place);
        let fed = self.fc2.view().forward(&hidden);
        let y = norm_rows(self.norm2.view(), &fed, Some(&middle));
        (y, Activations { qkv, shared, own, sums, attended, fed, slopes })
    }

    fn backward(&self, inputs: Inputs<'_>, kept: Activations, dy: &[f32], wants_tokens: bool) -> InputGradients {
        let Activations { qkv, shared, own, sums, attended, fed, slopes } = kept;
        let width = self.attention.width;
        let keys = self.qkv.rows(width, 2 * width);
        let dfed = norm_rows_backward(self.norm2.view(), &fed, dy, None);
        drop(fed);
        let mut dhidden = vec![0.0; slopes.len()];
        self.fc2.view().backward(&dfed, &mut dhidden, Write::Replace);
        multiply_in_place(&mut dhidden, &slopes);
        drop((dfed, slopes));
        let mut dx = dy.to_vec();
        self.fc1.view().backward(&dhidden, &mut dx, Write::Add);
        drop(dhidden);
        let dattended = norm_rows_backward(self.norm1.view(), &attended, &dx, None);
        drop(attended);
        let mut dheads = vec![0.0; dx.len()];
        self.proj.view().backward(&dattended, &mut dheads, Write::Replace);
        drop(dattended);
        let prompts = PromptKeys { shared: &shared, own: &own, bias: inputs.bias };
        let wanted = Wanted { qkv: wants_tokens, bias_and_scale: false };
        let gradients = self.attention.backward(&qkv, prompts, &sums, &dheads, wanted);
        let to_prompts = |dkeys: &[f32]| {
            let mut d = vec![0.0; dkeys.len() / 2];
            keys.backward(dkeys, &mut d, Write::Replace);
            d
        };
        let (shared, own) = (to_prompts(&gradients.shared), to_prompts(&gradients.own));
        let tokens = wants_tokens.then(|| {
            self.qkv.view().backward(&gradients.qkv, &mut dx, Write::Add);
            dx
        });
        InputGradients { tokens, shared, own }
    }
}
