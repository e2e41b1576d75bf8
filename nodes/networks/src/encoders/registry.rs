//! Encoders by name: presets, and loading their weights.

use std::path::Path;
use std::sync::Arc;

use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::block_info::BlockInfo;
use super::encoder::Encoder;
use super::input::{InputShape, Modality};
use super::maps::{EncoderShape, MapSize, Maps};
use super::sizes::{Family, Preset, Sizes, served};
use super::{hts_at, swin_v2, vit};
use crate::error::{Error, Result};
use crate::kernels::Execution;
use crate::weights::{Stored, TensorSpec, Tensors, WeightSource, is_embedded, read_embedded, read_strict};

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
#[derive(Debug, Clone)]
pub struct Architecture {
    name: String,
    sizes: Arc<dyn Sizes>,
}

/// Every architecture: a new one is a line here.
const FAMILIES: [Family; 3] = [swin_v2::family::FAMILY, vit::family::FAMILY, hts_at::family::FAMILY];

fn all() -> impl Iterator<Item = Preset> {
    FAMILIES.iter().flat_map(|family| (family.presets)())
}

/// All presets.
pub fn presets() -> Vec<PresetInfo> {
    let described = all().map(|preset| {
        let architecture = Architecture { name: preset.name.to_string(), sizes: preset.sizes };
        PresetInfo {
            aliases: preset.aliases.iter().map(|alias| (*alias).to_string()).collect(),
            visual: architecture.sizes.input(Modality::Visual),
            audio: architecture.sizes.input(Modality::Audio),
            parameters: architecture.tensors().iter().map(TensorSpec::count).sum(),
            out_dim: architecture.out_dim(),
            depths: architecture.depths(),
            embedded: is_embedded(preset.name),
            name: architecture.name,
        }
    });
    described.collect()
}

/// The preset of a name or alias.
///
/// # Errors
/// If there is none; the message lists all.
pub fn preset(name: &str) -> Result<Architecture> {
    match all().find(|preset| preset.name == name || preset.aliases.contains(&name)) {
        Some(preset) => Ok(Architecture { name: preset.name.to_string(), sizes: preset.sizes }),
        None => Err(Error::UnknownWord {
            setting: "encoder",
            given: name.to_string(),
            expected: all().map(|preset| preset.name).collect::<Vec<_>>().join(", "),
        }),
    }
}

impl Architecture {
    /// An encoder of any sizes.
    pub fn new(name: &str, sizes: impl Sizes + 'static) -> Self {
        Self { name: name.to_string(), sizes: Arc::new(sizes) }
    }

    /// An encoder whose sizes are written as JSON, of the architecture that `word` names: `swin-v2`, `vit`.
    ///
    /// # Errors
    /// If there is no such architecture, or the sizes are not its.
    pub fn from_json(word: &str, sizes: &serde_json::Value) -> Result<Self> {
        let family = FAMILIES.iter().find(|family| family.word == word);
        let family = family.ok_or_else(|| Error::Unsupported(format!("encoder '{word}'")))?;
        let sizes =
            (family.read)(sizes.clone()).map_err(|reason| Error::Config(format!("sizes of {word}: {reason}")))?;
        Ok(Self { name: word.to_string(), sizes })
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
        served(&self.name, self.sizes.input(modality), modality)
    }

    /// Blocks a stage.
    pub fn depths(&self) -> Vec<usize> {
        let mut depths: Vec<(usize, usize)> = Vec::new();
        for block in self.blocks() {
            match depths.last_mut() {
                Some((stage, depth)) if *stage == block.stage => *depth += 1,
                _ => depths.push((block.stage, 1)),
            }
        }
        depths.into_iter().map(|(_, depth)| depth).collect()
    }

    /// Tokens of a frame that stand for no place of it, before all others.
    pub fn class_tokens(&self) -> usize {
        self.sizes.class_tokens()
    }

    /// Name, shape and initial value of every weight.
    pub fn tensors(&self) -> Vec<TensorSpec> {
        self.sizes.tensors()
    }

    /// What a name in a checkpoint with the names `all` means.
    pub fn stored(&self, name: &str, all: &[&str]) -> Stored {
        self.sizes.stored(name, all)
    }

    /// The encoder with these weights.
    ///
    /// # Errors
    /// If sizes do not fit together or a weight is absent.
    pub fn build(&self, weights: Tensors, execution: Execution) -> Result<Arc<dyn Encoder>> {
        self.sizes.build(&self.name, weights, execution)
    }

    /// Its weights from a file, safetensors or PyTorch's, strictly.
    ///
    /// # Errors
    /// If the file cannot be read, or holds other tensors.
    pub fn read(&self, path: &Path, device: &Device) -> Result<Tensors> {
        read_strict(path, &self.tensors(), |name, all| self.stored(name, all), device)
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

impl EncoderShape for Architecture {
    fn blocks(&self) -> Vec<BlockInfo> {
        self.sizes.blocks()
    }

    fn coupled_sites(&self) -> usize {
        self.sizes.coupled_sites()
    }

    fn weight_specs(&self) -> Option<Vec<TensorSpec>> {
        Some(self.tensors())
    }

    fn out_dim(&self) -> usize {
        self.blocks().last().map_or(0, |block| block.width)
    }

    fn maps(&self, maps: Maps) -> Result<Vec<MapSize>> {
        let sizes = maps.sizes(&self.blocks(), self.class_tokens());
        sizes.ok_or_else(|| Error::Config(format!("the tokens of {} make no square maps", self.name)))
    }
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
