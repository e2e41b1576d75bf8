//! An adapter as one operation of the graph: tokens, latents and packed parameters are its arguments.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};

use super::Adapter;
use super::backward::Wanted;
use super::forward::Activations;
use crate::kernels::adapter::grouped::Grouped;
use crate::kernels::adapter::packed::Parameters;
use crate::kernels::adapter::reading::Reading;
use crate::kernels::adapter::{AdaptedTokens, Bottleneck, Fusion, GatePlace, RowNorm, fusion};
use crate::kernels::batch_norm::BatchStatistics;
use crate::kernels::kept::Kept;
use crate::kernels::slices::{floats, with_floats};

/// What an adapter makes of tokens `x` [N, n, d], which read latents first where there are some; differentiable in tokens,
/// latents and all parameters.
pub(in crate::kernels) fn fused(x: &Tensor, fusion: Option<&Fusion>, layers: &Bottleneck) -> Result<AdaptedTokens> {
    let (images, tokens, d) = x.dims3()?;
    let (width, narrow) = layers.widths()?;
    if d != width || images * tokens * width * narrow == 0 {
        candle_core::bail!("an adapter of widths {width} and {narrow} was given {:?}", x.dims());
    }
    check(layers, width, narrow)?;
    let count = fusion.map(|of| fusion::checked(x, of)).transpose()?;
    let parameters = Parameters::of(fusion, layers);
    let latents = match fusion {
        Some(fusion) => fusion.latents.contiguous()?,
        None => Tensor::zeros(0, x.dtype(), x.device())?,
    };
    let (x, packed) = (x.contiguous()?, parameters.packed()?);
    let given = |norm: &Option<RowNorm>| norm.as_ref().and_then(|norm| norm.given.clone());
    let told = Arc::new(Kept::empty());
    let op = Adapt {
        count,
        tokens,
        down: Grouped { groups: layers.groups, inputs: width, outputs: narrow },
        lengths: parameters.map(|tensor| tensor.elem_count()),
        given: [given(&layers.batch_norm_down), given(&layers.batch_norm_up)],
        gate_place: layers.gate_place,
        keep: x.track_op() || latents.track_op() || packed.track_op(),
        kept: Kept::empty(),
        told: told.clone(),
    };
    let tokens = x.apply_op3(&latents, &packed, op)?;
    Ok(AdaptedTokens { tokens, statistics: told.take()? })
}

/// Checks that norms and gate are as wide as what they stand at.
fn check(layers: &Bottleneck, width: usize, narrow: usize) -> Result<()> {
    let of_rows = |norm: &Option<RowNorm>, channels: usize| {
        norm.as_ref().is_none_or(|RowNorm { weight, bias, given }| {
            let fits = |s: &BatchStatistics| s.rows == 0 && s.mean.len() == channels && s.variance.len() == channels;
            weight.dims() == [channels] && bias.dims() == [channels] && given.as_ref().is_none_or(fits)
        })
    };
    let of_tokens = |norm: &Option<(Tensor, Tensor)>| {
        norm.as_ref().is_none_or(|(weight, bias)| weight.dims() == [width] && bias.dims() == [width])
    };
    let fits = of_rows(&layers.batch_norm_down, narrow)
        && of_rows(&layers.batch_norm_up, width)
        && of_tokens(&layers.norm_before)
        && of_tokens(&layers.norm_after)
        && layers.gate.as_ref().is_none_or(|gate| gate.dims() == [1]);
    if !fits {
        candle_core::bail!("norms or gate do not fit an adapter of widths {width} and {narrow}");
    }
    Ok(())
}

struct Adapt {
    /// Latents, if tokens read some.
    count: Option<usize>,
    /// Tokens of an image.
    tokens: usize,
    down: Grouped,
    /// Of the packed parameters.
    lengths: Parameters<usize>,
    given: [Option<BatchStatistics>; 2],
    gate_place: GatePlace,
    /// A backward pass may follow.
    keep: bool,
    kept: Kept<Activations>,
    /// The statistics that were the rows' own, for the caller.
    told: Arc<Kept<[Option<BatchStatistics>; 2]>>,
}

impl Adapt {
    fn adapter<'a>(&'a self, latents: &'a [f32], packed: &'a [f32]) -> Adapter<'a> {
        let parameters = self.lengths.slices(packed);
        let reading = self.count.map(|count| Reading {
            latents,
            count,
            width: self.down.inputs,
            tokens: self.tokens,
            gate: parameters.fusion_gate.map_or(1.0, |gate| gate[0]),
        });
        Adapter {
            reading,
            down: self.down,
            up: Grouped { inputs: self.down.outputs, outputs: self.down.inputs, ..self.down },
            parameters,
            given: &self.given,
            gate_place: self.gate_place,
        }
    }
}

impl CustomOp3 for Adapt {
    fn name(&self) -> &'static str {
        "adapter"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        latents: &CpuStorage,
        latents_layout: &Layout,
        packed: &CpuStorage,
        packed_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let adapter = self.adapter(floats(latents, latents_layout)?, floats(packed, packed_layout)?);
        let (y, activations) = adapter.forward(floats(x, x_layout)?);
        let own = |statistics: &Option<BatchStatistics>| statistics.clone().filter(|of| of.rows > 0);
        self.told.put([own(&activations.statistics.down), own(&activations.statistics.up)]);
        if self.keep {
            self.kept.put(activations);
        }
        Ok((CpuStorage::F32(y), x_layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        latents: &Tensor,
        packed: &Tensor,
        _res: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let activations = self.kept.take()?;
        let wanted = Wanted { tokens: x.track_op(), latents: latents.track_op(), parameters: packed.track_op() };
        let found = with_floats(x, |x| {
            with_floats(latents, |s| {
                with_floats(packed, |p| {
                    with_floats(grad, |dy| Ok(self.adapter(s, p).backward(x, &activations, dy, wanted)))
                })
            })
        })?;
        drop(activations);
        let like = |wanted: bool, numbers: Vec<f32>, of: &Tensor| {
            wanted.then(|| Tensor::from_vec(numbers, of.shape(), of.device())).transpose()
        };
        Ok((
            like(wanted.tokens, found.tokens, x)?,
            like(wanted.latents, found.latents, latents)?,
            like(wanted.parameters, found.parameters, packed)?,
        ))
    }
}
