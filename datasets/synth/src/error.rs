//! What can go wrong in making a set.

use std::{io, path::PathBuf};

use copl_datasets::avsbench::MaskError;

use crate::names::MANIFEST;

#[derive(Debug, thiserror::Error)]
pub enum SynthError {
    #[error("option {0}")]
    Option(String),
    #[error("cannot start {}: {source}; ffmpeg with libx264 is needed to make videos", ffmpeg.display())]
    Start { ffmpeg: PathBuf, source: io::Error },
    #[error("ffmpeg ({status}) could not write {}: {said}", out.display())]
    Encode { out: PathBuf, status: String, said: String },
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{}: {source}", path.display())]
    Manifest { path: PathBuf, source: serde_json::Error },
    #[error("{} holds files but no {}: it is no synthetic set, and is left alone; choose another folder", out.display(), MANIFEST)]
    Foreign { out: PathBuf },
    #[error("{} holds another synthetic set ({why}); choose another folder, or ask for a rebuild to replace it", out.display())]
    Other { out: PathBuf, why: String },
    #[error("cannot write {}: {source}", path.display())]
    Wav { path: PathBuf, source: hound::Error },
    #[error("cannot write {}: {source}", path.display())]
    Picture { path: PathBuf, source: png::EncodingError },
    #[error(transparent)]
    Mask(#[from] MaskError),
    #[error("a worker stopped before its clip was done")]
    Worker,
}
