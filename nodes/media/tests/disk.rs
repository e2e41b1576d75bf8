//! The clip cache on a full disk, and in a process that is killed while it writes.

#![allow(clippy::disallowed_methods, reason = "files of a test")]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use copl_media::{Array, Cache, MediaError};
use copl_testing::{disk::SmallDisk, kill};

/// Of one clip.
trait One {
    fn get_or(
        &self,
        clip: &Path,
        settings: &str,
        decode: impl FnOnce() -> Result<Array, MediaError>,
    ) -> Result<Array, MediaError>;
}

impl One for Cache {
    fn get_or(
        &self,
        clip: &Path,
        settings: &str,
        decode: impl FnOnce() -> Result<Array, MediaError>,
    ) -> Result<Array, MediaError> {
        self.get_or_all(&[clip], settings, |_| vec![decode()]).remove(0)
    }
}

/// An array that says by its bytes which one it is.
fn array(number: u8, bytes: usize) -> Array {
    Array::from_u8(vec![bytes], vec![number; bytes], Vec::new())
}

fn clip(folder: &Path, number: u8) -> PathBuf {
    let path = folder.join(format!("{number}.mp4"));
    if !path.exists() {
        fs::write(&path, [number; 9]).unwrap();
    }
    path
}

fn entries(folder: &Path) -> HashMap<PathBuf, Vec<u8>> {
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|end| end == "clip"));
    files.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

#[test]
fn a_full_disk_costs_time_and_leaves_the_old_entries_whole() {
    let Some(small) = SmallDisk::mount(2 << 20).unwrap() else { return };
    let clips = tempfile::tempdir().unwrap();
    let folder = small.path().join("cache");
    let cache = Cache::open(&folder, 1 << 30).unwrap();
    let old = cache.get_or(&clip(clips.path(), 1), "s", || Ok(array(1, 300_000))).unwrap();
    let before = entries(&folder);
    let ballast = small.fill(100_000).unwrap();
    let new = cache.get_or(&clip(clips.path(), 2), "s", || Ok(array(2, 300_000))).unwrap();
    assert_eq!(new, array(2, 300_000), "the result is used though it cannot be kept");
    assert_eq!(cache.counts().not_stored, 1);
    assert_eq!(entries(&folder), before, "nothing half-written has an entry's name");
    let left: Vec<_> = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(left.len(), 1, "what could not be finished is taken away: {left:?}");
    assert_eq!(cache.get_or(&clip(clips.path(), 1), "s", || panic!("it was kept")).unwrap(), old);
    // Room again, and it is kept.
    fs::remove_file(ballast).unwrap();
    cache.get_or(&clip(clips.path(), 2), "s", || Ok(array(2, 300_000))).unwrap();
    assert_eq!(cache.get_or(&clip(clips.path(), 2), "s", || panic!("it was kept")).unwrap(), new);
    assert_eq!(cache.counts().damaged, 0);
}

#[test]
fn a_writer_that_is_killed_leaves_whole_entries() {
    const NAME: &str = "a_writer_that_is_killed_leaves_whole_entries";
    if let Some(folder) = kill::writer() {
        let cache = Cache::open(&folder.join("cache"), 8 << 20).unwrap();
        for number in (0..40).cycle() {
            let path = clip(&folder, number);
            cache.get_or(&path, "s", || Ok(array(number, 400_000))).unwrap();
            kill::ready();
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let mut seen = 0;
    kill::each(NAME, folder.path(), 30, |time| {
        let cache = Cache::open(&folder.path().join("cache"), 8 << 20).unwrap();
        for number in 0..40 {
            let path = folder.path().join(format!("{number}.mp4"));
            if !path.exists() {
                break;
            }
            // The clip itself may be the file that was cut short.
            if fs::read(&path).unwrap() != [number; 9] {
                fs::remove_file(&path).unwrap();
                continue;
            }
            cache.get_or(&path, "s", || Ok(array(number, 400_000))).unwrap();
        }
        let counts = cache.counts();
        assert_eq!(counts.damaged, 0, "after kill {time} an entry was damaged");
        seen += counts.hits;
    });
    assert!(seen >= 30, "only {seen} entries were ever looked at");
}
