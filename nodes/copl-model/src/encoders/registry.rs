//! Encoders by name: presets, and loading their weights.

use std::path::Path;
use std::sync::Arc;

use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::hts_at::config::HtsAtConfig;
use super::hts_at::{self, HtsAt};
use super::swin_v2::config::SwinV2Config;
use super::swin_v2::{self, SwinV2};
use super::{BlockInfo, Encoder, InputShape, Modality};
use crate::error::{Error, Result};
use crate::kernels::Execution;
use crate::weights::{Stored, TensorSpec, Tensors, WeightSource, read_embedded, read_strict};

/// A preset, for lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PresetInfo {
    /// Its name.
    pub name: String,
    /// Further names.
    pub aliases: Vec<String>,
    /// Frames it takes.
    pub visual: Option<InputShape>,
    /// Spectrograms it takes.
    pub audio: Option<InputShape>,
    /// Numbers in its weights, without a classifier head.
    pub parameters: usize,
    /// Width of its pooled feature.
    pub out_dim: usize,
    /// Blocks a stage.
    pub depths: Vec<usize>,
    /// True if its weights ship with the program.
    pub embedded: bool,
}

/// An encoder's sizes under a name, before it has weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Architecture {
    name: String,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    SwinV2(SwinV2Config),
    HtsAt(HtsAtConfig),
}

/// A preset of any architecture: its further names, and the encoder.
struct Listed {
    aliases: &'static [&'static str],
    architecture: Architecture,
}

fn listed() -> Vec<Listed> {
    let swin_v2 = swin_v2::config::PRESETS.iter().map(|preset| Listed {
        aliases: preset.aliases,
        architecture: Architecture::swin_v2(preset.name, preset.config()),
    });
    let hts_at = hts_at::config::PRESETS.iter().map(|preset| Listed {
        aliases: preset.aliases,
        architecture: Architecture::hts_at(preset.name, preset.config()),
    });
    swin_v2.chain(hts_at).collect()
}

/// All presets.
pub fn presets() -> Vec<PresetInfo> {
    let all = listed().into_iter().map(|Listed { aliases, architecture }| PresetInfo {
        name: architecture.name.clone(),
        aliases: aliases.iter().map(|alias| (*alias).to_string()).collect(),
        visual: architecture.input(Modality::Visual).ok(),
        audio: architecture.input(Modality::Audio).ok(),
        parameters: architecture.tensors().iter().map(TensorSpec::count).sum(),
        out_dim: architecture.out_dim(),
        depths: architecture.depths(),
        embedded: WeightSource::resolve(&architecture.name, None).is_ok(),
    });
    all.collect()
}

/// The preset of a name or alias.
///
/// # Errors
/// If there is none; the message lists all.
pub fn preset(name: &str) -> Result<Architecture> {
    let mut all = listed();
    match all.iter().position(|preset| preset.architecture.name == name || preset.aliases.contains(&name)) {
        Some(index) => Ok(all.swap_remove(index).architecture),
        None => Err(Error::UnknownWord {
            setting: "encoder",
            given: name.to_string(),
            expected: all.iter().map(|preset| preset.architecture.name()).collect::<Vec<_>>().join(", "),
        }),
    }
}

impl Architecture {
    /// A Swin-V2 of any sizes.
    pub fn swin_v2(name: &str, config: SwinV2Config) -> Self {
        Self { name: name.to_string(), kind: Kind::SwinV2(config) }
    }

