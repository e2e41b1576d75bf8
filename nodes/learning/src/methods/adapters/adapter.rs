//! One adapter beside a half of a block.

use std::collections::BTreeMap;

use candle_core::Tensor;
use copl_networks::Result;
use copl_networks::kernels::{AdaptedTokens, Bottleneck, Execution, Fusion, RowNorm};
use copl_networks::weights::{Init, TensorSpec};

use super::settings::{AdapterSizes, LatentStart};
use crate::methods::{Context, Learned};
use crate::parameters::{ParamGroup, ParamSpec};
use crate::running_statistics;

/// Row of the parameter table.
const ADAPTERS: ParamGroup = ParamGroup::of_method("adapters");

/// The first half of a block, as parameters name it.
pub(crate) const ATTENTION: &str = "attention";
/// The second half.
pub(crate) const FEED_FORWARD: &str = "feed_forward";

/// What a pass over a batch has at hand, and what its batch norms saw.
pub(crate) struct Run<'a> {
    /// Parameters and running statistics.
    pub(crate) learned: Learned<'a>,
    /// What it is for.
    pub(crate) context: Context,
    /// How it is computed.
    pub(crate) execution: Execution,
    /// Running statistics after the batch.
    pub(crate) updates: BTreeMap<String, Tensor>,
}

/// An adapter of tokens of width d (the paper's equation in `copl_networks::kernels`): its name, and its sizes.
#[derive(Debug, Clone)]
pub(crate) struct Adapter {
    name: String,
    width: usize,
    bottleneck: usize,
    gated: bool,
    sizes: AdapterSizes,
}

impl Adapter {
    /// The adapter of pair `pair` of a modality, beside its `half` ([`ATTENTION`] or [`FEED_FORWARD`]).
    ///
    /// # Errors
    /// If its sizes do not divide the width.
    pub(crate) fn new(modality: &str, pair: usize, half: &str, width: usize, sizes: AdapterSizes) -> Result<Self> {
        let name = format!("{modality}.adapters.{pair}.{half}");
        let gated = modality == "visual" || sizes.audio_gate;
        Ok(Self { name, width, bottleneck: sizes.bottleneck(width)?, gated, sizes })
    }

    /// The name of something of it.
    pub(crate) fn of(&self, what: &str) -> String {
        format!("{}.{what}", self.name)
    }

    /// What it learns.
    pub(crate) fn parameters(&self) -> Vec<ParamSpec> {
        let Self { width, bottleneck, gated, sizes, .. } = self;
        let mut specs = Vec::new();
        let mut add = |what: &str, shape: &[usize], init| {
            specs.push(ParamSpec { tensor: TensorSpec::new(self.of(what), shape, init), group: ADAPTERS });
        };
        let latents = match sizes.latent_start {
            LatentStart::Uniform => Init::Unit,
            LatentStart::Zeros => Init::Constant(0.0),
        };
        add("latents", &[sizes.latents, *width], latents);
        add("fusion_gate", &[1], Init::Constant(0.0));
        let mut norm = |name: &str, channels: usize, there: bool| {
            for (what, value) in [("weight", 1.0), ("bias", 0.0)].into_iter().filter(|_| there) {
                add(&format!("{name}.{what}"), &[channels], Init::Constant(value));
            }
        };
        norm("norm_before", *width, sizes.norm_before);
        norm("batch_norm_down", *bottleneck, sizes.batch_norm);
        norm("batch_norm_up", *width, sizes.batch_norm);
        norm("norm_after", *width, sizes.norm_after);
        let uniform = |inputs: usize| Init::Uniform { bound: 1.0 / (inputs as f64).sqrt() };
        let (into_down, into_up) = (width / sizes.groups, bottleneck / sizes.groups);
        add("down.weight", &[*bottleneck, into_down], uniform(into_down));
        add("up.weight", &[*width, into_up], uniform(into_up));
        if *gated {
            add("gate", &[1], Init::Constant(0.0));
        }
        specs
    }

    /// Running statistics of its batch norms.
    pub(crate) fn buffers(&self) -> Vec<TensorSpec> {
        match self.sizes.batch_norm {
            true => [("batch_norm_down", self.bottleneck), ("batch_norm_up", self.width)]
                .into_iter()
                .flat_map(|(name, channels)| running_statistics::specs(&self.of(name), channels))
                .collect(),
            false => Vec::new(),
        }
    }

    /// Numbers of a layer norm that the official code declares and never uses: where it has no norm before the bottleneck.
    pub(crate) fn unused_norm(&self) -> usize {
        if self.sizes.norm_before { 0 } else { 2 * self.width }
    }

    /// The latents [t, d].
    ///
    /// # Errors
    /// If they are absent.
    pub(crate) fn latents(&self, run: &Run<'_>) -> Result<Tensor> {
        run.learned.parameters.get(&self.of("latents"))
    }

    /// What tokens read of latents that gathered the other modality's, [N, t, d].
    ///
    /// # Errors
    /// If a parameter is absent.
    pub(crate) fn fusion(&self, run: &Run<'_>, gathered: Tensor) -> Result<Fusion> {
        Ok(Fusion { latents: gathered, gate: run.learned.parameters.get(&self.of("fusion_gate"))? })
    }

    /// Tokens [N, n, d] through the bottleneck, after they have read the latents if `fusion` is given.
    ///
    /// # Errors
    /// If shapes do not fit or a parameter is absent.
    pub(crate) fn adapt(&self, run: &mut Run<'_>, tokens: &Tensor, fusion: Option<&Fusion>) -> Result<Tensor> {
        let get = |what: &str| run.learned.parameters.get(&self.of(what));
        let pair = |name: &str, there: bool| -> Result<Option<(Tensor, Tensor)>> {
            there.then(|| Ok((get(&format!("{name}.weight"))?, get(&format!("{name}.bias"))?))).transpose()
        };
        let of_batch = self.sizes.batch_norm && run.context.training;
        let rows = |name: &str| -> Result<Option<RowNorm>> {
            let Some((weight, bias)) = pair(name, self.sizes.batch_norm)? else { return Ok(None) };
            let given = match of_batch {
                true => None,
                false => Some(running_statistics::given(run.learned.buffers, &self.of(name))?),
            };
            Ok(Some(RowNorm { weight, bias, given }))
        };
        let mut norm_before = pair("norm_before", self.sizes.norm_before)?;
        if let (Some((_, bias)), true) = (&mut norm_before, of_batch) {
            // The statistics of the batch take away what is added to all its rows: its gradient is exactly zero.
            *bias = bias.detach();
        }
        let layers = Bottleneck {
            groups: self.sizes.groups,
            norm_before,
            down: get("down.weight")?,
            batch_norm_down: rows("batch_norm_down")?,
            up: get("up.weight")?,
            batch_norm_up: rows("batch_norm_up")?,
            norm_after: pair("norm_after", self.sizes.norm_after)?,
            gate: self.gated.then(|| get("gate")).transpose()?,
            gate_place: self.sizes.gate_place,
        };
        let AdaptedTokens { tokens, statistics } = run.execution.adapt(tokens, fusion, &layers)?;
        for (name, statistics) in ["batch_norm_down", "batch_norm_up"].into_iter().zip(&statistics) {
            if let Some(statistics) = statistics {
                running_statistics::follow(run.learned.buffers, &self.of(name), statistics, &mut run.updates)?;
            }
        }
        Ok(tokens)
    }
}
