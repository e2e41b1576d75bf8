//! A frozen pre-norm block as one operation of the graph: forward keeps what backward needs, and no weight has a
//! gradient.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, CustomOp3, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::super::Prompts;
use super::layer::LayerWeights;
use crate::config::PromptBias;
use crate::kernels::attention::{Attention, PromptKeys, Wanted};
use crate::kernels::dense::DenseLayer;
use crate::kernels::matrix::Write;
use crate::kernels::{
    Kept, NormLayer, floats, gelu_in_place, multiply_in_place, norm_rows, norm_rows_backward, with_floats,
};

/// Numbers of one task of an addition.
const TASK: usize = 16 * 1024;

/// A block with weights that stay as they are.
pub(super) struct FrozenLayer {
    norm1: NormLayer,
    attention: Attention,
    qkv: DenseLayer,
    proj: DenseLayer,
    norm2: NormLayer,
    fc1: DenseLayer,
    fc2: DenseLayer,
    /// Forget activations, compute them again in the backward pass.
    recomputes: bool,
}

/// Numbers that enter a block: tokens [N L, C], prompts [S, C] and [N O, C].
#[derive(Clone, Copy)]
struct Inputs<'a> {
    tokens: &'a [f32],
    shared: &'a [f32],
    own: &'a [f32],
}

/// What the backward pass needs beside the inputs.
struct Activations {
    /// [N L, 3C]
    qkv: Vec<f32>,
    /// [S, 2C] and [N O, 2C]
    shared: Vec<f32>,
    own: Vec<f32>,
    /// Logarithms of the attention's sums.
    sums: Vec<f32>,
    /// [N L, C] before the second norm.
    middle: Vec<f32>,
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
        let dense = |(weight, bias): &(Tensor, Tensor)| DenseLayer::new(weight, Some(bias));
        let norm = |(weight, bias): &(Tensor, Tensor)| NormLayer::new(weight, bias);
        Ok(Self {
            attention: Attention {
                heads: weights.scale.dim(0)?,
                width: weights.proj.0.dim(0)?,
                cosine: false,
                windows: weights.windows.clone(),
                scale: weights.scale.to_vec1()?,
                bias: weights.bias.flatten_all()?.to_vec1()?,
                // Maps are cut in whole windows: nothing is padded.
                padding: Vec::new(),
            },
            norm1: norm(&weights.norm1)?,
            qkv: dense(&weights.qkv)?,
            proj: dense(&weights.proj)?,
            norm2: norm(&weights.norm2)?,
            fc1: dense(&weights.fc1)?,
            fc2: dense(&weights.fc2)?,
            recomputes,
        })
    }

    /// Tokens [N, L, C] -> [N, L, C], with prompts or without.
    pub(super) fn apply(self: &Arc<Self>, tokens: &Tensor, prompts: Option<&Prompts>) -> Result<Tensor> {
        let tokens = tokens.contiguous()?;
        let (images, count, width) = tokens.dims3()?;
        let (expected, expected_width) = (self.attention.windows.tokens, self.attention.width);
        if (count, width) != (expected, expected_width) {
            candle_core::bail!(
                "a block of {expected} tokens of width {expected_width} was given {count} of width {width}"
            );
        }
        let op = |tracked: bool, bias| BlockOp {
            layer: self.clone(),
            bias,
            keep: !self.recomputes && (tracked || tokens.track_op()),
            wants_tokens: tokens.track_op(),
            kept: Kept::empty(),
        };
        let Some(prompts) = prompts else { return tokens.apply_op1(op(false, PromptBias::Zero)) };
        let or_empty = |prompts: &Option<Tensor>, shape: &[usize]| match prompts {
            Some(prompts) => prompts.contiguous(),
            None => Tensor::zeros(shape, tokens.dtype(), tokens.device()),
        };
        let shared = or_empty(&prompts.shared, &[0, width])?;
        let own = or_empty(&prompts.own, &[images, 0, width])?;
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

    /// Forward pass on numbers; the activations are whole only if `keep` is set.
    fn forward(&self, inputs: Inputs<'_>, bias: PromptBias, keep: bool) -> (Vec<f32>, Activations) {
        let Inputs { tokens: x, shared, own } = inputs;
        let width = self.attention.width;
        let keys = self.qkv.rows(width, 2 * width);
        let normal = |x: &[f32]| norm_rows(self.norm1.view(), x, None);
        let qkv = self.qkv.view().forward(&normal(x));
        let (shared, own) = (keys.forward(&normal(shared)), keys.forward(&normal(own)));
        let (heads, sums) = self.attention.forward(&qkv, PromptKeys { shared: &shared, own: &own, bias });
        let mut middle = self.proj.view().forward(&heads);
        drop(heads);
        add_in_place(&mut middle, x);
        let fc1 = self.fc1.view();
        let mut slopes = vec![0.0; if keep { x.len() / fc1.inputs * fc1.outputs } else { 0 }];
        let rest = norm_rows(self.norm2.view(), &middle, None);
        let hidden = fc1.forward_then(&rest, keep.then_some(&mut slopes[..]), gelu_in_place);
        drop(rest);
        let mut y = self.fc2.view().forward(&hidden);
        add_in_place(&mut y, &middle);
        (y, Activations { qkv, shared, own, sums, middle, slopes })
    }

    /// Backward pass on numbers, from the gradient of the output.
    fn backward(
        &self,
        inputs: Inputs<'_>,
        kept: Activations,
        bias: PromptBias,
        dy: &[f32],
        wants_tokens: bool,
    ) -> InputGradients {
        let Activations { qkv, shared, own, sums, middle, slopes } = kept;
        let width = self.attention.width;
        let mut dhidden = vec![0.0; slopes.len()];
        self.fc2.view().backward(dy, &mut dhidden, Write::Replace);
        multiply_in_place(&mut dhidden, &slopes);
        drop(slopes);
        let mut drest = vec![0.0; dy.len()];
        self.fc1.view().backward(&dhidden, &mut drest, Write::Replace);
        drop(dhidden);
        let mut dmiddle = norm_rows_backward(self.norm2.view().weight, &middle, &drest);
        drop((middle, drest));
        add_in_place(&mut dmiddle, dy);
        let mut dheads = vec![0.0; dy.len()];
        self.proj.view().backward(&dmiddle, &mut dheads, Write::Replace);
        let prompts = PromptKeys { shared: &shared, own: &own, bias };
        let wanted = Wanted { qkv: wants_tokens, bias_and_scale: false };
        let gradients = self.attention.backward(&qkv, prompts, &sums, &dheads, wanted);
        drop((qkv, dheads));
        let through_norm = |x: &[f32], dnormal: &[f32]| norm_rows_backward(self.norm1.view().weight, x, dnormal);
        let keys = self.qkv.rows(width, 2 * width);
        let to_prompts = |prompts: &[f32], dkeys: &[f32]| {
            let mut dnormal = vec![0.0; prompts.len()];
            keys.backward(dkeys, &mut dnormal, Write::Replace);
            through_norm(prompts, &dnormal)
        };
        let tokens = wants_tokens.then(|| {
            let mut dnormal = vec![0.0; dy.len()];
            self.qkv.view().backward(&gradients.qkv, &mut dnormal, Write::Replace);
            let mut dx = through_norm(inputs.tokens, &dnormal);
            add_in_place(&mut dx, &dmiddle);
            dx
        });
        InputGradients {
            tokens,
            shared: to_prompts(inputs.shared, &gradients.shared),
            own: to_prompts(inputs.own, &gradients.own),
        }
    }
}

