//! A frozen block as one operation of the graph: forward keeps what backward needs, and no weight has a gradient.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, CustomOp3, Layout, Result, Shape, Tensor};

use super::super::Prompts;
use super::layer::LayerWeights;
use crate::config::PromptBias;
use crate::kernels::attention::{Attention, PromptKeys, Wanted};
use crate::kernels::dense::DenseLayer;
use crate::kernels::matrix::Write;
use crate::kernels::{
    Kept, NormLayer, floats, gelu_in_place, multiply_in_place, norm_rows, norm_rows_backward, with_floats,
};

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
struct Activations {
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

/// Gradients of tokens (if asked for) and of the prompts.
struct InputGradients {
    tokens: Option<Vec<f32>>,
    shared: Vec<f32>,
    own: Vec<f32>,
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
            norm1: NormLayer::new(&weights.norm1.0, &weights.norm1.1)?,
            fc1: DenseLayer::new(&weights.fc1, Some(&weights.fc1_bias))?,
            fc2: DenseLayer::new(&weights.fc2, Some(&weights.fc2_bias))?,
            norm2: NormLayer::new(&weights.norm2.0, &weights.norm2.1)?,
            recomputes,
        })
    }

    /// Tokens [N, L, C] -> [N, L, C], with prompts or without.
    pub(super) fn apply(self: &Arc<Self>, tokens: &Tensor, prompts: Option<&Prompts>) -> Result<Tensor> {
        let tokens = tokens.contiguous()?;
        let (images, count, width) = tokens.dims3()?;
        if count != self.attention.windows.tokens || width != self.attention.width {
            candle_core::bail!(
                "a block of {} tokens of width {} was given {count} of width {width}",
                self.attention.windows.tokens,
                self.attention.width
            );
        }
        let op = |tracked: bool, bias| BlockOp {
            layer: self.clone(),
            bias,
            keep: !self.recomputes && (tracked || tokens.track_op()),
            wants_tokens: tokens.track_op(),
            kept: Kept::empty(),
        };
        match prompts {
            None => tokens.apply_op1(op(false, PromptBias::Zero)),
            Some(prompts) => {
                let empty = |shape: &[usize]| Tensor::zeros(shape, tokens.dtype(), tokens.device());
                let shared = match &prompts.shared {
                    Some(shared) => shared.contiguous()?,
                    None => empty(&[0, width])?,
                };
                let own = match &prompts.own {
                    Some(own) => own.contiguous()?,
                    None => empty(&[images, 0, width])?,
                };
                if shared.dims2()?.1 != width || (own.dim(0)?, own.dim(2)?) != (images, width) {
                    candle_core::bail!(
                        "prompts {:?} and {:?} do not fit tokens {:?}",
                        shared.dims(),
                        own.dims(),
                        tokens.dims()
                    );
                }
                tokens.apply_op3(&shared, &own, op(prompts.tracked(), prompts.bias))
            }
        }
    }

    /// Forward pass on numbers; the activations are whole only if `keep` is set.
    fn forward(&self, x: &[f32], shared: &[f32], own: &[f32], bias: PromptBias, keep: bool) -> (Vec<f32>, Activations) {
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

    /// Backward pass on numbers, from the gradient of the output.
    fn backward(&self, kept: Activations, bias: PromptBias, dy: &[f32], wants_tokens: bool) -> InputGradients {
        let Activations { qkv, shared, own, sums, attended, fed, slopes } = kept;
        let width = self.attention.width;
        let keys = self.qkv.rows(width, 2 * width);
        let dfed = norm_rows_backward(self.norm2.view().weight, &fed, dy);
        drop(fed);
        let mut dhidden = vec![0.0; slopes.len()];
        self.fc2.view().backward(&dfed, &mut dhidden, Write::Replace);
        multiply_in_place(&mut dhidden, &slopes);
        drop((dfed, slopes));
        let mut dx = dy.to_vec();
        self.fc1.view().backward(&dhidden, &mut dx, Write::Add);
        drop(dhidden);
        let dattended = norm_rows_backward(self.norm1.view().weight, &attended, &dx);
        drop(attended);
        let mut dheads = vec![0.0; dx.len()];
        self.proj.view().backward(&dattended, &mut dheads, Write::Replace);
        drop(dattended);
        let prompts = PromptKeys { shared: &shared, own: &own, bias };
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

/// One pass of a frozen block over a batch.
struct BlockOp {
    layer: Arc<FrozenLayer>,
    bias: PromptBias,
    /// A backward pass may follow, and is to find the activations.
    keep: bool,
    /// The tokens take part in the graph, not only the prompts.
    wants_tokens: bool,
    kept: Kept<Activations>,
}

impl BlockOp {
    fn forward(&self, x: &[f32], shared: &[f32], own: &[f32], shape: &Shape) -> (CpuStorage, Shape) {
        let (y, activations) = self.layer.forward(x, shared, own, self.bias, self.keep);
        if self.keep {
            self.kept.put(activations);
        }
        (CpuStorage::F32(y), shape.clone())
    }

    /// The backward pass; `inputs` are those of the forward pass, which is run again if it kept nothing.
    fn backward(&self, inputs: (&Tensor, Option<(&Tensor, &Tensor)>), dy: &Tensor) -> Result<InputGradients> {
        let again = |x: &[f32], shared: &[f32], own: &[f32]| self.layer.forward(x, shared, own, self.bias, true).1;
        let kept = match (self.kept.try_take(), inputs) {
            (Some(kept), _) => kept,
            (None, (x, None)) => with_floats(x, |x| Ok(again(x, &[], &[])))?,
            (None, (x, Some((shared, own)))) => {
                with_floats(x, |x| with_floats(shared, |shared| with_floats(own, |own| Ok(again(x, shared, own)))))?
            }
        };
        with_floats(dy, |dy| Ok(self.layer.backward(kept, self.bias, dy, self.wants_tokens)))
    }
}

impl CustomOp1 for BlockOp {
    fn name(&self) -> &'static str {
        "frozen-swin-block"
    }

    fn cpu_fwd(&self, tokens: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok(self.forward(floats(tokens, layout)?, &[], &[], layout.shape()))
    }

    fn bwd(&self, tokens: &Tensor, _res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let found = self.backward((tokens, None), grad)?;
        found.tokens.map(|d| Tensor::from_vec(d, tokens.shape(), tokens.device())).transpose()
    }
}

impl CustomOp3 for BlockOp {
    fn name(&self) -> &'static str {
        "frozen-swin-block-with-prompts"
    }

    fn cpu_fwd(
        &self,
        tokens: &CpuStorage,
        layout: &Layout,
        shared: &CpuStorage,
        shared_layout: &Layout,
        own: &CpuStorage,
        own_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (shared, own) = (floats(shared, shared_layout)?, floats(own, own_layout)?);
        Ok(self.forward(floats(tokens, layout)?, shared, own, layout.shape()))
    }

    fn bwd(
        &self,
        tokens: &Tensor,
        shared: &Tensor,
        own: &Tensor,
        _res: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let found = self.backward((tokens, Some((shared, own))), grad)?;
        let like = |d: Vec<f32>, of: &Tensor| Tensor::from_vec(d, of.shape(), of.device());
        let prompt = |d: Vec<f32>, of: &Tensor| if of.track_op() { like(d, of).map(Some) } else { Ok(None) };
        let tokens = found.tokens.map(|d| like(d, tokens)).transpose()?;
        Ok((tokens, prompt(found.shared, shared)?, prompt(found.own, own)?))
    }
}
