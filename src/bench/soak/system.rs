//! What the system tells of processes, shared memory and folders, from /proc and /dev/shm.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::doctor::in_bytes;

const SHARED: &str = "/dev/shm";

/// A process at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Process {
    /// Resident memory in bytes.
    pub(super) memory: u64,
    /// The most it ever had.
    pub(super) peak_memory: u64,
    /// Open file handles.
    pub(super) handles: u64,
    /// Files in shared memory that it maps.
    pub(super) shared: BTreeSet<PathBuf>,
}

fn folder(pid: u32) -> PathBuf {
    Path::new("/proc").join(pid.to_string())
}

/// A process; none if it is gone, or is not ours to look at.
pub(super) fn process(pid: u32) -> Option<Process> {
    let status = fs::read_to_string(folder(pid).join("status")).ok()?;
    let handles = fs::read_dir(folder(pid).join("fd")).ok()?.count() as u64;
    let maps = fs::read_to_string(folder(pid).join("maps")).ok()?;
    // A process that has ended but was not collected has no memory.
    let memory = in_bytes(&status, "VmRSS")?;
    Some(Process { memory, peak_memory: in_bytes(&status, "VmHWM")?, handles, shared: shared_of(&maps) })
}

/// The files in shared memory among the maps of a process, those without a name left out.
fn shared_of(maps: &str) -> BTreeSet<PathBuf> {
    let paths = maps.lines().filter_map(|line| Some(&line[line.find(SHARED)?..]));
    paths.filter(|path| !path.ends_with(" (deleted)")).map(PathBuf::from).collect()
}

/// Process ids of all processes.
fn all() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_string_lossy().parse().ok())
}

/// Processes with this variable in the environment they were started with: a run and all that it started, wherever they
/// are now. Those that have ended but were not collected have none any more.
pub(super) fn with_variable(name: &str, value: &str) -> Vec<u32> {
    let wanted = format!("{name}={value}");
    let has = |pid: &u32| {
        fs::read(folder(*pid).join("environ"))
            .is_ok_and(|all| all.split(|b| *b == 0).any(|variable| variable == wanted.as_bytes()))
    };
    all().filter(has).collect()
}

/// This user's files in shared memory.
pub(super) fn shared() -> BTreeSet<PathBuf> {
    let Ok(user) = fs::metadata("/proc/self").map(|own| own.uid()) else { return BTreeSet::new() };
    let entries = fs::read_dir(SHARED).into_iter().flatten().flatten();
    let ours = entries.filter(|e| e.metadata().is_ok_and(|meta| meta.is_file() && meta.uid() == user));
    ours.map(|e| e.path()).collect()
}

/// Those of these files in shared memory that no process maps.
pub(super) fn dead(files: &BTreeSet<PathBuf>) -> BTreeSet<PathBuf> {
    let mut dead: BTreeSet<PathBuf> = files.iter().filter(|file| file.exists()).cloned().collect();
    for pid in all() {
        if dead.is_empty() {
            break;
        }
        if let Ok(maps) = fs::read_to_string(folder(pid).join("maps")) {
            shared_of(&maps).iter().for_each(|file| {
                dead.remove(file);
            });
        }
    }
    dead
}

/// Bytes that files take in memory or on disk; one that is gone takes none.
pub(super) fn bytes<'a>(files: impl IntoIterator<Item = &'a PathBuf>) -> u64 {
    files.into_iter().filter_map(|file| fs::metadata(file).ok()).map(|meta| meta.blocks() * 512).sum()
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "files of a test")]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_by_its_keys() {
        let status = "Name:\tcopl\nVmPeak:\t   9 kB\nVmHWM:\t     4 kB\nVmRSS:\t     2 kB\n";
        assert_eq!(
            (in_bytes(status, "VmRSS"), in_bytes(status, "VmHWM"), in_bytes(status, "VmSwap")),
            (Some(2048), Some(4096), None)
        );
    }

    #[test]
    fn shared_files_are_found_among_the_maps() {
        let maps = "7f00-7f01 r--p 0 00:00 1 /usr/lib/libc.so\n7f02-7f03 rw-s 0 00:1a 7 /dev/shm/a.zenoh\n\
                    7f04-7f05 rw-s 0 00:1a 8 /dev/shm/b.zenoh (deleted)\n7f06-7f07 rw-p 0 00:00 0\n";
        assert_eq!(shared_of(maps), BTreeSet::from([PathBuf::from("/dev/shm/a.zenoh")]));
    }

    #[test]
    fn a_file_is_alive_while_a_process_maps_it() {
        let path = PathBuf::from(SHARED).join(format!("copl-soak-test-{}", std::process::id()));
        fs::write(&path, [1; 8192]).unwrap();
        let files = BTreeSet::from([path.clone()]);
        assert!(shared().contains(&path));
        assert_eq!((dead(&files), bytes(&files)), (files.clone(), 8192));
        fs::remove_file(&path).unwrap();
        assert!(dead(&files).is_empty());
        assert_eq!(bytes(&files), 0);
    }

    #[test]
    fn this_process_has_memory_and_handles_and_a_child_is_found_by_its_variable() {
        let own = process(std::process::id()).unwrap();
        assert!(own.memory > 0 && own.peak_memory >= own.memory && own.handles >= 3, "{own:?}");
        let value = std::process::id().to_string();
        let mut child = std::process::Command::new("sleep").arg("60").env("COPL_SOAK_TEST", &value).spawn().unwrap();
        // A process that has just begun may not show its variables yet.
        let found = || Some(with_variable("COPL_SOAK_TEST", &value)).filter(|found| !found.is_empty());
        let wait = || std::thread::sleep(std::time::Duration::from_millis(10));
        let found = (0..500)
            .find_map(|_| {
                found().or_else(|| {
                    wait();
                    None
                })
            })
            .unwrap_or_default();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(found, [child.id()]);
        assert_eq!((with_variable("COPL_SOAK_TEST", &value), process(child.id())), (Vec::new(), None));
    }
}
