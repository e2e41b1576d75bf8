//! PyTorch's checkpoints (`torch.save` since 1.6) as data.
//!
//! The file is a zip archive: `NAME/data.pkl`, a pickle that describes the objects, and `NAME/data/KEY`, one entry of raw
//! numbers a storage. [`machine`] reads the pickle without running anything; [`state`] finds the tensors in what it
//! describes; this file reads their numbers. Candle's own reader is not used: it copies what a pickle mentions twice, so
//! that a few hundred bytes can fill the memory, panics on short arguments, and skips what it does not understand.
//!
//! What is refused: a call of anything but the constructors of data in [`machine`], storages longer or shorter than their
//! entry, tensors beyond their storage or with more numbers than it has, compressed entries, big-endian files, TorchScript.

mod machine;
mod state;
mod stored;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use zip::ZipArchive;

use self::stored::Stored;
use crate::error::{Error, Result, bad_file, io};

/// Longest pickle that is read: names and options take kilobytes, optimizer states a few megabytes.
const PICKLE_BYTES: u64 = 64 << 20;

/// An open checkpoint.
pub(super) struct PickleFile {
    path: PathBuf,
    archive: ZipArchive<BufReader<File>>,
    /// Name of the archive's folder, with its slash.
    folder: String,
    keys: Vec<String>,
    tensors: BTreeMap<String, Stored>,
}

impl PickleFile {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let refuse = |reason: String| Error::BadFile { path: path.to_path_buf(), reason };
        let file = BufReader::new(File::open(path).map_err(io(path))?);
        let archive = ZipArchive::new(file).map_err(bad_file(path))?;
        let names: Vec<String> = archive
            .file_names()
            .map(|name| name.map(std::borrow::Cow::into_owned))
            .collect::<Result<_, _>>()
            .map_err(bad_file(path))?;
        let mut folders = names.iter().filter_map(|name| name.strip_suffix("data.pkl"));
        let folder = match (folders.next(), folders.next()) {
            (Some(folder), None) => folder.to_owned(),
            (None, _) => {
                return Err(refuse(
                    "a zip archive without data.pkl: not made by torch.save, or unpack it first".into(),
                ));
            }
            _ => return Err(refuse("an archive with several data.pkl".to_owned())),
        };
        if names.iter().any(|name| *name == format!("{folder}constants.pkl")) {
            return Err(refuse(
                "a TorchScript archive: in Python, torch.save(torch.jit.load(FILE).state_dict(), 'weights.pth')".into(),
            ));
        }
        let mut this = Self { path: path.to_path_buf(), archive, folder, keys: Vec::new(), tensors: BTreeMap::new() };
        let order = format!("{}byteorder", this.folder);
        if names.contains(&order) && this.entry(&order, 16)? != b"little" {
            return Err(refuse("numbers in big-endian order: save it on a little-endian machine".to_owned()));
        }
        let pickle = this.entry(&format!("{}data.pkl", this.folder), PICKLE_BYTES)?;
        let objects = machine::read(&pickle).map_err(refuse)?;
        (this.keys, this.tensors) = state::tensors(&objects).map_err(refuse)?;
        for (name, stored) in &this.tensors {
            stored.verify().map_err(|reason| refuse(format!("tensor {name}: {reason}")))?;
        }
        Ok(this)
    }

    /// Keys the tensors lie under.
    pub(super) fn keys(&self) -> &[String] {
        &self.keys
    }

    /// Names and shapes, by name.
    pub(super) fn shapes(&self) -> Vec<(String, Vec<usize>)> {
        self.tensors.iter().map(|(name, stored)| (name.clone(), stored.shape.clone())).collect()
    }

    /// A tensor as `f32`.
    pub(super) fn load(&mut self, name: &str, device: &Device) -> Result<Tensor> {
        let stored = self.tensors.get(name).cloned().ok_or_else(|| self.refuse(format!("no tensor {name}")))?;
        let entry = format!("{}data/{}", self.folder, stored.entry);
        let size = (stored.numbers * stored.kind.bytes()) as u64;
        let bytes = self.entry(&entry, size)?;
        if bytes.len() as u64 != size {
            return Err(self.refuse(format!("{entry} has {} bytes, its description says {size}", bytes.len())));
        }
        let count: usize = stored.shape.iter().product();
        let values = if stored.is_contiguous() {
            let width = stored.kind.bytes();
            stored.kind.decode(&bytes[stored.offset * width..(stored.offset + count) * width])?
        } else {
            let all = stored.kind.decode(&bytes)?;
            (0..count).map(|index| all[stored.position(index)]).collect()
        };
        Ok(Tensor::from_vec(values, stored.shape.as_slice(), device)?)
    }

    /// An entry's bytes; it may have `most` at most.
    fn entry(&mut self, name: &str, most: u64) -> Result<Vec<u8>> {
        let path = &self.path;
        let refuse = |reason: String| Error::BadFile { path: path.clone(), reason };
        let entry = self.archive.by_name(name).map_err(|e| refuse(format!("{name}: {e}")))?;
        if entry.compression() != zip::CompressionMethod::Stored {
            return Err(refuse(format!("{name} is compressed; torch.save never compresses")));
        }
        if entry.size() > most {
            return Err(refuse(format!("{name} has {} bytes, {most} at most were expected", entry.size())));
        }
        let mut bytes = Vec::new();
        entry.take(most).read_to_end(&mut bytes).map_err(io(path))?;
        Ok(bytes)
    }

    fn refuse(&self, reason: String) -> Error {
        Error::BadFile { path: self.path.clone(), reason }
    }
}

impl Stored {
    /// Refuses a tensor that is not inside its storage, and one that claims more numbers than are stored.
    fn verify(&self) -> Result<(), String> {
        if self.shape.len() != self.strides.len() {
            return Err(format!("shape {:?} and strides {:?}", self.shape, self.strides));
        }
        let claims = self.shape.iter().try_fold(1_usize, |product, n| product.checked_mul(*n));
        if claims.is_none_or(|claims| claims > self.numbers) {
            return Err(format!("shape {:?} claims more numbers than the {} stored", self.shape, self.numbers));
        }
        if self.numbers.checked_mul(self.kind.bytes()).is_none_or(|bytes| bytes > isize::MAX as usize) {
            return Err(format!("a storage of {} numbers", self.numbers));
        }
        let last = self
            .shape
            .iter()
            .zip(&self.strides)
            .try_fold(self.offset, |last, (n, stride)| last.checked_add(n.saturating_sub(1).checked_mul(*stride)?));
        let end = if claims == Some(0) { Some(self.offset) } else { last.and_then(|last| last.checked_add(1)) };
        match end {
            Some(end) if end <= self.numbers => Ok(()),
            _ => Err(format!("shape {:?} reaches beyond the {} numbers stored", self.shape, self.numbers)),
        }
    }

    fn is_contiguous(&self) -> bool {
        let mut step = 1;
        self.shape.iter().zip(&self.strides).rev().all(|(n, stride)| {
            let fits = *n == 1 || *stride == step;
            step *= n;
            fits
        })
    }

    /// Where the tensor's number at a row-major index lies in the storage.
    fn position(&self, mut index: usize) -> usize {
        let mut position = self.offset;
        for (n, stride) in self.shape.iter().zip(&self.strides).rev() {
            position += index % n * stride;
            index /= n;
        }
        position
    }
}
