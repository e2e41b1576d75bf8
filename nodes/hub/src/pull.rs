//! Bringing a file into the cache: whole, checked, and only then under its name. Written here on ureq, since the download of
//! hf-hub does none of the three (see the head of this crate).

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::cache::{Places, cached, make_parent, repo};
use crate::error::{Error, Result, io};
use crate::file::HubFile;
use crate::settings::Settings;
use crate::transfer::{Client, Remote, lost};

/// What happens while a file is brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// It is known what comes.
    Begun {
        /// Bytes in all, if the hub says.
        bytes: Option<u64>,
        /// Bytes that are here from an earlier attempt.
        kept: u64,
    },
    /// So many bytes are here.
    Received(u64),
    /// The connection was lost, and is made again.
    Retrying(String),
    /// Another process brings the same file; it is waited for.
    Waiting,
    /// All is here, and its checksum is computed.
    Checking,
}

/// A file that is in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// Where it lies.
    pub path: PathBuf,
    /// Bytes.
    pub bytes: u64,
    /// Hexadecimal SHA-256 of its content.
    pub sha256: String,
    /// Whether the hub vouches for that checksum; it does not where a file is small or a mirror hides it.
    pub vouched: bool,
    /// Whether it came now.
    pub fresh: bool,
}

/// Brings a file into the cache, going on where an earlier attempt was cut.
///
/// # Errors
/// If the hub cannot be reached, knows no such file, refuses, or sends what it did not promise; if the cache cannot be
/// written. What has come is kept for the next attempt unless it is wrong.
pub fn pull(settings: &Settings, file: &HubFile, progress: &mut dyn FnMut(Progress)) -> Result<Pulled> {
    if settings.offline {
        let path = cached(settings, file)
            .ok_or_else(|| Error::Offline { file: file.to_string(), cache: settings.cache.clone() })?;
        let (sha256, bytes) = checksum(&path)?;
        return Ok(Pulled { path, bytes, sha256, vouched: false, fresh: false });
    }
    let client = Client::new(settings);
    let remote = client.describe(file)?;
    let places = Places::new(settings, file, &remote.etag, &remote.commit);
    make_parent(&places.lock)?;
    make_parent(&places.blob)?;
    let _lock = lock(&places.lock, progress)?;
    let here = if places.blob.is_file() {
        progress(Progress::Checking);
        check(file, &remote, &places.blob).ok()
    } else {
        None
    };
    let fresh = here.is_none();
    let (sha256, bytes) = match here {
        Some(found) => found,
        None => {
            receive(&client, settings, file, &remote, &places.partial, progress)?;
            progress(Progress::Checking);
            let found = check(file, &remote, &places.partial).inspect_err(|_| {
                // Nothing can be made of it; if it cannot be removed, the next attempt finds it wrong again.
                let _ = fs::remove_file(&places.partial);
            })?;
            fs::rename(&places.partial, &places.blob).map_err(io(&places.blob))?;
            found
        }
    };
    places.publish(file)?;
    repo(settings, file).create_ref(&remote.commit).map_err(io(&settings.cache))?;
    Ok(Pulled { path: places.pointer, bytes, sha256, vouched: is_sha256(&remote.etag), fresh })
}

/// One process at a time writes a partial file.
fn lock(path: &Path, progress: &mut dyn FnMut(Progress)) -> Result<File> {
    let file = File::create(path).map_err(io(path))?;
    if file.try_lock().is_err() {
        progress(Progress::Waiting);
        file.lock().map_err(io(path))?;
    }
    Ok(file)
}

/// Brings all bytes into the partial file; a lost connection is made again while it brings anything.
fn receive(
    client: &Client<'_>,
    settings: &Settings,
    file: &HubFile,
    remote: &Remote,
    partial: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<()> {
    let mut out = File::options().create(true).append(true).open(partial).map_err(io(partial))?;
    let mut have = out.metadata().map_err(io(partial))?.len();
    if remote.size.is_some_and(|size| have > size) {
        out.set_len(0).map_err(io(partial))?;
        have = 0;
    }
    progress(Progress::Begun { bytes: remote.size, kept: have });
    let mut failures = 0;
    while remote.size.is_none_or(|size| have < size) {
        let before = have;
        match go_on(client, file, remote, &mut out, &mut have, partial, progress) {
            Ok(()) if remote.size.is_none_or(|size| have >= size) => break,
            Err(error) if !matches!(error, Error::Connection { .. }) => return Err(error),
            outcome => {
                let url = file.url(&settings.endpoint, &remote.commit);
                let error = outcome.err().unwrap_or_else(|| lost(&url, &"the connection was closed early", have));
                failures = if have > before { 1 } else { failures + 1 };
                if failures >= settings.attempts {
                    return Err(error);
                }
                progress(Progress::Retrying(error.to_string()));
                std::thread::sleep(settings.pause * 2_u32.pow(failures.min(6) - 1));
            }
        }
    }
    out.sync_all().map_err(io(partial))
}

/// One connection's worth of bytes, from where the partial file ends.
fn go_on(
    client: &Client<'_>,
    file: &HubFile,
    remote: &Remote,
    out: &mut File,
    have: &mut u64,
    partial: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<()> {
    let part = client.fetch(file, remote, *have)?;
    if part.start != *have {
        out.set_len(part.start).map_err(io(partial))?;
        *have = part.start;
    }
    let mut body = part.body.into_reader();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = match body.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(lost(&remote.commit_url(file), &e, *have)),
        };
        out.write_all(&buffer[..count]).map_err(io(partial))?;
        *have += count as u64;
        progress(Progress::Received(*have));
        if remote.size.is_some_and(|size| *have > size) {
            // More than was promised: the check that follows says so.
            return Ok(());
        }
    }
}

impl Remote {
    /// Repository, commit and file, for messages.
    fn commit_url(&self, file: &HubFile) -> String {
        format!("{}@{}/{}", file.repo, self.commit, file.file)
    }
}

/// Compares size and checksum with what the hub says; (SHA-256, bytes).
fn check(file: &HubFile, remote: &Remote, path: &Path) -> Result<(String, u64)> {
    let (sha256, bytes) = checksum(path)?;
    let wrong =
        |what, found: String, expected: String| Error::Checksum { file: file.to_string(), what, found, expected };
    match remote.size {
        Some(size) if size != bytes => return Err(wrong("size in bytes", bytes.to_string(), size.to_string())),
        _ => {}
    }
    if is_sha256(&remote.etag) && remote.etag != sha256 {
        return Err(wrong("SHA-256", sha256, remote.etag.clone()));
    }
    Ok((sha256, bytes))
}

/// Large files are named by SHA-256, small ones by a hash of git's.
fn is_sha256(etag: &str) -> bool {
    etag.len() == 64 && etag.chars().all(|c| c.is_ascii_hexdigit() && !c.is_ascii_uppercase())
}

fn checksum(path: &Path) -> Result<(String, u64)> {
    let mut file = File::open(path).map_err(io(path))?;
    let mut hash = Sha256::new();
    let bytes = std::io::copy(&mut file, &mut hash).map_err(io(path))?;
    Ok((hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect(), bytes))
}
