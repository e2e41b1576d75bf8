//! Safetensors files, mapped into memory.
//!
//! The crate verifies the header: at most 100 MB and within the file, UTF-8 and JSON, tensors that lie side by side from
//! the first byte to the last without holes or overlaps, and lengths that are shape x type. What it lets pass is a sum of
//! lengths beyond 64 bits, which wraps to the file's length; [`verify`] closes that before anything is mapped.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use candle_core::safetensors::MmapedSafetensors;
use candle_core::{DType, Device, Tensor};
use serde::Deserialize;
use serde_json::Value;

use crate::error::{Error, Result, bad_file, io};

/// Longest header, as the crate has it.
const HEADER_BYTES: u64 = 100_000_000;

/// An open file.
pub(super) struct SafetensorsFile {
    path: PathBuf,
    file: MmapedSafetensors,
}

impl SafetensorsFile {
    pub(super) fn open(path: &Path) -> Result<Self> {
        verify(path)?;
        // SAFETY: the map is read and dropped while the caller holds this; a file that another program cuts short meanwhile
        // would be a fault of the system's, as with any mapped file.
        let file = unsafe { MmapedSafetensors::new(path) }.map_err(bad_file(path))?;
        Ok(Self { path: path.to_path_buf(), file })
    }

    /// Names and shapes, by name.
    pub(super) fn shapes(&self) -> Vec<(String, Vec<usize>)> {
        let mut all: Vec<_> =
            self.file.tensors().into_iter().map(|(name, view)| (name, view.shape().to_vec())).collect();
        all.sort();
        all
    }

    /// A tensor as `f32`.
    pub(super) fn load(&self, name: &str, device: &Device) -> Result<Tensor> {
        let tensor = self.file.load(name, device).map_err(bad_file(&self.path))?;
        Ok(tensor.to_dtype(DType::F32)?)
    }
}

#[derive(Deserialize)]
struct Entry {
    data_offsets: (u64, u64),
}

/// Refuses a header whose tensors do not lie in the file.
fn verify(path: &Path) -> Result<()> {
    let refuse = |reason: String| Error::BadFile { path: path.to_path_buf(), reason };
    let mut file = File::open(path).map_err(io(path))?;
    let length = file.metadata().map_err(io(path))?.len();
    let mut count = [0; 8];
    file.read_exact(&mut count).map_err(io(path))?;
    let count = u64::from_le_bytes(count);
    if count > HEADER_BYTES || count > length.saturating_sub(8) {
        return Err(refuse(format!("its header claims {count} bytes, of {length} in the file")));
    }
    let mut header = Vec::new();
    file.take(count).read_to_end(&mut header).map_err(io(path))?;
    let header: BTreeMap<String, Value> =
        serde_json::from_slice(&header).map_err(|e| refuse(format!("its header is no JSON object: {e}")))?;
    let room = length - 8 - count;
    for (name, entry) in header.into_iter().filter(|(name, _)| name != "__metadata__") {
        let Entry { data_offsets: (start, end) } =
            Entry::deserialize(entry).map_err(|e| refuse(format!("tensor {name}: {e}")))?;
        if start > end || end > room {
            return Err(refuse(format!("tensor {name} lies at bytes {start} to {end}, of {room}")));
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "files of a test")]
mod tests {
    use super::*;

    fn refused(header: &str, data: usize) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.safetensors");
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.resize(bytes.len() + data, 0);
        std::fs::write(&path, bytes).unwrap();
        match SafetensorsFile::open(&path) {
            Ok(file) => panic!("{:?}", file.shapes()),
            Err(error) => error.to_string(),
        }
    }

    fn entry(name: &str, shape: &str, start: u64, end: u64) -> String {
        format!(r#""{name}":{{"dtype":"F32","shape":{shape},"data_offsets":[{start},{end}]}}"#)
    }

    #[test]
    fn tensors_outside_the_file_or_over_each_other_are_refused() {
        let one = |text: String| format!("{{{text}}}");
        assert!(refused(&one(entry("a", "[2]", 0, 8)), 4).contains("tensor a lies at bytes 0 to 8, of 4"));
        assert!(refused(&one(entry("a", "[3]", 0, 8)), 8).contains("invalid shape"));
        let overlapping = format!("{},{}", entry("a", "[2]", 0, 8), entry("b", "[2]", 4, 12));
        assert!(refused(&one(overlapping), 12).contains("invalid offset for tensor `b`"));
        let hole = format!("{},{}", entry("a", "[1]", 0, 4), entry("b", "[1]", 8, 12));
        assert!(refused(&one(hole), 12).contains("invalid offset for tensor `b`"));
        assert!(refused(&one(entry("a", "[1]", 0, 4)), 8).contains("not fully covered"));
        assert!(refused("{\"a\":1}", 0).contains("tensor a"));
        assert!(refused("[1]", 0).contains("no JSON object"));
    }

    #[test]
    fn lengths_that_wrap_around_are_refused() {
        // Eight tensors of 2^61 - 4 bytes and one of 32 - n: their sum is 2^64 - n.
        let size = (1_u64 << 61) - 4;
        let mut entries: Vec<String> =
            (0..7).map(|i| entry(&format!("t{i}"), &format!("[{}]", size / 4), size * i, size * (i + 1))).collect();
        entries.push(entry("t7", &format!("[{}]", size / 4), size * 7, size * 8));
        let last = size.wrapping_mul(8);
        entries.push(entry("t8", "[2]", last, last + 8));
        assert!(refused(&format!("{{{}}}", entries.join(",")), 8).contains("tensor t0 lies at"));
    }

    #[test]
    fn a_header_longer_than_the_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.safetensors");
        std::fs::write(&path, [&u64::MAX.to_le_bytes()[..], b"{}"].concat()).unwrap();
        let error = SafetensorsFile::open(&path).err().unwrap().to_string();
        assert!(error.contains("claims 18446744073709551615 bytes, of 10"), "{error}");
    }
}
