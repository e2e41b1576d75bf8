//! The cache as its users meet it; the "decoder" here only makes bytes.

use std::sync::atomic::AtomicUsize;
use std::thread;

use super::*;
use crate::error::{BadClip, ReasonCode, Stage};

const BIG: u64 = 1 << 30;

fn array(fill: u8, length: usize) -> Array {
    Array::from_u8(vec![length], vec![fill; length], vec![format!("filled with {fill}")])
}

fn clip(dir: &Path, name: &str, content: &[u8]) -> PathBuf {
    let path = dir.join(name);
    fs::write(&path, content).unwrap();
    path
}

fn only_entry(folder: &Path) -> PathBuf {
    let mut files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let entry = files.next().unwrap();
    assert!(files.next().is_none());
    entry
}

fn folder_size(folder: &Path) -> u64 {
    fs::read_dir(folder).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum()
}

#[test]
fn a_clip_is_decoded_once_for_each_content_and_setting() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("cache");
    let cache = Cache::open(&folder, BIG).unwrap();
    let one = clip(dir.path(), "one.mp4", b"one");
    let get = |cache: &Cache, path: &Path, settings: &str, fill| {
        cache.get_or(path, settings, || Ok(array(fill, 8))).unwrap().bytes[0]
    };
    assert_eq!(get(&cache, &one, "size 8", 1), 1);
    assert_eq!(get(&cache, &one, "size 8", 9), 1, "a hit");
    assert_eq!(get(&cache, &one, "size 16", 2), 2, "other settings");
    let moved = dir.path().join("moved.mp4");
    fs::rename(&one, &moved).unwrap();
    assert_eq!(get(&cache, &moved, "size 8", 9), 1, "the content counts, not the name");
    let reopened = Cache::open(&folder, BIG).unwrap();
    assert_eq!(get(&reopened, &moved, "size 8", 9), 1);
    assert_eq!(reopened.get_or(&moved, "size 8", || Ok(array(9, 8))).unwrap().notes, ["filled with 1"]);
    fs::write(&moved, b"overwritten").unwrap();
    assert_eq!(get(&reopened, &moved, "size 8", 3), 3, "new content under the old name");
    assert_eq!(cache.counts(), CacheCounts { hits: 2, misses: 2, ..CacheCounts::default() });
}

#[test]
fn a_damaged_entry_is_decoded_again() {
    for damage in ["cut", "flip", "hollow", "swap"] {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("cache");
        let cache = Cache::open(&folder, BIG).unwrap();
        let path = clip(dir.path(), "a.mp4", b"a");
        cache.get_or(&path, "s", || Ok(array(1, 1000))).unwrap();
        let entry = only_entry(&folder);
        let mut bytes = fs::read(&entry).unwrap();
        match damage {
            "cut" => bytes.truncate(bytes.len() / 2),
            "flip" => bytes[500] ^= 4,
            "hollow" => bytes.fill(0),
            _ => bytes.clear(),
        }
        fs::write(&entry, bytes).unwrap();
        let again = cache.get_or(&path, "s", || Ok(array(2, 1000))).unwrap();
        assert_eq!(again, array(2, 1000), "{damage}");
        assert_eq!(cache.counts().damaged, 1, "{damage}");
        assert_eq!(cache.get_or(&path, "s", || panic!("cached")).unwrap(), array(2, 1000));
    }
}

#[test]
fn the_folder_stays_within_its_bound_and_keeps_what_was_used_last() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("cache");
    let bound = 20_000;
    let cache = Cache::open(&folder, bound).unwrap();
    let favourite = clip(dir.path(), "favourite.mp4", b"favourite");
    cache.get_or(&favourite, "s", || Ok(array(0, 1000))).unwrap();
    for number in 0..60 {
        let path = clip(dir.path(), "other.mp4", format!("other {number:04}").as_bytes());
        cache.get_or(&path, &format!("s{number}"), || Ok(array(1, 1000))).unwrap();
        assert!(folder_size(&folder) <= bound);
        thread::sleep(std::time::Duration::from_millis(5));
        cache.get_or(&favourite, "s", || panic!("evicted although just used")).unwrap();
    }
    assert!(cache.counts().evicted >= 40);
    let path = clip(dir.path(), "large.mp4", b"large");
    cache.get_or(&path, "s", || Ok(array(1, 30_000))).unwrap();
    assert_eq!(cache.counts().not_stored, 1, "larger than the whole cache: used, not kept");
    let smaller = Cache::open(&folder, 5_000).unwrap();
    assert!(folder_size(&folder) <= 5_000 && smaller.counts().evicted > 0);
}

#[test]
fn failures_are_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(&dir.path().join("cache"), BIG).unwrap();
    let path = clip(dir.path(), "a.mp4", b"a");
    let bad = || Err(BadClip::new(Stage::Video, ReasonCode::Timeout, "slow").into());
    assert!(cache.get_or(&path, "s", bad).is_err());
    assert_eq!(cache.get_or(&path, "s", || Ok(array(1, 3))).unwrap(), array(1, 3));
}

#[test]
fn many_threads_and_caches_share_a_folder() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("cache");
    let paths: Vec<_> = (0..10).map(|number| clip(dir.path(), &format!("{number}.mp4"), &[number as u8; 9])).collect();
    let decoded = AtomicUsize::new(0);
    thread::scope(|scope| {
        for worker in 0..8 {
            let (folder, paths, decoded) = (&folder, &paths, &decoded);
            scope.spawn(move || {
                // Each thread has a cache of its own, as each process would; room for about 6 of 10 entries.
                let cache = Cache::open(folder, 7_000).unwrap();
                for turn in 0..200 {
                    let number = (turn * 7 + worker * 3) % 10;
                    let array = cache.get_or(&paths[number], "s", || {
                        decoded.fetch_add(1, Ordering::Relaxed);
                        Ok(array(number as u8, 1000))
                    });
                    assert_eq!(array.unwrap(), self::array(number as u8, 1000));
                }
                assert_eq!(cache.counts().damaged, 0, "no half-written entry was ever seen");
            });
        }
    });
    assert!(decoded.load(Ordering::Relaxed) < 1600);
}
