//! Safetensors files of named tensors with text metadata. A file under its final name is whole: it is written aside, flushed
//! to disk and renamed.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use safetensors::tensor::{Dtype, TensorView};

use crate::error::{Error, Result, bad_file, io};

/// Writes tensors (f32, i64 or u32) and text metadata to a safetensors file.
///
/// # Errors
/// If the file cannot be written.
pub fn write_tensors(
    path: &Path,
    tensors: &BTreeMap<String, Tensor>,
    metadata: &BTreeMap<String, String>,
) -> Result<()> {
    Aside::write(path, &serialised(path, tensors, metadata)?)?.name()
}

/// The bytes of a safetensors file that will be `path`.
///
/// # Errors
/// If the tensors cannot be read back from their device.
pub fn serialised(
    path: &Path,
    tensors: &BTreeMap<String, Tensor>,
    metadata: &BTreeMap<String, String>,
) -> Result<Vec<u8>> {
    let mut stored = Vec::with_capacity(tensors.len());
    for (name, tensor) in tensors {
        let (dtype, bytes) = bytes_of(tensor)?;
        stored.push((name, dtype, tensor.dims().to_vec(), bytes));
    }
    let views = stored.iter().map(|(name, dtype, shape, bytes)| {
        Ok((name.as_str(), TensorView::new(*dtype, shape.clone(), bytes).map_err(bad_file(path))?))
    });
    let views = views.collect::<Result<Vec<_>>>()?;
    let metadata = (!metadata.is_empty()).then(|| metadata.clone().into_iter().collect());
    safetensors::serialize(views, metadata).map_err(bad_file(path))
}

/// Reads all tensors and the text metadata of a safetensors file.
///
/// # Errors
/// If the file cannot be read or is damaged.
pub fn read_tensors(path: &Path, device: &Device) -> Result<(BTreeMap<String, Tensor>, BTreeMap<String, String>)> {
    let bytes = std::fs::read(path).map_err(io(path))?;
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).map_err(bad_file(path))?;
    let metadata = header.metadata().iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
    let tensors = candle_core::safetensors::load_buffer(&bytes, device).map_err(bad_file(path))?;
    Ok((tensors.into_iter().collect(), metadata))
}

fn bytes_of(tensor: &Tensor) -> Result<(Dtype, Vec<u8>)> {
    let flat = tensor.flatten_all()?;
    Ok(match tensor.dtype() {
        DType::I64 => (Dtype::I64, flat.to_vec1::<i64>()?.iter().flat_map(|x| x.to_le_bytes()).collect()),
        DType::U32 => (Dtype::U32, flat.to_vec1::<u32>()?.iter().flat_map(|x| x.to_le_bytes()).collect()),
        _ => {
            let numbers = flat.to_dtype(DType::F32)?.to_vec1::<f32>()?;
            (Dtype::F32, numbers.iter().flat_map(|x| x.to_le_bytes()).collect())
        }
    })
}

/// A file that is whole and on disk, but has not its name yet; gone where it never gets it.
pub struct Aside<'a> {
    path: &'a Path,
    folder: &'a Path,
    scratch: tempfile::NamedTempFile,
}

impl<'a> Aside<'a> {
    /// Writes the bytes beside `path` and flushes them to disk.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn write(path: &'a Path, bytes: &[u8]) -> Result<Self> {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let mut scratch = readable_by_umask(&mut tempfile::Builder::new()).tempfile_in(folder).map_err(io(path))?;
        scratch.write_all(bytes).map_err(io(path))?;
        scratch.as_file().sync_all().map_err(io(path))?;
        Ok(Self { path, folder, scratch })
    }

    /// Gives it its name, and flushes the folder.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn name(self) -> Result<()> {
        let Self { path, folder, scratch } = self;
        scratch.persist(path).map_err(|error| Error::Io { path: path.to_path_buf(), source: error.error })?;
        std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(io(folder))
    }
}

/// Scratch files are private unless told otherwise; a finished one should be as readable as any file the user makes.
#[cfg(unix)]
fn readable_by_umask<'a, 'b, 'c>(builder: &'a mut tempfile::Builder<'b, 'c>) -> &'a mut tempfile::Builder<'b, 'c> {
    use std::os::unix::fs::PermissionsExt;
    builder.permissions(std::fs::Permissions::from_mode(0o666))
}

#[cfg(not(unix))]
fn readable_by_umask<'a, 'b, 'c>(builder: &'a mut tempfile::Builder<'b, 'c>) -> &'a mut tempfile::Builder<'b, 'c> {
    builder
}
