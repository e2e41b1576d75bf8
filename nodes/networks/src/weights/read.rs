//! Strict reading: the tensors that are expected, all of them and no others, as `f32`.

use std::path::Path;

use candle_core::{DType, Device};

use super::contents::{Open, wrapper};
use super::names::check_names;
use super::spec::TensorSpec;
use super::tensors::Tensors;
use crate::error::{Result, bad_file};

/// What a stored name means.
pub enum Stored {
    /// A tensor to read, under this name.
    Keep(String),
    /// A tensor to read under this name as one of this shape: the same numbers in the same order.
    Reshape(String, Vec<usize>),
    /// No weight; skipped.
    Ignore,
}

impl Stored {
    /// Name and shape of a tensor stored with `shape`; none if it is no weight. A shape of other numbers stays as it is, to be
    /// told of.
    pub fn of_shape(self, shape: &[usize]) -> Option<(String, Vec<usize>)> {
        match self {
            Self::Ignore => None,
            Self::Keep(name) => Some((name, shape.to_vec())),
            Self::Reshape(name, other) if other.iter().product::<usize>() == shape.iter().product::<usize>() => {
                Some((name, other))
            }
            Self::Reshape(name, _) => Some((name, shape.to_vec())),
        }
    }
}

/// Reads a file, safetensors or PyTorch's, as `f32` tensors that match `expected` exactly. `rename` says what each stored
/// name means, after prefixes that wrappers leave on all of them (`module.`, `sed_model.`) are taken off.
///
/// # Errors
/// If the file cannot be read, or its tensors differ from the expected.
pub fn read_strict(
    path: &Path,
    expected: &[TensorSpec],
    rename: impl Fn(&str, &[&str]) -> Stored,
    device: &Device,
) -> Result<Tensors> {
    let mut file = Open::new(path)?;
    let contents = file.contents();
    let stored: Vec<&str> = contents.shapes.iter().map(|(name, _)| name.as_str()).collect();
    let wanted: Vec<&str> = expected.iter().map(|spec| spec.name.as_str()).collect();
    let prefix = wrapper(&stored, &wanted);
    let bare: Vec<&str> = stored.iter().map(|name| &name[prefix.len()..]).collect();
    let mut kept: Vec<(String, &str, Vec<usize>)> = Vec::new();
    for (name, (whole, shape)) in bare.iter().zip(&contents.shapes) {
        if let Some((name, shape)) = rename(name, &bare).of_shape(shape) {
            kept.push((name, whole, shape));
        }
    }
    let keys: String = contents.keys.iter().map(|key| format!(" [{key}]")).collect();
    let origin = format!("{}{keys}", path.display());
    check_names(&origin, kept.iter().map(|(name, _, shape)| (name.as_str(), shape.as_slice())), expected)?;
    kept.into_iter().map(|(name, whole, shape)| Ok((name, file.load(whole, device)?.reshape(shape)?))).collect()
}

/// As [`read_strict`], from bytes inside the program.
///
/// # Errors
/// If the bytes are no safetensors, or their tensors differ from the expected.
pub fn read_embedded(origin: &str, bytes: &[u8], expected: &[TensorSpec], device: &Device) -> Result<Tensors> {
    let path = Path::new(origin);
    let tensors = candle_core::safetensors::load_buffer(bytes, device).map_err(bad_file(path))?;
    check_names(origin, tensors.iter().map(|(name, t)| (name.as_str(), t.dims())), expected)?;
    tensors.into_iter().map(|(name, t)| Ok((name, t.to_dtype(DType::F32)?))).collect()
}
