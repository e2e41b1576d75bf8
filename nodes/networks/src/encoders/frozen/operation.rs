//! A frozen block, or a half of one, as one operation of the graph. What it computes is its own affair ([`FrozenPart`]);
//! here is how images are shared out, and what is kept.

use std::borrow::Cow;
use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, CustomOp3, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::part::{FrozenPart, InputGradients, Inputs};
use crate::encoders::prompts::Prompts;
use crate::kernels::attention::PromptBias;
use crate::kernels::kept::Kept;
use crate::kernels::slices::{floats, with_floats};

/// Below so many products of tokens' numbers and width a block is small: the threads share nothing but images, for the work
/// of a layer is not worth waking one.
const SMALL: usize = 1 << 24;

/// Tokens of a group of a large block at least.
const ROWS: usize = 512;

/// Numbers of tokens that go through a small block together: what its layers make of them stays in a core's cache.
const CACHED: usize = 24 * 1024;

impl<'a> Inputs<'a> {
    /// The same for groups of images in their order, at most `most`.
    fn groups(self, width: usize, most: usize) -> Vec<Self> {
        let of_tokens = (self.count * width).max(1);
        let images = self.tokens.len() / of_tokens;
        let size = images.div_ceil(most.max(1)).max(1);
        let of_own = self.own.len() / images.max(1);
        let part = |all: &'a [f32], of_one: usize, group: usize| {
            &all[group * size * of_one..((group + 1) * size * of_one).min(all.len())]
        };
        let group =
            |group| Self { tokens: part(self.tokens, of_tokens, group), own: part(self.own, of_own, group), ..self };
        (0..images.div_ceil(size).max(1)).map(group).collect()
    }
}

impl InputGradients {
    /// Those of all images from those of their groups; what all images share is summed in the groups' order.
    fn of_groups(groups: Vec<Self>) -> Self {
        let (mut tokens, mut shared, mut own) = (Vec::new(), Vec::<f32>::new(), Vec::new());
        for group in groups {
            tokens.push(group.tokens);
            own.push(group.own);
            match shared.is_empty() {
                true => shared = group.shared,
                false => shared.iter_mut().zip(&group.shared).for_each(|(sum, d)| *sum += d),
            }
        }
        Self { tokens: joined(tokens), shared, own: joined(own) }
    }
}

/// Tokens [N, L, C] -> [N, L, C], with prompts or without. What `recomputes` forgets its activations, and computes them
/// again in the backward pass.
///
/// # Errors
/// If the shapes do not fit.
pub(super) fn apply<P: FrozenPart>(
    part: &Arc<P>,
    tokens: &Tensor,
    prompts: Option<&Prompts>,
    recomputes: bool,
) -> Result<Tensor> {
    let tokens = tokens.contiguous()?;
    let (images, count, width) = tokens.dims3()?;
    if width != part.width() || part.tokens().is_some_and(|expected| expected != count) {
        let expected = part.tokens().map_or("any number of".to_string(), |tokens| tokens.to_string());
        candle_core::bail!("a block of {expected} tokens of width {} was given {count} of width {width}", part.width());
    }
    let op = |tracked: bool, bias| PartOp {
        part: part.clone(),
        count,
        bias,
        keep: !recomputes && (tracked || tokens.track_op()),
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
        candle_core::bail!("prompts {:?} and {:?} do not fit tokens {:?}", shared.dims(), own.dims(), tokens.dims());
    }
    tokens.apply_op3(&shared, &own, op(prompts.tracked(), prompts.bias))
}

/// One pass over a batch.
struct PartOp<P: FrozenPart> {
    part: Arc<P>,
    count: usize,
    bias: PromptBias,
    /// A backward pass may follow, and is to find the activations.
    keep: bool,
    /// The tokens take part in the graph, not only the prompts.
    wants_tokens: bool,
    /// Of each group of images.
    kept: Kept<Vec<P::Activations>>,
}

