//! What can go wrong with a text encoder, in words a user can act on.

use std::path::{Path, PathBuf};

/// Result of every fallible call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Errors of text encoders.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A tensor operation failed.
    #[error("tensor operation failed: {0}")]
    Tensor(#[from] candle_core::Error),

    /// Where the encoder was to be cannot be understood.
    #[error("`{0}` is neither a folder nor of the form hub:OWNER/NAME")]
    Source(String),

    /// A file of the encoder is not there.
    #[error("the text encoder has no {file} in {place}; {remedy}")]
    Missing {
        /// Which file.
        file: &'static str,
        /// Folder, or repository.
        place: String,
        /// What to do.
        remedy: String,
    },

    /// A file cannot be read, or is not what its name says.
    #[error("{path}: {reason}")]
    BadFile {
        /// The file.
        path: PathBuf,
        /// Why it is refused.
        reason: String,
    },

    /// Weights cannot be read or are others, or the network cannot be computed.
    #[error(transparent)]
    Network(#[from] copl_networks::Error),

    /// A text cannot be split into tokens.
    #[error("the text `{text}` has no tokens: {reason}")]
    Text {
        /// The text.
        text: String,
        /// Why.
        reason: String,
    },
}

/// Turns an error of a file into ours.
pub(crate) fn bad_file<E: std::fmt::Display>(path: &Path) -> impl FnOnce(E) -> Error + '_ {
    move |reason| Error::BadFile { path: path.to_path_buf(), reason: reason.to_string() }
}
