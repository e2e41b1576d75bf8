//! Sizes asked of the system: file systems, memory, folders.

use std::path::Path;

use nix::sys::statvfs::statvfs;

/// Bytes in all and bytes free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Space {
    pub(super) size: u64,
    pub(super) free: u64,
}

/// The file system that holds `path`; `None` if there is no such path.
pub(super) fn space(path: &Path) -> Option<Space> {
    let stat = statvfs(path).ok()?;
    Some(Space { size: stat.blocks() * stat.fragment_size(), free: stat.blocks_available() * stat.fragment_size() })
}

/// Memory of the machine, and what is available without swapping.
pub(super) fn total_memory() -> Option<Space> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    Some(Space { size: in_bytes(&text, "MemTotal")?, free: in_bytes(&text, "MemAvailable")? })
}

/// A line of /proc/meminfo or of a process's status in bytes: `MemTotal:       16384 kB`.
pub(crate) fn in_bytes(text: &str, key: &str) -> Option<u64> {
    let rest = text.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix(':'))?;
    rest.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
}

/// Instruction sets of the processor, as /proc/cpuinfo names them.
pub(super) fn processor_flags() -> Vec<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let flags = text.lines().find_map(|l| l.strip_prefix("flags")?.split_once(':'));
    flags.map_or_else(Vec::new, |(_, flags)| flags.split_whitespace().map(str::to_owned).collect())
}

/// Bytes of the files in a folder and its folders; what cannot be read counts nothing.
pub(crate) fn size_of_folder(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => size_of_folder(&entry.path()),
            Ok(meta) => meta.len(),
            Err(_) => 0,
        })
        .sum()
}

/// Bytes as gibibytes, or mebibytes where that says more.
pub(super) fn gib(bytes: u64) -> String {
    let mib = bytes as f64 / f64::from(1 << 20);
    if mib < 1024.0 { format!("{mib:.0} MiB") } else { format!("{:.1} GiB", mib / 1024.0) }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "files of a test")]
mod tests {
    use super::*;

    #[test]
    fn the_root_has_a_size_and_no_place_has_none() {
        assert!(space(Path::new("/")).is_some_and(|s| s.size > 0 && s.free <= s.size));
        assert_eq!(space(Path::new("/no/such/place")), None);
    }

    #[test]
    fn memory_is_read_by_its_whole_key() {
        let text = "MemTotal:       2048 kB\nMemAvailableX: 1 kB\nMemAvailable:   1024 kB\n";
        assert_eq!((in_bytes(text, "MemTotal"), in_bytes(text, "MemAvailable")), (Some(2 << 20), Some(1 << 20)));
        assert_eq!(in_bytes(text, "SwapTotal"), None);
    }

    #[test]
    fn folders_are_summed_with_their_folders() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("a")).unwrap();
        std::fs::write(dir.path().join("a/b"), [0; 700]).unwrap();
        std::fs::write(dir.path().join("c"), [0; 300]).unwrap();
        assert_eq!(size_of_folder(dir.path()), 1000);
        assert_eq!((gib(3 << 29), gib(5 << 20)), ("1.5 GiB".to_owned(), "5 MiB".to_owned()));
    }
}
