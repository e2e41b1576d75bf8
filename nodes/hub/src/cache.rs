//! Where a file lies in the cache: blobs by checksum, snapshots of commits that point at them, refs that name commits.

use std::fs;
use std::path::{Path, PathBuf};

use hf_hub::{Cache, CacheRepo};

use crate::error::{Result, io};
use crate::file::HubFile;
use crate::settings::Settings;

/// Where a file lies in the cache, if it is there. Nothing is asked of the network.
pub fn cached(settings: &Settings, file: &HubFile) -> Option<PathBuf> {
    // A revision that is a commit has no ref; its snapshot is found by its name.
    let by_commit = repo(settings, file).pointer_path(&file.revision).join(&file.file);
    let by_ref = repo(settings, file).get(&file.file);
    by_ref.or(Some(by_commit)).filter(|path| path.is_file())
}

/// Bytes of downloads of this repository that were cut.
pub fn partial_bytes(settings: &Settings, file: &HubFile) -> u64 {
    let blobs = repo(settings, file).blob_path("");
    let entries = fs::read_dir(blobs).into_iter().flatten().flatten();
    let parts = entries.filter(|e| e.path().extension().is_some_and(|e| e == "incomplete"));
    parts.filter_map(|e| e.metadata().ok()).map(|m| m.len()).sum()
}

pub(crate) fn repo(settings: &Settings, file: &HubFile) -> CacheRepo {
    Cache::new(settings.cache.clone()).repo(file.repo())
}

/// The paths a download uses.
pub(crate) struct Places {
    /// The content, by its checksum.
    pub(crate) blob: PathBuf,
    /// What has come so far; huggingface_hub resumes from the same file.
    pub(crate) partial: PathBuf,
    /// Held while the partial file is written.
    pub(crate) lock: PathBuf,
    /// The file by its name, pointing at the content.
    pub(crate) pointer: PathBuf,
}

impl Places {
    pub(crate) fn new(settings: &Settings, file: &HubFile, etag: &str, commit: &str) -> Self {
        let repo = repo(settings, file);
        let folder = file.repo().folder_name();
        Self {
            blob: repo.blob_path(etag),
            partial: repo.blob_path(&format!("{etag}.incomplete")),
            lock: settings.cache.join(".locks").join(folder).join(format!("{etag}.lock")),
            pointer: repo.pointer_path(commit).join(&file.file),
        }
    }

    /// Names the content: a relative link, as other tools make it, so that a cache can be moved.
    pub(crate) fn publish(&self, file: &HubFile) -> Result<()> {
        make_parent(&self.pointer)?;
        if same(&self.pointer, &self.blob) {
            return Ok(());
        }
        match fs::remove_file(&self.pointer) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(io(&self.pointer)(e)),
            _ => {}
        }
        // From snapshots/COMMIT/FOLDERS/NAME up to the repository, then down to the content.
        let up = "../".repeat(file.file.matches('/').count() + 2);
        let name = self.blob.file_name().unwrap_or_default();
        let target = Path::new(&up).join("blobs").join(name);
        link(&target, &self.blob, &self.pointer).map_err(io(&self.pointer))
    }
}

#[cfg(unix)]
fn link(target: &Path, _: &Path, pointer: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(target, pointer)
}

#[cfg(not(unix))]
fn link(_: &Path, blob: &Path, pointer: &Path) -> std::io::Result<()> {
    fs::hard_link(blob, pointer)
}

fn same(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

pub(crate) fn make_parent(path: &Path) -> Result<()> {
    match path.parent() {
        Some(parent) => fs::create_dir_all(parent).map_err(io(parent)),
        None => Ok(()),
    }
}
