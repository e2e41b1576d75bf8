//! Strict reading of published weights: a model takes every tensor it names, and no other is left over.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{DType, Device, Error as TensorError, Result as TensorResult, Shape, Tensor};
use candle_nn::var_builder::{SimpleBackend, VarBuilder};

use crate::error::{Error, Result, bad_file};

/// The tensors of a file, and which of them a model has asked for.
#[derive(Clone)]
pub(crate) struct Strict {
    tensors: Arc<BTreeMap<String, Tensor>>,
    taken: Arc<Mutex<BTreeSet<String>>>,
}

impl Strict {
    /// Reads a safetensors file. `rename` gives a stored name the name the model knows, or none to what is no part of it.
    pub(crate) fn open(path: &Path, rename: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let stored = candle_core::safetensors::load(path, &Device::Cpu).map_err(bad_file(path))?;
        let named = stored.into_iter().filter_map(|(name, tensor)| Some((rename(&name)?, tensor)));
        Ok(Self { tensors: Arc::new(named.collect()), taken: Arc::default() })
    }

    /// What candle-transformers builds a model from.
    pub(crate) fn builder(&self) -> VarBuilder<'static> {
        VarBuilder::from_backend(Box::new(self.clone()), DType::F32, Device::Cpu)
    }

    /// After building: refuses tensors that nothing asked for.
    pub(crate) fn finish(&self, path: &Path) -> Result<()> {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let names: Vec<String> = self.tensors.keys().filter(|name| !taken.contains(*name)).cloned().collect();
        if names.is_empty() { Ok(()) } else { Err(Error::Unexpected { path: path.to_owned(), names }) }
    }
}

impl SimpleBackend for Strict {
    fn get(&self, shape: Shape, name: &str, _: candle_nn::Init, dtype: DType, device: &Device) -> TensorResult<Tensor> {
        let tensor = self.get_unchecked(name, dtype, device)?;
        if *tensor.shape() != shape {
            let msg = format!("shape mismatch for {name}");
            return Err(TensorError::UnexpectedShape { msg, expected: shape, got: tensor.shape().clone() }.bt());
        }
        Ok(tensor)
    }

    fn get_unchecked(&self, name: &str, dtype: DType, device: &Device) -> TensorResult<Tensor> {
        let missing = || TensorError::CannotFindTensor { path: name.to_string() }.bt();
        let tensor = self.tensors.get(name).ok_or_else(missing)?;
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
        tensor.to_dtype(dtype)?.to_device(device)
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }
}
