//! What a file of weights holds, whatever its format.

use std::path::Path;

use candle_core::{Device, Tensor};

use super::format::Format;
use super::pickle::PickleFile;
use super::safetensors::SafetensorsFile;
use crate::error::Result;

/// Names that whole models are stored under when something wraps them: `torch.nn.DataParallel`, the Lightning module of
/// HTS-AT, common trainers.
const PREFIXES: &[&str] = &["module.", "sed_model.", "model.", "net.", "backbone.", "_orig_mod."];

/// Names and shapes of a file's tensors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// Its format.
    pub format: Format,
    /// The keys its tensors lie under, outermost first; for PyTorch files, for example `state_dict`.
    pub keys: Vec<String>,
    /// Every tensor with its shape, by name.
    pub shapes: Vec<(String, Vec<usize>)>,
}

/// Names and shapes of a file's tensors; no number is read.
///
/// # Errors
/// If the file cannot be read, or is neither safetensors nor a sound archive of PyTorch's.
pub fn contents(path: &Path) -> Result<Contents> {
    Ok(Open::new(path)?.contents())
}

/// A file that is open.
pub(super) enum Open {
    Safetensors(SafetensorsFile),
    PyTorch(PickleFile),
}

impl Open {
    pub(super) fn new(path: &Path) -> Result<Self> {
        Ok(match Format::of(path)? {
            Format::Safetensors => Self::Safetensors(SafetensorsFile::open(path)?),
            Format::PyTorch => Self::PyTorch(PickleFile::open(path)?),
        })
    }

    pub(super) fn contents(&self) -> Contents {
        match self {
            Self::Safetensors(file) => {
                Contents { format: Format::Safetensors, keys: Vec::new(), shapes: file.shapes() }
            }
            Self::PyTorch(file) => {
                Contents { format: Format::PyTorch, keys: file.keys().to_vec(), shapes: file.shapes() }
            }
        }
    }

    /// A tensor as `f32`, by its stored name.
    pub(super) fn load(&mut self, name: &str, device: &Device) -> Result<Tensor> {
        match self {
            Self::Safetensors(file) => file.load(name, device),
            Self::PyTorch(file) => file.load(name, device),
        }
    }
}

/// What every name begins with that no expected name begins with: the traces of wrappers.
pub(super) fn wrapper(names: &[&str], expected: &[&str]) -> String {
    let mut wrapper = String::new();
    while let Some(next) = PREFIXES.iter().find(|next| {
        let whole = format!("{wrapper}{next}");
        !names.is_empty()
            && names.iter().all(|name| name.starts_with(&whole))
            && !expected.iter().any(|name| name.starts_with(**next))
    }) {
        wrapper += next;
    }
    wrapper
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrappers_leave_a_prefix_on_every_name() {
        assert_eq!(wrapper(&["module.a", "module.b"], &["a", "b"]), "module.");
        assert_eq!(wrapper(&["module.sed_model.a"], &["a"]), "module.sed_model.");
        assert_eq!(wrapper(&["module.a", "b"], &["a", "b"]), "");
        assert_eq!(wrapper(&["model.a"], &["model.a"]), "", "the model's own name");
        assert_eq!(wrapper(&[], &["a"]), "");
    }
}
