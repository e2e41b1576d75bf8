//! Sizes and switches of adapters. What is unset is what the official code of the method has for the task, as far as the
//! parameters that the CoPL paper counts tell (docs/methods.md has the table and its sources).

use copl_contract::settings::{Env, Settings};
use copl_networks::kernels::GatePlace;
use copl_networks::{Error, Result};

use crate::methods::SettingGroup;

copl_contract::choice! {
    /// Where the gate of an adapter stands to its last norm.
    pub enum GateOrder {
        /// Behind it: an adapter starts with nothing and grows with its gate.
        AfterNorm = "after-norm",
        /// Before it: the norm undoes most of what the gate does.
        BeforeNorm = "before-norm",
    }
}

copl_contract::choice! {
    /// How latents start.
    pub enum LatentStart {
        /// Uniform in [0, 1).
        Uniform = "uniform",
        /// Zeros: they have equal gradients, and stay equal.
        Zeros = "zeros",
    }
}

copl_contract::settings! {
    /// Settings of adapters; unset ones are the method's for the task.
    pub struct AdapterSettings {
        "LATENTS" latents: Option<usize> = "", "t, latents of an adapter, through which the other modality's tokens are read; if unset, the method's for the task.";
        "REDUCTION" reduction: Option<usize> = "", "rho: an adapter of width d narrows to d / REDUCTION; likewise.";
        "GROUPS" groups: Option<usize> = "", "G, groups of an adapter's two linear layers; likewise.";
        "BATCH_NORM" batch_norm: Option<bool> = "", "A batch norm behind each of them, over all tokens of a batch; likewise.";
        "NORM_BEFORE" norm_before: Option<bool> = "", "A layer norm before them; likewise.";
        "NORM_AFTER" norm_after: Option<bool> = "", "A layer norm behind them; likewise.";
        "AUDIO_GATE" audio_gate: Option<bool> = "", "Audio adapters have an output gate, as visual ones always do; likewise.";
        "GATE_ORDER" gate_order: Option<GateOrder> = "", "The output gate stands behind the last layer norm (after-norm) or before it (before-norm); likewise.";
        "LATENT_START" latent_start: Option<LatentStart> = "", "Latents start uniform in [0, 1), or as zeros, which stay equal to each other for ever; likewise.";
    }
}

/// The settings, where they apply.
pub(crate) const GROUP: SettingGroup = SettingGroup { applies: "METHOD lavish, dg-sct", specs: AdapterSettings::specs };

/// An `env:` map in which what is unset, or empty, is what the official code has.
pub(crate) fn with_official(env: &Env, official: &[(&str, &str)]) -> Env {
    let mut all = env.clone();
    for (key, value) in official {
        let given = all.entry((*key).to_owned()).or_default();
        if given.is_empty() {
            *given = (*value).to_owned();
        }
    }
    all
}

/// The settings with all their values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AdapterSizes {
    pub(crate) latents: usize,
    pub(crate) reduction: usize,
    pub(crate) groups: usize,
    pub(crate) batch_norm: bool,
    pub(crate) norm_before: bool,
    pub(crate) norm_after: bool,
    pub(crate) audio_gate: bool,
    pub(crate) gate_place: GatePlace,
    pub(crate) latent_start: LatentStart,
}

impl AdapterSizes {
    /// Of settings in which nothing is unset.
    ///
    /// # Errors
    /// The setting that is wrong, and why.
    pub(crate) fn of(settings: &AdapterSettings) -> Result<Self, (String, String)> {
        fn value<T: Copy>(key: &str, value: Option<T>) -> Result<T, (String, String)> {
            value.ok_or_else(|| (key.to_owned(), "must be given".to_owned()))
        }
        let size = |key: &str, given: Option<usize>| match value(key, given)? {
            0 => Err((key.to_owned(), "must be at least 1".to_owned())),
            size => Ok(size),
        };
        Ok(Self {
            latents: size("LATENTS", settings.latents)?,
            reduction: size("REDUCTION", settings.reduction)?,
            groups: size("GROUPS", settings.groups)?,
            batch_norm: value("BATCH_NORM", settings.batch_norm)?,
            norm_before: value("NORM_BEFORE", settings.norm_before)?,
            norm_after: value("NORM_AFTER", settings.norm_after)?,
            audio_gate: value("AUDIO_GATE", settings.audio_gate)?,
            gate_place: match value("GATE_ORDER", settings.gate_order)? {
                GateOrder::AfterNorm => GatePlace::AfterNorm,
                GateOrder::BeforeNorm => GatePlace::BeforeNorm,
            },
            latent_start: value("LATENT_START", settings.latent_start)?,
        })
    }

    /// The width to which adapters of tokens of width `d` narrow.
    ///
    /// # Errors
    /// If the reduction, or the groups, do not divide it.
    pub(crate) fn bottleneck(&self, d: usize) -> Result<usize> {
        let Self { reduction, groups, .. } = self;
        let r = d / reduction;
        if !d.is_multiple_of(*reduction) || r == 0 {
            return Err(Error::Config(format!("REDUCTION {reduction} does not divide the width {d} of a block")));
        }
        if !d.is_multiple_of(*groups) || !r.is_multiple_of(*groups) {
            return Err(Error::Config(format!("GROUPS {groups} does not divide the widths {d} and {r} of an adapter")));
        }
        Ok(r)
    }
}
