//! Encoders by name: presets, and loading their weights.

use std::path::Path;
use std::sync::Arc;

use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::swin_v2::SwinV2;
use super::swin_v2::config::{PRESETS, SwinV2Config};
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
}

/// All presets.
pub fn presets() -> Vec<PresetInfo> {
    let all = PRESETS.iter().map(|preset| {
        let config = preset.config();
        PresetInfo {
            name: preset.name.to_string(),
            aliases: preset.aliases.iter().map(|alias| (*alias).to_string()).collect(),
            visual: Some(InputShape::picture(config.image_size)),
            audio: Some(InputShape::picture(config.image_size)),
            parameters: config.tensors().iter().map(TensorSpec::count).sum(),
            out_dim: config.blocks().last().map_or(0, |block| block.width),
            depths: config.depths.clone(),
            embedded: WeightSource::resolve(preset.name, None).is_ok(),
        }
    });
    all.collect()
}

/// The preset of a name or alias.
///
/// # Errors
/// If there is none; the message lists all.
pub fn preset(name: &str) -> Result<Architecture> {
    match PRESETS.iter().find(|preset| preset.name == name || preset.aliases.contains(&name)) {
        Some(preset) => Ok(Architecture::swin_v2(preset.name, preset.config())),
        None => Err(Error::UnknownWord {
            setting: "encoder",
            given: name.to_string(),
            expected: PRESETS.iter().map(|preset| preset.name).collect::<Vec<_>>().join(", "),
        }),
    }
}

impl Architecture {
    /// A Swin-V2 of any sizes.
    pub fn swin_v2(name: &str, config: SwinV2Config) -> Self {
        Self { name: name.to_string(), kind: Kind::SwinV2(config) }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The images of a modality.
    ///
    /// # Errors
    /// If the encoder does not serve that modality.
    pub fn input(&self, _modality: Modality) -> Result<InputShape> {
        match &self.kind {
            Kind::SwinV2(config) => Ok(InputShape::picture(config.image_size)),
        }
    }

    /// All blocks, first to last.
    pub fn blocks(&self) -> Vec<BlockInfo> {
        match &self.kind {
            Kind::SwinV2(config) => config.blocks(),
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
        }
    }

    /// The encoder with these weights.
    ///
    /// # Errors
    /// If sizes do not fit together or a weight is absent.
    pub fn build(&self, weights: Tensors, execution: Execution) -> Result<Arc<dyn Encoder>> {
        match &self.kind {
            Kind::SwinV2(config) => Ok(Arc::new(SwinV2::new(&self.name, config, weights, execution)?)),
        }
    }

    /// Its weights from a safetensors file, strictly.
    ///
    /// # Errors
    /// If the file cannot be read, or holds other tensors.
    pub fn read(&self, path: &Path, device: &Device) -> Result<Tensors> {
        match &self.kind {
            Kind::SwinV2(_) => read_strict(path, &self.tensors(), swin_v2_name, device),
        }
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
