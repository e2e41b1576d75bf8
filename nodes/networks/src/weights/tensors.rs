//! Tensors by name.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};

use super::spec::TensorSpec;
use crate::error::{NameMismatch, Result};

/// Tensors by name.
#[derive(Debug, Clone, Default)]
pub struct Tensors(BTreeMap<String, Tensor>);

impl Tensors {
    /// The tensor of this name.
    ///
    /// # Errors
    /// If there is none.
    pub fn get(&self, name: &str) -> Result<Tensor> {
        self.0.get(name).cloned().ok_or_else(|| {
            NameMismatch { origin: "weights".to_string(), missing: vec![name.to_string()], ..Default::default() }.into()
        })
    }

    /// Takes the tensor of this name out, so that its memory can be given back once it has been copied elsewhere.
    ///
    /// # Errors
    /// If there is none.
    pub fn take(&mut self, name: &str) -> Result<Tensor> {
        let tensor = self.get(name)?;
        self.0.remove(name);
        Ok(tensor)
    }

    /// Takes the tensors `name.weight` and `name.bias` out.
    ///
    /// # Errors
    /// If one is absent.
    pub fn take_pair(&mut self, name: &str) -> Result<(Tensor, Tensor)> {
        Ok((self.take(&format!("{name}.weight"))?, self.take(&format!("{name}.bias"))?))
    }

    /// Takes the weights and biases of several layers out, each kind one under the other.
    ///
    /// # Errors
    /// If one is absent.
    pub fn take_packed(&mut self, names: &[String]) -> Result<(Tensor, Tensor)> {
        let pairs = names.iter().map(|name| self.take_pair(name)).collect::<Result<Vec<_>>>()?;
        let (weights, biases): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        Ok((Tensor::cat(&weights, 0)?, Tensor::cat(&biases, 0)?))
    }

    /// True if some tensor takes part in a graph.
    pub fn tracked(&self) -> bool {
        self.0.values().any(Tensor::track_op)
    }

    /// Names of the tensors in which some number is infinite or none.
    ///
    /// # Errors
    /// If a tensor cannot be read.
    pub fn not_finite(&self) -> Result<Vec<String>> {
        let mut found = Vec::new();
        for (name, tensor) in &self.0 {
            let values = tensor.flatten_all()?.to_dtype(DType::F32)?.to_vec1::<f32>()?;
            if !values.iter().all(|value| value.is_finite()) {
                found.push(name.clone());
            }
        }
        Ok(found)
    }

    /// All names and tensors, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.0.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// All names and tensors, by name.
    pub fn into_map(self) -> BTreeMap<String, Tensor> {
        self.0
    }

    /// The same with the weights of linear layers in another precision, so that their products are computed in it; norms,
    /// biases and position tables stay as they are.
    ///
    /// # Errors
    /// If the device does not have that precision.
    pub fn with_products_in(self, dtype: DType) -> Result<Self> {
        let product = |name: &str, t: &Tensor| name.ends_with(".weight") && t.rank() >= 2 && !name.contains("cpb_mlp");
        let all = self.0.into_iter();
        all.map(|(name, t)| if product(&name, &t) { Ok((name, t.to_dtype(dtype)?)) } else { Ok((name, t)) }).collect()
    }

    /// Initial tensors of a specification.
    ///
    /// # Errors
    /// If the device refuses.
    pub fn initial(specs: &[TensorSpec], seed: u64, purpose: &str, device: &Device) -> Result<Self> {
        specs.iter().map(|spec| Ok((spec.name.clone(), spec.initial(seed, purpose, device)?))).collect()
    }
}

impl FromIterator<(String, Tensor)> for Tensors {
    fn from_iter<I: IntoIterator<Item = (String, Tensor)>>(items: I) -> Self {
        Self(items.into_iter().collect())
    }
}
