//! What can go wrong in this crate, said in words a user can act on.

use std::path::PathBuf;

/// Result of every fallible call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Errors of encoders, methods, heads, training and files.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A tensor operation failed (shape, device or data type).
    #[error("tensor operation failed: {0}")]
    Tensor(#[from] candle_core::Error),

    /// A setting has a word that is not one of its values.
    #[error("{setting} is '{given}', expected one of: {expected}")]
    UnknownWord {
        /// Which setting.
        setting: &'static str,
        /// What was given.
        given: String,
        /// The valid words.
        expected: String,
    },

    /// Settings that do not go together, or a number out of range.
    #[error("{0}")]
    Config(String),

    /// An encoder's weights are needed, no file was named, and none is found.
    #[error("encoder '{preset}' has no weights on this machine: {remedy}; or say 'random'")]
    NoWeights {
        /// The encoder's preset name.
        preset: String,
        /// Which command gets them, or which file is wanted.
        remedy: String,
    },

    /// A tensor file does not hold exactly what is expected.
    #[error(transparent)]
    Names(#[from] NameMismatch),

    /// A checkpoint belongs to another method or to other encoders.
    #[error("{path}: checkpoint was made with {what} {found}, this model has {expected}")]
    OtherModel {
        /// The checkpoint's card.
        path: PathBuf,
        /// What differs.
        what: String,
        /// As written in the card.
        found: String,
        /// As this model has it.
        expected: String,
    },

    /// An encoder elsewhere, or the model that uses it, said something that does not belong here.
    #[error("segments: {0}")]
    Segments(String),

    /// A tensor given by a caller has another shape than documented.
    #[error("{what} has shape {found:?}, expected {expected}")]
    Shape {
        /// Which tensor.
        what: String,
        /// Its shape.
        found: Vec<usize>,
        /// The documented shape.
        expected: String,
    },

    /// Reading or writing a file failed.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },

    /// A file is not what its name says.
    #[error("{path}: {reason}")]
    BadFile {
        /// The file.
        path: PathBuf,
        /// Why it is refused.
        reason: String,
    },

    /// A feature that this crate knows of but does not have yet.
    #[error("{0} is not supported yet")]
    Unsupported(String),
}

/// The three ways a set of named tensors can differ from what is expected. Nothing is filled in silently.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct NameMismatch {
    /// File or other origin, for the message.
    pub origin: String,
    /// Expected, but absent.
    pub missing: Vec<String>,
    /// Present, but unknown.
    pub unexpected: Vec<String>,
    /// `name: found shape, expected shape`.
    pub misshaped: Vec<String>,
}

impl NameMismatch {
    /// True when nothing differs.
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty() && self.misshaped.is_empty()
    }
}

impl std::error::Error for NameMismatch {}

impl std::fmt::Display for NameMismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: tensors do not match", self.origin)?;
        for (what, names) in
            [("missing", &self.missing), ("unexpected", &self.unexpected), ("mis-shaped", &self.misshaped)]
        {
            if names.is_empty() {
                continue;
            }
            write!(f, "\n  {what} ({}):", names.len())?;
            for name in names {
                write!(f, "\n    {name}")?;
            }
        }
        Ok(())
    }
}

/// Turns a file system error into ours, with the path it concerns.
pub fn io(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Error + '_ {
    move |source| Error::Io { path: path.to_path_buf(), source }
}

/// Turns a parsing error into ours, with the path it concerns.
pub fn bad_file<E: std::fmt::Display>(path: &std::path::Path) -> impl FnOnce(E) -> Error + '_ {
    move |reason| Error::BadFile { path: path.to_path_buf(), reason: reason.to_string() }
}
