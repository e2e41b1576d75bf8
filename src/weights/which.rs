//! Whatever has weights under a name: encoders that methods adapt, and feature encoders.

use copl_networks::encoders::{self, Architecture};
use copl_networks::features::{self, FeatureArchitecture};
use copl_networks::weights::{TensorSpec, Tensors, WeightSource};
use copl_networks::{Result, device};

/// An architecture of either kind.
pub(super) enum Which {
    Encoder(Architecture),
    Features(FeatureArchitecture),
}

/// A preset of either kind, for lists.
pub(super) struct Preset {
    pub(super) name: String,
    pub(super) aliases: Vec<String>,
    pub(super) parameters: usize,
}

/// All presets.
pub(super) fn presets() -> Vec<Preset> {
    let encoders = encoders::presets().into_iter();
    let encoders = encoders.map(|p| Preset { name: p.name, aliases: p.aliases, parameters: p.parameters });
    let features = features::presets().into_iter();
    let features = features.map(|p| Preset { name: p.name, aliases: p.aliases, parameters: p.parameters });
    encoders.chain(features).collect()
}

impl Which {
    /// The preset of a name or alias.
    pub(super) fn of(name: &str) -> Option<Self> {
        let encoder = encoders::preset(name).ok().map(Self::Encoder);
        encoder.or_else(|| features::preset(name).ok().map(Self::Features))
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Self::Encoder(architecture) => architecture.name(),
            Self::Features(architecture) => architecture.name(),
        }
    }

    pub(super) fn tensors(&self) -> Vec<TensorSpec> {
        match self {
            Self::Encoder(architecture) => architecture.tensors(),
            Self::Features(architecture) => architecture.tensors(),
        }
    }

    /// Its weights. They are looked at, not computed with: on the processor.
    pub(super) fn weights(&self, source: &WeightSource, seed: u64) -> Result<Tensors> {
        match self {
            Self::Encoder(architecture) => {
                let (device, _) = device::open(device::DeviceChoice::Cpu).map_err(copl_networks::Error::Config)?;
                architecture.weights(source, seed, &device)
            }
            Self::Features(architecture) => architecture.weights(source, seed),
        }
    }
}
