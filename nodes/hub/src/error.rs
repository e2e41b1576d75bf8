//! Why a file of the hub cannot be had, in words a user can act on.

use std::path::PathBuf;

/// Result of every fallible call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a file cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The network is not to be used.
    #[error(
        "{file} is not in {cache}, and HF_HUB_OFFLINE forbids the network: unset HF_HUB_OFFLINE, or point HF_HOME or \
         HF_HUB_CACHE at a cache that has it"
    )]
    Offline {
        /// What is wanted.
        file: String,
        /// The cache that was looked into.
        cache: PathBuf,
    },
    /// There is no such repository, revision or file.
    #[error("{url}: the hub knows no such file ({reason})")]
    NotFound {
        /// Its address.
        url: String,
        /// The hub's word.
        reason: String,
    },
    /// The hub wants to know who asks, or refuses.
    #[error(
        "{url}: the hub answers {reason}: either there is no such repository, or it is private or gated: put a token that \
         may read it in HF_TOKEN, and accept its terms on its page"
    )]
    Denied {
        /// The address.
        url: String,
        /// Status and the hub's word.
        reason: String,
    },
    /// The hub's answer is none of the above.
    #[error("{url}: {reason}")]
    Answer {
        /// The address.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The hub cannot be reached, or the connection was lost too often.
    #[error(
        "{url}: {reason}{}; HF_ENDPOINT names another hub, HTTPS_PROXY a proxy",
        if *kept > 0 { format!("; {kept} bytes are kept: the same command goes on from there") } else { String::new() }
    )]
    Connection {
        /// The address.
        url: String,
        /// What happened.
        reason: String,
        /// Bytes on disk.
        kept: u64,
    },
    /// What came is not what the hub promised.
    #[error("{file}: {what} is {found}, the hub says {expected}: what came was thrown away; pull it again")]
    Checksum {
        /// The file.
        file: String,
        /// Its SHA-256 or size.
        what: &'static str,
        /// As computed.
        found: String,
        /// As promised.
        expected: String,
    },
    /// The cache cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
}

/// Turns a file system error into ours, with the path it concerns.
pub(crate) fn io(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Error + '_ {
    move |source| Error::Io { path: path.to_path_buf(), source }
}
