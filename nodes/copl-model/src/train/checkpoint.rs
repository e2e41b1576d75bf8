//! Checkpoints of what a method has learned: adapters and head in a safetensors file, and a card in JSON beside it.
//!
//! Frozen encoders are not stored; the card names them and their weights' SHA-256, and a checkpoint is refused for
//! others. A file under its final name is whole: it is written aside, flushed to disk and renamed. Both files of a pair are
//! on disk before either gets its name, so a disk that is full leaves the pair before; a kill between the two names is
//! noticed, for the card, named last, holds the tensors' SHA-256.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};

use crate::config::ModelConfig;
use crate::encoders::EncoderCard;
use crate::error::{Error, Result, bad_file, io};
use crate::model::Model;
use crate::params::ParameterTable;
use crate::weights::{sha256_of_bytes, sha256_of_file};

/// What a checkpoint is, readable by people and programs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// Version of this layout.
    pub version: u32,
    /// Settings of the model.
    pub model: ModelConfig,
    /// Encoders and their weights.
    pub encoders: Vec<EncoderCard>,
    /// Numbers learned, by group.
    pub parameters: BTreeMap<String, usize>,
    /// Numbers learned in all.
    pub trainable: usize,
    /// Hexadecimal SHA-256 of the tensors' file.
    pub tensors_sha256: String,
    /// Results at the time, by name.
    pub metrics: BTreeMap<String, f64>,
}

const VERSION: u32 = 1;

/// The card's path: that of the tensors with the extension `json`.
pub fn card_path(path: &Path) -> PathBuf {
    path.with_extension("json")
}

/// Writes a model's parameters to `path` and its card beside it.
///
/// # Errors
/// If a file cannot be written.
pub fn write_adapters(path: &Path, model: &Model, metrics: &BTreeMap<String, f64>) -> Result<Card> {
    let tensors = serialised(path, &model.parameters().snapshot()?, &BTreeMap::new())?;
    let ParameterTable { rows, trainable, .. } = model.table();
    let card = Card {
        version: VERSION,
        model: model.config().clone(),
        encoders: model.encoders(),
        parameters: rows.into_iter().filter(|row| row.trainable).map(|row| (row.group, row.count)).collect(),
        trainable,
        tensors_sha256: sha256_of_bytes(&tensors),
        metrics: metrics.clone(),
    };
    let target = card_path(path);
    let text = serde_json::to_vec_pretty(&card).map_err(bad_file(&target))?;
    let (tensors, text) = (Aside::write(path, &tensors)?, Aside::write(&target, &text)?);
    tensors.name()?;
    text.name()?;
    Ok(card)
}

/// Reads the card beside a checkpoint.
///
/// # Errors
/// If there is none, or it is of another version.
pub fn read_card(path: &Path) -> Result<Card> {
    let path = card_path(path);
    let card: Card = serde_json::from_slice(&std::fs::read(&path).map_err(io(&path))?).map_err(bad_file(&path))?;
    if card.version != VERSION {
        let reason = format!("card of version {}, this program reads version {VERSION}", card.version);
        return Err(Error::BadFile { path, reason });
    }
    Ok(card)
}

/// Reads a checkpoint into a model of the same method and encoders, strictly.
///
/// # Errors
/// If the pair of files does not belong together, or was made with another method or other encoders, or tensors differ.
pub fn read_adapters(path: &Path, model: &Model) -> Result<Card> {
    let card = read_card(path)?;
    let differs = |what: &str, found: String, expected: String| {
        if found == expected {
            return Ok(());
        }
        Err(Error::OtherModel { path: card_path(path), what: what.to_string(), found, expected })
    };
    differs("method", card.model.method.to_string(), model.config().method.to_string())?;
    let list = |cards: &[EncoderCard]| {
        cards.iter().map(|c| format!("{} {} {}", c.role, c.name, c.weights)).collect::<Vec<_>>().join(", ")
    };
    differs("encoders", list(&card.encoders), list(&model.encoders()))?;
    differs("tensors of SHA-256", sha256_of_file(path)?, card.tensors_sha256.clone())?;
    let (tensors, _) = read_tensors(path, &Device::Cpu)?;
    model.parameters().load(&path.display().to_string(), &tensors)?;
    Ok(card)
}

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
fn serialised(path: &Path, tensors: &BTreeMap<String, Tensor>, metadata: &BTreeMap<String, String>) -> Result<Vec<u8>> {
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
struct Aside<'a> {
    path: &'a Path,
    folder: &'a Path,
    scratch: tempfile::NamedTempFile,
}

impl<'a> Aside<'a> {
    fn write(path: &'a Path, bytes: &[u8]) -> Result<Self> {
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
    fn name(self) -> Result<()> {
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
