//! The cache as its users meet it; the "decoder" here only makes bytes.

#![allow(clippy::disallowed_methods, reason = "files of a test")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::*;
use crate::error::{BadClip, ReasonCode, Stage};

const BIG: u64 = 1 << 30;

impl Cache {
    fn get_or(
        &self,
        clip: &Path,
        settings: &str,
        decode: impl FnOnce() -> Result<Array, MediaError>,
    ) -> Result<Array, MediaError> {
        self.get_or_all(&[clip], settings, |missing| {
            assert_eq!(missing, [clip]);
            vec![decode()]
        })
        .remove(0)
    }
}

#[test]
fn of_several_clips_those_that_are_not_there_are_decoded_together() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(&dir.path().join("cache"), BIG).unwrap();
    let clips: Vec<PathBuf> =
        ["one", "two", "three", "four"].map(|name| clip(dir.path(), name, name.as_bytes())).into();
    cache.get_or(&clips[1], "s", || Ok(array(2, 8))).unwrap();
    let paths: Vec<&Path> = clips.iter().map(PathBuf::as_path).collect();
    let bad = || BadClip::new(Stage::Video, ReasonCode::Truncated, "cut".to_owned()).into();
    let fills = |results: Vec<Result<Array, MediaError>>| -> Vec<Option<u8>> {
        results.into_iter().map(|result| result.ok().map(|array| array.bytes[0])).collect()
    };
    let first = cache.get_or_all(&paths, "s", |missing| {
        assert_eq!(missing, [paths[0], paths[2], paths[3]]);
        vec![Ok(array(1, 8)), Err(bad()), Ok(array(4, 8))]
    });
    assert_eq!(fills(first), [Some(1), Some(2), None, Some(4)]);
    let again = cache.get_or_all(&paths, "s", |missing| {
        assert_eq!(missing, [paths[2]], "a failure is not kept");
        vec![Ok(array(3, 8))]
    });
    assert_eq!(fills(again), [Some(1), Some(2), Some(3), Some(4)]);
}

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
    let favourite = clip(dir.path(), "favourite.mp4", b"favourite");
    Cache::open(&folder, bound).unwrap().get_or(&favourite, "s", || Ok(array(0, 1000))).unwrap();
    let mut evicted = 0;
    for number in 0..60 {
        // A run of its own each: what others left makes room, but for what this one has asked for.
        let cache = Cache::open(&folder, bound).unwrap();
        cache.get_or(&favourite, "s", || panic!("evicted although used last")).unwrap();
        // Time passes: a second epoch.
        cache.end_pass(1);
        cache.end_pass(2);
        let path = clip(dir.path(), "other.mp4", format!("other {number:04}").as_bytes());
        cache.get_or(&path, &format!("s{number}"), || Ok(array(1, 1000))).unwrap();
        assert!(folder_size(&folder) <= bound);
        thread::sleep(std::time::Duration::from_millis(5));
        cache.get_or(&favourite, "s", || panic!("evicted although just used")).unwrap();
        evicted += cache.counts().evicted;
    }
    assert!(evicted >= 40);
    let cache = Cache::open(&folder, bound).unwrap();
    let path = clip(dir.path(), "large.mp4", b"large");
    cache.get_or(&path, "s", || Ok(array(1, 30_000))).unwrap();
    assert_eq!(cache.counts().not_stored, 1, "larger than the whole cache: used, not kept");
    let smaller = Cache::open(&folder, 5_000).unwrap();
    assert!(folder_size(&folder) <= 5_000 && smaller.counts().evicted > 0);
}

/// Reads a set of clips as a run does, epoch by epoch, in an order that changes; hits of each epoch.
fn epochs(cache: &Cache, clips: &[PathBuf], epochs: std::ops::Range<usize>) -> Vec<u64> {
    epochs
        .map(|epoch| {
            for number in 0..clips.len() {
                let path = &clips[(number * 7 + epoch * 3) % clips.len()];
                cache.get_or(path, "s", || Ok(array(1, 1000))).unwrap();
            }
            cache.end_pass(epoch as u32).counts.hits
        })
        .collect()
}

fn set(dir: &Path, name: &str, clips: usize) -> Vec<PathBuf> {
    (0..clips).map(|number| clip(dir, &format!("{name}{number}"), format!("{name} {number}").as_bytes())).collect()
}

