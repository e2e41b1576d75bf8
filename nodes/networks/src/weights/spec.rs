//! What an encoder expects of a weight: name, shape, and how it starts where it is not loaded.

use candle_core::{Device, Tensor};

use crate::error::Result;
use crate::random;

/// How a tensor starts when it is not loaded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    /// Every number the same.
    Constant(f64),
    /// N(0, std²).
    Normal {
        /// Standard deviation.
        std: f64,
    },
    /// U(-bound, bound).
    Uniform {
        /// Largest magnitude.
        bound: f64,
    },
    /// U(0, 1).
    Unit,
}

/// Name, shape and start of a tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct TensorSpec {
    /// Its full name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// How it starts.
    pub init: Init,
}

impl TensorSpec {
    /// A specification.
    pub fn new(name: impl Into<String>, shape: &[usize], init: Init) -> Self {
        Self { name: name.into(), shape: shape.to_vec(), init }
    }

    /// Numbers in the tensor.
    pub fn count(&self) -> usize {
        self.shape.iter().product()
    }

    /// The tensor at its start: a pure function of (seed, purpose, name).
    ///
    /// # Errors
    /// If the device refuses.
    pub fn initial(&self, seed: u64, purpose: &str, device: &Device) -> Result<Tensor> {
        let mut stream = random::Stream::new(seed, &format!("{purpose}/{}", self.name));
        let values: Vec<f32> = match self.init {
            Init::Constant(value) => vec![value as f32; self.count()],
            Init::Normal { std } => (0..self.count()).map(|_| (stream.normal() * std) as f32).collect(),
            Init::Uniform { bound } => (0..self.count()).map(|_| (stream.uniform(-bound, bound)) as f32).collect(),
            Init::Unit => (0..self.count()).map(|_| stream.uniform(0.0, 1.0) as f32).collect(),
        };
        Ok(Tensor::from_vec(values, self.shape.as_slice(), device)?)
    }
}
