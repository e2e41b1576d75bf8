//! Feature encoders by name: presets, and loading their weights.

use std::path::Path;
use std::sync::Arc;

use candle_core::Device;
use serde::Serialize;

use super::layer::Layer;
use super::sizes::{Family, FeatureEncoder, FeatureInput, FeatureSizes, Preset};
use super::{bert, clip, pvt_v2, resnet, vgg, vggish};
use crate::error::{Error, Result};
use crate::weights::{Stored, TensorSpec, Tensors, WeightSource, read_strict};

/// Every architecture: a new one is a line here.
const FAMILIES: [Family; 7] = [
    vggish::FAMILY,
    vgg::FAMILY,
    resnet::FAMILY,
    pvt_v2::FAMILY,
    clip::image::FAMILY,
    clip::text::FAMILY,
    bert::FAMILY,
];

/// A preset, for lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FeatureInfo {
    /// Its name.
    pub name: String,
    /// Further names.
    pub aliases: Vec<String>,
    /// What it is given.
    pub input: FeatureInput,
    /// Numbers in its weights.
    pub parameters: usize,
    /// Its layers, first to last.
    pub layers: Vec<Layer>,
}

/// An encoder's sizes under a name, before it has weights.
#[derive(Debug, Clone)]
pub struct FeatureArchitecture {
    name: String,
    sizes: Arc<dyn FeatureSizes>,
}

fn all() -> impl Iterator<Item = Preset> {
    FAMILIES.iter().flat_map(|family| (family.presets)())
}

/// All presets.
pub fn presets() -> Vec<FeatureInfo> {
    let described = all().map(|preset| FeatureInfo {
        name: preset.name.to_string(),
        aliases: preset.aliases.iter().map(|alias| (*alias).to_string()).collect(),
        input: preset.sizes.input(),
        parameters: preset.sizes.tensors().iter().map(TensorSpec::count).sum(),
        layers: preset.sizes.layers(),
    });
    described.collect()
}

/// The preset of a name or alias.
///
/// # Errors
/// If there is none; the message lists all.
pub fn preset(name: &str) -> Result<FeatureArchitecture> {
    match all().find(|preset| preset.name == name || preset.aliases.contains(&name)) {
        Some(preset) => Ok(FeatureArchitecture { name: preset.name.to_string(), sizes: preset.sizes }),
        None => Err(Error::UnknownWord {
            setting: "feature encoder",
            given: name.to_string(),
            expected: all().map(|preset| preset.name).collect::<Vec<_>>().join(", "),
        }),
    }
}

impl FeatureArchitecture {
    /// An encoder of any sizes.
    pub fn new(name: &str, sizes: impl FeatureSizes + 'static) -> Self {
        Self { name: name.to_string(), sizes: Arc::new(sizes) }
    }

    /// An encoder whose sizes are written as JSON, of the architecture that `word` names; none if there is no such.
    ///
    /// # Errors
    /// If the sizes are not its.
    pub fn from_json(word: &str, sizes: &serde_json::Value) -> Result<Option<Self>> {
        let Some(family) = FAMILIES.iter().find(|family| family.word == word) else { return Ok(None) };
        let sizes =
            (family.read)(sizes.clone()).map_err(|reason| Error::Config(format!("sizes of {word}: {reason}")))?;
        Ok(Some(Self { name: word.to_string(), sizes }))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is given.
    pub fn input(&self) -> FeatureInput {
        self.sizes.input()
    }

    /// Its layers, first to last.
    pub fn layers(&self) -> Vec<Layer> {
        self.sizes.layers()
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
    pub fn build(&self, weights: Tensors) -> Result<Arc<dyn FeatureEncoder>> {
        self.sizes.build(&self.name, weights)
    }

    /// Its weights from a file, safetensors or PyTorch's, strictly.
    ///
    /// # Errors
    /// If the file cannot be read, or holds other tensors.
    pub fn read(&self, path: &Path) -> Result<Tensors> {
        read_strict(path, &self.tensors(), |name, all| self.stored(name, all), &Device::Cpu)
    }

    /// Its weights from a source; random ones depend on `seed` alone.
    ///
    /// # Errors
    /// If the source cannot be read, or holds other tensors; none are inside the program.
    pub fn weights(&self, source: &WeightSource, seed: u64) -> Result<Tensors> {
        match source {
            WeightSource::File(path) => self.read(path),
            WeightSource::Random => {
                Tensors::initial(&self.tensors(), seed, &format!("features/{}", self.name), &Device::Cpu)
            }
            WeightSource::Embedded(_) => Err(Error::Config(format!("{} has no weights inside the program", self.name))),
        }
    }
}