impl<P: FrozenPart> PartOp<P> {
    fn inputs<'a>(&self, tokens: &'a [f32], shared: &'a [f32], own: &'a [f32]) -> Inputs<'a> {
        Inputs { tokens, shared, own, count: self.count, bias: self.bias }
    }

    /// The groups of images that pass by themselves, so that what one layer made is in a cache for the next: of a small
    /// block at least one to a thread, of others as many as have rows enough to be worth packing the weights.
    fn groups<'a>(&self, inputs: Inputs<'a>) -> Vec<Inputs<'a>> {
        let (numbers, width) = (inputs.tokens.len(), self.part.width());
        let small = numbers.saturating_mul(width) < SMALL;
        let cached = numbers.div_ceil(CACHED);
        inputs.groups(width, if small { cached.max(rayon::current_num_threads()) } else { numbers / width / ROWS })
    }

    /// Outputs and activations of the groups.
    fn pass(&self, groups: &[Inputs<'_>], keep: bool) -> Vec<(Vec<f32>, P::Activations)> {
        groups.par_iter().map(|group| self.part.forward(*group, keep)).collect()
    }

    fn forward(&self, inputs: Inputs<'_>, shape: &Shape) -> (CpuStorage, Shape) {
        let (outputs, activations): (Vec<_>, Vec<_>) = self.pass(&self.groups(inputs), self.keep).into_iter().unzip();
        if self.keep {
            self.kept.put(activations);
        }
        (CpuStorage::F32(joined(outputs)), shape.clone())
    }

    /// The backward pass; `inputs` are those of the forward pass, which is run again if it kept nothing.
    fn backward(&self, inputs: Inputs<'_>, dy: &Tensor) -> Result<InputGradients> {
        let groups = self.groups(inputs);
        let kept = match self.kept.try_take() {
            Some(kept) => kept,
            None => self.pass(&groups, true).into_iter().map(|(_, activations)| activations).collect(),
        };
        with_floats(dy, |dy| {
            // All groups but the last are of one size.
            let size = groups.first().map_or(0, |group| group.tokens.len()).max(1);
            let parts = groups.into_par_iter().zip(kept).zip(dy.par_chunks(size));
            let one = |((group, kept), dy)| self.part.backward(group, kept, Cow::Borrowed(dy), self.wants_tokens);
            Ok(InputGradients::of_groups(parts.map(one).collect()))
        })
    }
}

/// Side by side.
fn joined(mut parts: Vec<Vec<f32>>) -> Vec<f32> {
    match parts.len() {
        1 => parts.swap_remove(0),
        _ => parts.concat(),
    }
}

impl<P: FrozenPart> CustomOp1 for PartOp<P> {
    fn name(&self) -> &'static str {
        P::NAME
    }

    fn cpu_fwd(&self, tokens: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok(self.forward(self.inputs(floats(tokens, layout)?, &[], &[]), layout.shape()))
    }

    fn bwd(&self, tokens: &Tensor, _res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let found = with_floats(tokens, |x| self.backward(self.inputs(x, &[], &[]), grad))?;
        self.wants_tokens.then(|| Tensor::from_vec(found.tokens, tokens.shape(), tokens.device())).transpose()
    }
}

impl<P: FrozenPart> CustomOp3 for PartOp<P> {
    fn name(&self) -> &'static str {
        P::NAME
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
        Ok(self.forward(self.inputs(floats(tokens, layout)?, shared, own), layout.shape()))
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
            with_floats(shared, |s| with_floats(own, |o| self.backward(self.inputs(x, s, o), grad)))
        })?;
        let like = |d: Vec<f32>, of: &Tensor| Tensor::from_vec(d, of.shape(), of.device());
        let prompt = |d: Vec<f32>, of: &Tensor| if of.track_op() { like(d, of).map(Some) } else { Ok(None) };
        let tokens = self.wants_tokens.then(|| like(found.tokens, tokens)).transpose()?;
        Ok((tokens, prompt(found.shared, shared)?, prompt(found.own, own)?))
    }
}