    /// An HTS-AT of any sizes.
    pub fn hts_at(name: &str, config: HtsAtConfig) -> Self {
        Self { name: name.to_string(), kind: Kind::HtsAt(config) }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The images of a modality.
    ///
    /// # Errors
    /// If the encoder does not serve that modality.
    pub fn input(&self, modality: Modality) -> Result<InputShape> {
        match &self.kind {
            Kind::SwinV2(config) => Ok(InputShape::picture(config.image_size)),
            Kind::HtsAt(config) => hts_at::input(&self.name, config, modality),
        }
    }

    /// All blocks, first to last.
    pub fn blocks(&self) -> Vec<BlockInfo> {
        match &self.kind {
            Kind::SwinV2(config) => config.blocks(),
            Kind::HtsAt(config) => config.blocks(),
        }
    }

    /// Blocks a stage.
    pub fn depths(&self) -> Vec<usize> {
        match &self.kind {
            Kind::SwinV2(config) => config.depths.clone(),
            Kind::HtsAt(config) => config.depths.clone(),
        }
    }

    /// Width of the pooled feature.
    pub fn out_dim(&self) -> usize {
        self.blocks().last().map_or(0, |block| block.width)
    }

    /// Name, shape and initial value of every weight.
    pub fn tensors(&self) -> Vec<TensorSpec> {
        match &self.kind {
            Kind::SwinV2(config) => config.tensors(),
            Kind::HtsAt(config) => config.tensors(),
        }
    }

    /// The encoder with these weights.
    ///
    /// # Errors
    /// If sizes do not fit together or a weight is absent.
    pub fn build(&self, weights: Tensors, execution: Execution) -> Result<Arc<dyn Encoder>> {
        match &self.kind {
            Kind::SwinV2(config) => Ok(Arc::new(SwinV2::new(&self.name, config, weights, execution)?)),
            Kind::HtsAt(config) => Ok(Arc::new(HtsAt::new(&self.name, config, weights, execution)?)),
        }
    }

    /// Its weights from a safetensors file, strictly.
    ///
    /// # Errors
    /// If the file cannot be read, or holds other tensors.
    pub fn read(&self, path: &Path, device: &Device) -> Result<Tensors> {
        let meaning = match &self.kind {
            Kind::SwinV2(_) => swin_v2_name,
            Kind::HtsAt(_) => HtsAtConfig::stored,
        };
        read_strict(path, &self.tensors(), meaning, device)
    }

    /// Its weights from a source; random ones depend on `seed` alone.
    ///
    /// # Errors
    /// If the source cannot be read, or holds other tensors.
    pub fn weights(&self, source: &WeightSource, seed: u64, device: &Device) -> Result<Tensors> {
        match source {
            WeightSource::File(path) => self.read(path, device),
            WeightSource::Embedded(bytes) => {
                read_embedded(&format!("weights of {} inside the program", self.name), bytes, &self.tensors(), device)
            }
            WeightSource::Random => Tensors::initial(&self.tensors(), seed, &format!("encoder/{}", self.name), device),
        }
    }
}

fn swin_v2_name(stored: &str, all: &[&str]) -> Stored {
    if SwinV2Config::is_ignored(stored) {
        return Stored::Ignore;
    }
    Stored::Keep(SwinV2Config::current_name(stored, SwinV2Config::is_old(all.iter().copied())))
}

/// What a report says of an encoder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EncoderCard {
    /// Preset name.
    pub name: String,
    /// `visual`, `audio`, or `visual and audio`.
    pub role: String,
    /// Hexadecimal SHA-256 of its weights, or `random:SEED`.
    pub weights: String,
    /// Numbers in its weights.
    pub parameters: usize,
}

/// An encoder's sizes and weights, with the weights' fingerprint.
pub struct LoadedEncoder {
    /// Its sizes.
    pub architecture: Architecture,
    /// Its weights.
    pub weights: Tensors,
    /// Hexadecimal SHA-256 of its weights, or `random:SEED`.
    pub fingerprint: String,
}

impl LoadedEncoder {
    /// Its card, for a role.
    pub fn card(&self, role: &str) -> EncoderCard {
        EncoderCard {
            name: self.architecture.name.clone(),
            role: role.to_string(),
            weights: self.fingerprint.clone(),
            parameters: self.weights.iter().map(|(_, tensor): (_, &Tensor)| tensor.elem_count()).sum(),
        }
    }
}

/// Loads the weights a user names: nothing for those inside the program, `random`, or a file.
///
/// # Errors
/// If the preset is unknown or the weights cannot be had.
pub fn load(name: &str, setting: Option<&str>, seed: u64, device: &Device) -> Result<LoadedEncoder> {
    let architecture = preset(name)?;
    let source = WeightSource::resolve(architecture.name(), setting)?;
    let weights = architecture.weights(&source, seed, device)?;
    Ok(LoadedEncoder { architecture, weights, fingerprint: source.fingerprint(seed)? })
}