/// a += b, in parallel.
fn add_in_place(a: &mut [f32], b: &[f32]) {
    a.par_chunks_mut(TASK).zip(b.par_chunks(TASK)).for_each(|(a, b)| {
        for (a, b) in a.iter_mut().zip(b) {
            *a += b;
        }
    });
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
    fn forward(&self, inputs: Inputs<'_>, shape: &Shape) -> (CpuStorage, Shape) {
        let (y, activations) = self.layer.forward(inputs, self.bias, self.keep);
        if self.keep {
            self.kept.put(activations);
        }
        (CpuStorage::F32(y), shape.clone())
    }

    /// The backward pass; `inputs` are those of the forward pass, which is run again if it kept nothing.
    fn backward(&self, inputs: Inputs<'_>, dy: &Tensor) -> Result<InputGradients> {
        let kept = match self.kept.try_take() {
            Some(kept) => kept,
            None => self.layer.forward(inputs, self.bias, true).1,
        };
        with_floats(dy, |dy| Ok(self.layer.backward(inputs, kept, self.bias, dy, self.wants_tokens)))
    }
}

impl CustomOp1 for BlockOp {
    fn name(&self) -> &'static str {
        "frozen-pre-norm-swin-block"
    }

    fn cpu_fwd(&self, tokens: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let inputs = Inputs { tokens: floats(tokens, layout)?, shared: &[], own: &[] };
        Ok(self.forward(inputs, layout.shape()))
    }

    fn bwd(&self, tokens: &Tensor, _res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let found = with_floats(tokens, |x| self.backward(Inputs { tokens: x, shared: &[], own: &[] }, grad))?;
        found.tokens.map(|d| Tensor::from_vec(d, tokens.shape(), tokens.device())).transpose()
    }
}

impl CustomOp3 for BlockOp {
    fn name(&self) -> &'static str {
        "frozen-pre-norm-swin-block-with-prompts"
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
        let inputs = Inputs {
            tokens: floats(tokens, layout)?,
            shared: floats(shared, shared_layout)?,
            own: floats(own, own_layout)?,
        };
        Ok(self.forward(inputs, layout.shape()))
    }

    fn bwd(
        &self,
        tokens: &Tensor,
        shared: &Tensor,
        own: &Tensor,
        _res: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let found = with_floats(tokens, |x| {
            with_floats(shared, |s| with_floats(own, |o| self.backward(Inputs { tokens: x, shared: s, own: o }, grad)))
        })?;
        let like = |d: Vec<f32>, of: &Tensor| Tensor::from_vec(d, of.shape(), of.device());
        let prompt = |d: Vec<f32>, of: &Tensor| if of.track_op() { like(d, of).map(Some) } else { Ok(None) };
        let tokens = found.tokens.map(|d| like(d, tokens)).transpose()?;
        Ok((tokens, prompt(found.shared, shared)?, prompt(found.own, own)?))
    }
}
