//! Which kind of file holds the weights, by its first bytes; names and endings are not asked.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::Serialize;

use crate::error::{Error, Result, io};

/// A kind of file this crate reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// A JSON header and raw numbers.
    Safetensors,
    /// `torch.save` since PyTorch 1.6: a zip archive with a pickle and one entry a storage.
    PyTorch,
}

impl Format {
    /// The kind of a file.
    ///
    /// # Errors
    /// If the file cannot be read or is of no kind that holds weights; the message says what it looks like.
    pub fn of(path: &Path) -> Result<Self> {
        let mut head = Vec::new();
        File::open(path).map_err(io(path))?.take(512).read_to_end(&mut head).map_err(io(path))?;
        Self::of_bytes(&head).map_err(|reason| Error::BadFile { path: path.to_path_buf(), reason })
    }

    fn of_bytes(head: &[u8]) -> Result<Self, String> {
        if head.starts_with(b"PK\x03\x04") {
            return Ok(Self::PyTorch);
        }
        // Eight bytes of length, then a JSON object.
        if head.get(8) == Some(&b'{') {
            return Ok(Self::Safetensors);
        }
        let text = String::from_utf8_lossy(head).trim_start().to_lowercase();
        Err(if head.is_empty() {
            "the file is empty".to_owned()
        } else if head.starts_with(b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19") {
            format!("a checkpoint of PyTorch before 1.6, one long pickle without an archive; {CONVERT}")
        } else if matches!(head, [0x80, 2..=5, ..]) {
            format!("a bare pickle, no archive of torch.save; {CONVERT}")
        } else if head.starts_with(b"\x89HDF") {
            "an HDF5 file; weights are read from safetensors and from PyTorch's archives".to_owned()
        } else if text.starts_with("version https://git-lfs") {
            "a git-lfs pointer instead of the file itself: fetch it with `git lfs pull`, or `copl weights pull`"
                .to_owned()
        } else if text.starts_with("<!doctype html") || text.starts_with("<html") {
            "a web page instead of the file: the download asked a question or failed; fetch it again in a browser"
                .to_owned()
        } else {
            "neither safetensors nor an archive of torch.save".to_owned()
        })
    }
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Safetensors => "safetensors",
            Self::PyTorch => "PyTorch",
        })
    }
}

/// How a file that is not read becomes one that is.
pub(super) const CONVERT: &str = "where its origin is trusted, convert it in Python: import torch; \
    d = torch.load('FILE', map_location='cpu', weights_only=True); torch.save(d.get('state_dict', d), 'weights.pth')";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_apart_by_content() {
        assert_eq!(Format::of_bytes(b"PK\x03\x04...").unwrap(), Format::PyTorch);
        assert_eq!(Format::of_bytes(b"\x10\0\0\0\0\0\0\0{}").unwrap(), Format::Safetensors);
        let said = |head: &[u8]| Format::of_bytes(head).unwrap_err();
        assert!(said(b"").contains("empty"));
        assert!(said(b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.").contains("before 1.6"));
        assert!(said(b"\x80\x04K.").contains("bare pickle") && said(b"\x80\x04K.").contains("torch.save("));
        assert!(said(b"version https://git-lfs.github.com/spec/v1\n").contains("git lfs pull"));
        assert!(said(b"<!DOCTYPE html><html>").contains("web page"));
        assert!(said(b"GIF89a").contains("neither safetensors nor"));
    }
}
