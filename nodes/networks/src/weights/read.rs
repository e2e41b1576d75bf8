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
    /// No weight; skipped.
    Ignore,
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
    let mut kept: Vec<(String, &str)> = Vec::new();
    let mut shapes: Vec<(String, &[usize])> = Vec::new();
    for (name, (whole, shape)) in bare.iter().zip(&contents.shapes) {
        if let Stored::Keep(name) = rename(name, &bare) {
            shapes.push((name.clone(), shape));
            kept.push((name, whole));
        }
    }
    let keys: String = contents.keys.iter().map(|key| format!(" [{key}]")).collect();
    let origin = format!("{}{keys}", path.display());
    check_names(&origin, shapes.iter().map(|(name, shape)| (name.as_str(), *shape)), expected)?;
    kept.into_iter().map(|(name, whole)| Ok((name, file.load(whole, device)?))).collect()
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
