//! Media that mean harm, in a whole run: each is given up within its limits, with a reason, and the others go on.

#![allow(clippy::disallowed_methods, reason = "files of a test")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::{alone, mini_run, run_folder, text, tiny_ave};
use copl_reports::tables::Table;
use nix::sys::stat::Mode;

/// A copy of the tiny AVE, and the names of its training clips.
fn copy(work: &Path) -> (PathBuf, Vec<String>) {
    let data = work.join("data");
    fs::create_dir_all(data.join("AVE")).unwrap();
    for entry in ["", "AVE"].iter().flat_map(|folder| fs::read_dir(tiny_ave().join(folder)).unwrap()) {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::copy(&path, data.join(path.strip_prefix(tiny_ave()).unwrap())).unwrap();
        }
    }
    let train = fs::read_to_string(data.join("trainSet.txt")).unwrap();
    let ids = train.lines().filter_map(|line| line.split('&').nth(1)).filter(|id| *id != "VideoID");
    (data.clone(), ids.map(str::to_owned).collect())
}

#[test]
fn hostile_media_are_given_up_within_their_limits() {
    let _alone = alone();
    let work = tempfile::tempdir().unwrap();
    let (data, ids) = copy(work.path());
    let place = |n: usize| {
        let path = data.join("AVE").join(format!("{}.mp4", ids[n]));
        fs::remove_file(&path).unwrap();
        path
    };
    // A pipe nobody writes to: opening it would wait for ever.
    nix::unistd::mkfifo(&place(0), Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
    // A few kilobytes whose index states a table of gigabytes.
    copl_media::testing::write_swelling(&work.path().join("swelling.mov"), 400_000_000).unwrap();
    fs::copy(work.path().join("swelling.mov"), place(1)).unwrap();
    // A play list that names another file of the machine.
    fs::write(place(2), "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n")
        .unwrap();
    // A terabyte of nothing, which takes no room on the disk.
    fs::File::create(place(3)).unwrap().set_len(1 << 40).unwrap();
    let begun = Instant::now();
    let set = ["--epochs", "1", "--set", "source.MAX_BAD_FRACTION=0.6", "--set", "video.TIMEOUT_SECS=20"];
    let done = mini_run(&data, work.path(), &set).output().unwrap();
    assert!(done.status.success(), "{}", text(&done));
    assert!(begun.elapsed() < Duration::from_secs(120), "it took {:?}", begun.elapsed());
    let quarantine = copl_reports::read(&run_folder(work.path()), Table::Quarantine).unwrap();
    let texts = |name: &str| -> Vec<String> {
        let column = quarantine.column(name).unwrap();
        (0..quarantine.height()).map(|i| column.get(i).unwrap().to_string().trim_matches('"').to_owned()).collect()
    };
    let reasons: BTreeMap<String, String> = texts("clip").into_iter().zip(texts("reason")).collect();
    let reason = |n: usize| {
        let found = reasons.iter().find(|(clip, _)| clip.starts_with(ids[n].as_str()));
        found.map_or_else(|| panic!("{} is not in {reasons:?}", ids[n]), |(_, reason)| reason.as_str())
    };
    assert_eq!((reason(0), reason(2), reason(3)), ("not_a_file", "not_media", "oversized"));
    assert!(["oversized", "decode_error", "no_audio"].contains(&reason(1)), "{reasons:?}");
    assert_eq!(reasons.len(), 4, "{reasons:?}");
    assert_eq!(copl_reports::read(&run_folder(work.path()), Table::Samples).unwrap().height(), 16);
}

#[test]
fn a_clip_that_links_out_of_the_data_root_is_refused_before_anything_starts() {
    let _alone = alone();
    let work = tempfile::tempdir().unwrap();
    let (data, ids) = copy(work.path());
    let path = data.join("AVE").join(format!("{}.mp4", ids[0]));
    fs::rename(&path, work.path().join("elsewhere.mp4")).unwrap();
    symlink(work.path().join("elsewhere.mp4"), &path).unwrap();
    let done = mini_run(&data, work.path(), &["--epochs", "1"]).output().unwrap();
    assert_eq!(done.status.code(), Some(4), "{}", text(&done));
    assert!(text(&done).contains("outside the data root"), "{}", text(&done));
}
