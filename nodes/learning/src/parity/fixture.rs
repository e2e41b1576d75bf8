//! A fixture file in memory: its tensors by name, its `config`, and encoders made of both.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use copl_networks::encoders::{Architecture, LoadedEncoder};
use copl_networks::features::{FeatureArchitecture, FeatureEncoder, Layer};
use copl_networks::tensor_file::read_tensors;
use copl_networks::weights::{Stored, TensorSpec, Tensors, check_names};
use copl_networks::{Error, Result, bad_file};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::model::Batch;
use crate::train::AdamConfig;

/// The optimizer of the reference implementation, in its words.
#[derive(Deserialize)]
pub(super) struct ReferenceAdam {
    lr_prompts: f64,
    lr_head: f64,
    beta1: f64,
    beta2: f64,
    eps: f64,
}

impl ReferenceAdam {
    /// The same as ours.
    pub(super) fn settings(&self) -> AdamConfig {
        let Self { lr_prompts, lr_head, beta1, beta2, eps } = *self;
        AdamConfig { lr_prompts, lr_head, beta1, beta2, eps, ..AdamConfig::default() }
    }
}

/// A feature encoder's layers, and the encoder.
pub(super) type LoadedFeatures = (Vec<Layer>, Arc<dyn FeatureEncoder>);

/// The word for an encoder's architecture.
fn arch(sizes: &serde_json::Value) -> &str {
    sizes.get("arch").and_then(serde_json::Value::as_str).unwrap_or("none")
}

/// A fixture in memory.
pub(super) struct Fixture {
    path: PathBuf,
    config: serde_json::Value,
    tensors: BTreeMap<String, Tensor>,
}

impl Fixture {
    /// Reads a fixture file.
    ///
    /// # Errors
    /// If it is no safetensors file with a JSON `config`.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let (tensors, metadata) = read_tensors(path, &Device::Cpu)?;
        let text = metadata.get("config").ok_or_else(|| Error::BadFile {
            path: path.to_path_buf(),
            reason: "no fixture: its metadata has no 'config'".to_string(),
        })?;
        let config = serde_json::from_str(text).map_err(bad_file(path))?;
        Ok(Self { path: path.to_path_buf(), config, tensors })
    }

    /// The file, for messages.
    pub(super) fn origin(&self) -> String {
        self.path.display().to_string()
    }

    /// What kind of fixture it is.
    ///
    /// # Errors
    /// If its `config` does not say.
    pub(super) fn kind(&self) -> Result<String> {
        #[derive(Deserialize)]
        struct Kind {
            kind: String,
        }
        Ok(self.config::<Kind>()?.kind)
    }

    /// The `config` of its metadata, as its kind understands it.
    ///
    /// # Errors
    /// If it is not of that form.
    pub(super) fn config<C: DeserializeOwned>(&self) -> Result<C> {
        serde_json::from_value(self.config.clone()).map_err(bad_file(&self.path))
    }

    /// The tensor of a name, if the fixture has it.
    pub(super) fn find(&self, name: &str) -> Option<&Tensor> {
        self.tensors.get(name)
    }

    /// The tensor of a name.
    ///
    /// # Errors
    /// If there is none.
    pub(super) fn get(&self, name: &str) -> Result<&Tensor> {
        self.tensors.get(name).ok_or_else(|| Error::BadFile {
            path: self.path.clone(),
            reason: format!("the fixture has no tensor '{name}'"),
        })
    }

    /// The tensors behind a prefix, under their names without it.
    pub(super) fn under(&self, prefix: &str) -> BTreeMap<String, Tensor> {
        let all = self.tensors.iter();
        all.filter_map(|(name, tensor)| Some((name.strip_prefix(prefix)?.to_string(), tensor.clone()))).collect()
    }

    /// The batch of a fixture of event localisation, and the class of each of its segments.
    ///
    /// # Errors
    /// If it has none.
    pub(super) fn events(&self) -> Result<(Batch, Vec<u32>)> {
        let batch = Batch {
            frames: self.get("input.frames")?.clone(),
            spectrogram: self.get("input.spectrogram")?.clone(),
            questions: None,
            step: 0,
        };
        Ok((batch, self.get("input.labels")?.flatten_all()?.to_dtype(DType::U32)?.to_vec1()?))
    }

    /// Sizes of an encoder, as its architecture understands them.
    ///
    /// # Errors
    /// If they are not of that form.
    pub(super) fn sizes<C: DeserializeOwned>(&self, sizes: &serde_json::Value) -> Result<C> {
        serde_json::from_value(sizes.clone()).map_err(bad_file(&self.path))
    }

    /// The encoder of these `sizes`, its weights behind a prefix.
    ///
    /// # Errors
    /// If its architecture is unknown or its weights are not those of the sizes.
    pub(super) fn encoder(&self, prefix: &str, sizes: &serde_json::Value) -> Result<LoadedEncoder> {
        let architecture = Architecture::from_json(arch(sizes), sizes)?;
        let weights = self.weights(prefix, &architecture.tensors(), |name, all| architecture.stored(name, all))?;
        Ok(LoadedEncoder { architecture, weights, fingerprint: "fixture".to_string() })
    }

    /// The feature encoder of these `sizes`, its weights behind a prefix; none if its architecture is none.
    ///
    /// # Errors
    /// If its weights are not those of the sizes.
    pub(super) fn feature_encoder(&self, prefix: &str, sizes: &serde_json::Value) -> Result<Option<LoadedFeatures>> {
        let Some(architecture) = FeatureArchitecture::from_json(arch(sizes), sizes)? else { return Ok(None) };
        let weights = self.weights(prefix, &architecture.tensors(), |name, all| architecture.stored(name, all))?;
        Ok(Some((architecture.layers(), architecture.build(weights)?)))
    }

    /// The tensors behind a prefix as `specs` name them.
    fn weights(
        &self,
        prefix: &str,
        specs: &[TensorSpec],
        meaning: impl Fn(&str, &[&str]) -> Stored,
    ) -> Result<Tensors> {
        let stored = self.under(prefix);
        let all: Vec<&str> = stored.keys().map(String::as_str).collect();
        let kept = stored.iter().filter_map(|(name, tensor)| {
            let (name, shape) = meaning(name, &all).of_shape(tensor.dims())?;
            Some(tensor.reshape(shape).map(|tensor| (name, tensor)))
        });
        let weights: Tensors = kept.collect::<candle_core::Result<Vec<_>>>()?.into_iter().collect();
        let origin = format!("{} ({prefix}*)", self.path.display());
        check_names(&origin, weights.iter().map(|(name, t)| (name, t.dims())), specs)?;
        Ok(weights)
    }
}