#[test]
fn of_a_set_larger_than_the_room_the_part_that_is_in_stays() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("cache");
    // Room for 20 to 23 of 40 clips, and for one of another set that no one asks for any more.
    let bound = 26_000;
    let old = set(dir.path(), "old", 10);
    epochs(&Cache::open(&folder, bound).unwrap(), &old, 1..2);
    let clips = set(dir.path(), "new", 40);
    let cache = Cache::open(&folder, bound).unwrap();
    let hits = epochs(&cache, &clips, 1..5);
    assert_eq!(hits[0], 0);
    assert!(hits[1..].iter().all(|hits| *hits >= 20), "an epoch finds what the one before left: {hits:?}");
    assert_eq!(cache.counts().evicted, 10, "what no one asked for made room");
    assert!(folder_size(&folder) <= bound);
    // A second run finds it too, from its first clip on.
    let again = epochs(&Cache::open(&folder, bound).unwrap(), &clips, 1..4);
    assert!(again.iter().all(|hits| *hits >= 19), "{again:?}");
}

#[test]
fn two_runs_that_share_the_room_keep_their_parts() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("cache");
    let sets = ["one", "two"].map(|name| set(dir.path(), name, 30));
    let caches = [0, 1].map(|_| Cache::open(&folder, 30_000).unwrap());
    let mut hits = [0, 0];
    for epoch in 1..6 {
        for ((hits, cache), clips) in hits.iter_mut().zip(&caches).zip(&sets) {
            *hits = epochs(cache, clips, epoch..epoch + 1)[0];
        }
    }
    // 26 entries fit, and neither run throws out what the other goes on using.
    assert!(hits[0] + hits[1] >= 22, "{hits:?}");
    assert!(folder_size(&folder) <= 32_000, "the second notices late what the first has written");
}

#[test]
fn a_pass_tells_what_was_saved_what_gave_way_and_what_does_not_fit() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("cache");
    let old = set(dir.path(), "old", 5);
    epochs(&Cache::open(&folder, 12_000).unwrap(), &old, 1..2);
    let clips = set(dir.path(), "new", 15);
    let cache = Cache::open(&folder, 12_000).unwrap();
    for path in &clips {
        cache.get_or(path, "s", || Ok(array(1, 1000))).unwrap();
    }
    let first = cache.end_pass(1);
    let size = fs::metadata(fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path()).unwrap().len();
    let fit = 12_000 / size;
    let expected =
        CacheCounts { misses: 15, evicted: 5, not_stored: 15 - fit, no_room: 15 - fit, ..CacheCounts::default() };
    assert_eq!(first.counts, expected);
    assert_eq!((first.needed_bytes, first.wanted_max_bytes), (15 * size, 15 * size));
    assert!(first.is_worth_a_warning());
    let text = "clip cache: 0 clips were in it, 15 were decoded; 5 that no run has asked for lately made room; 5 do not fit: \
                this node's clips need 0.01 GiB, CACHE_MAX_GIB would have to be 0.01";
    assert_eq!(first.to_string(), text.replace("; 5 do", &format!("; {} do", 15 - fit)));
    for path in &clips {
        cache.get_or(path, "s", || Ok(array(1, 1000))).unwrap();
    }
    let second = cache.end_pass(2);
    assert_eq!((second.counts.hits, second.counts.misses, second.counts.evicted), (fit, 15 - fit, 0));
    // With the room that was asked for, all fits.
    let larger = Cache::open(&folder, second.wanted_max_bytes).unwrap();
    epochs(&larger, &clips, 1..2);
    let report = epochs(&larger, &clips, 2..3);
    assert_eq!(report, [15]);
    assert!(!larger.end_pass(3).is_worth_a_warning());
}

#[test]
fn pictures_are_stored_in_fewer_bytes_and_come_back_bit_for_bit() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("cache");
    let cache = Cache::open(&folder, BIG).unwrap();
    // Two pictures of 40 x 30 with slopes, as pictures have, and a little noise.
    let noise = |at: usize| (at.wrapping_mul(2_654_435_761) >> 13) as u8 & 7;
    let slopes: Vec<u8> = (0..2 * 30 * 40 * 3).map(|at| ((at / 3 % 40) * 4 + at / 120) as u8 ^ noise(at)).collect();
    let mut state = 1_u32;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let wild: Vec<u8> = (0..2 * 30 * 40 * 3).map(|_| random()).collect();
    for (name, values, is_smaller) in [("slopes", slopes, true), ("wild", wild, false)] {
        let pictures = Array::from_u8(vec![2, 30, 40, 3], values.clone(), vec!["a note".to_owned()]);
        let path = clip(dir.path(), name, name.as_bytes());
        let before = folder_size(&folder);
        cache.get_or(&path, "s", || Ok(pictures.clone())).unwrap();
        assert_eq!(cache.get_or(&path, "s", || panic!("cached")).unwrap(), pictures);
        let stored = folder_size(&folder) - before;
        assert_eq!(stored < values.len() as u64 * 3 / 4, is_smaller, "{name}: {stored} bytes");
        assert!(stored < values.len() as u64 + 300);
    }
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
