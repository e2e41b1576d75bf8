//! Shared memory that a killed dataflow leaves behind.
//!
//! dora's transport keeps its segments in `/dev/shm`; a process killed by SIGKILL cannot remove its own.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const FOLDER: &str = "/dev/shm";

/// What lay in shared memory at some time.
#[derive(Debug)]
pub struct Snapshot(BTreeSet<PathBuf>);

fn segments() -> BTreeSet<PathBuf> {
    let Ok(entries) = std::fs::read_dir(FOLDER) else { return BTreeSet::new() };
    entries.flatten().map(|e| e.path()).filter(|p| is_ours(p)).collect()
}

fn is_ours(path: &Path) -> bool {
    path.file_name().is_some_and(|n| n.to_string_lossy().contains("zenoh"))
}

/// Whether another process maps this file. Our own engine may, but it is done.
fn in_use(path: &Path) -> bool {
    let own = std::process::id().to_string();
    let Ok(processes) = std::fs::read_dir("/proc") else { return true };
    let name = path.display().to_string();
    processes
        .flatten()
        .filter(|p| p.file_name().to_string_lossy().bytes().all(|b| b.is_ascii_digit()))
        .filter(|p| *p.file_name().to_string_lossy() != *own)
        .any(|p| std::fs::read_to_string(p.path().join("maps")).is_ok_and(|maps| maps.contains(&name)))
}

impl Snapshot {
    /// Now.
    pub fn take() -> Self {
        Self(segments())
    }

    /// Removes the segments that came since and that no process maps; returns how many.
    pub fn clean(&self) -> usize {
        segments()
            .difference(&self.0)
            .filter(|path| !in_use(path))
            .filter(|path| std::fs::remove_file(path).is_ok())
            .count()
    }
}
