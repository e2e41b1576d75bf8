//! Synthetic sets as files: made with ffmpeg, read back with the reader.

#![allow(clippy::disallowed_methods, reason = "files of a test")]

mod common;

use std::{fs, path::Path};

use common::{decoded, is_whole};
use copl_datasets::{Descriptor, Media, ReadOptions, Split, check};
use copl_media::testing;
use copl_synth::{Progress, SynthError, SynthOptions, SynthSummary};

fn small() -> SynthOptions {
    SynthOptions { train: 8, val: 1, test: 2, width: 64, height: 48, frames_per_sec: 4, jobs: 2, ..SynthOptions::ave() }
}

fn make(out: &Path, options: &SynthOptions) -> Result<SynthSummary, SynthError> {
    copl_synth::ave(out, options, &mut |_| {})
}

fn videos(set: &Path) -> Vec<(String, Vec<u8>)> {
    let mut videos: Vec<_> = fs::read_dir(set.join("AVE"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(path).unwrap()))
        .collect();
    videos.sort();
    videos
}

#[test]
fn a_set_reads_as_an_ave_dataset_of_whole_clips() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("mini");
    let mut heard = Vec::new();
    let summary = copl_synth::ave(&out, &small(), &mut |told| heard.push(told)).unwrap();
    assert_eq!((summary.clips, summary.reused), (11, false));
    assert_eq!(heard, (0..=11).map(|done| Progress::Clips { done, total: 11 }).collect::<Vec<_>>());
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["mini"], "nothing is left beside the set");

    let descriptor = Descriptor::load("ave-mini").unwrap();
    let dataset = descriptor.open(&out, &ReadOptions::default()).unwrap();
    assert_eq!(dataset.classes, descriptor.classes);
    assert_eq!(Split::ALL.map(|split| dataset.split(split).len()), [8, 1, 2]);
    let report = check(&dataset, &descriptor);
    assert!(report.missing.is_empty(), "{report}");
    assert_eq!(report.splits[0].by_category, [1; 8]);
    for clip in &dataset.clips[..2] {
        let Media::Video(video) = &clip.media else { panic!("{clip:?}") };
        is_whole(video);
    }
}

#[test]
fn the_same_options_give_the_same_bytes_whatever_the_number_of_jobs() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    let one = make(&first, &small()).unwrap();
    let two = make(&second, &SynthOptions { jobs: 1, ..small() }).unwrap();
    assert_eq!(one.raw_sha256, two.raw_sha256);
    assert!(videos(&first) == videos(&second), "the video files differ");
    for name in ["Annotations.txt", "trainSet.txt", "valSet.txt", "testSet.txt", "synth.json"] {
        assert_eq!(
            fs::read_to_string(first.join(name)).unwrap(),
            fs::read_to_string(second.join(name)).unwrap(),
            "{name}"
        );
    }
}

#[test]
fn another_seed_gives_other_clips() {
    let folder = tempfile::tempdir().unwrap();
    let one = make(&folder.path().join("one"), &SynthOptions { train: 1, val: 0, test: 0, ..small() }).unwrap();
    let two =
        make(&folder.path().join("two"), &SynthOptions { train: 1, val: 0, test: 0, seed: 1, ..small() }).unwrap();
    assert_ne!(one.raw_sha256, two.raw_sha256);
}

#[test]
fn a_whole_set_is_kept_and_another_one_is_never_overwritten_unasked() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("mini");
    let options = SynthOptions { train: 2, val: 0, test: 1, ..small() };
    let made = make(&out, &options).unwrap();
    let again = make(&out, &options).unwrap();
    assert_eq!(again, SynthSummary { reused: true, ..made.clone() });

    let other = SynthOptions { noise: 9.5, ..options.clone() };
    let error = make(&out, &other).unwrap_err();
    assert!(matches!(error, SynthError::Other { .. }));
    assert!(error.to_string().contains("noise 5.0, now 9.5"), "{error}");
    let objects = copl_synth::objects(&out, &options, &mut |_| {}).unwrap_err().to_string();
    assert!(objects.contains("generator \"ave\", now \"objects\""), "{objects}");

    let rebuilt = make(&out, &SynthOptions { rebuild: true, ..other }).unwrap();
    assert!(!rebuilt.reused && rebuilt.raw_sha256 != made.raw_sha256);
}

#[test]
fn a_damaged_set_is_told_and_can_be_rebuilt() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("mini");
    let options = SynthOptions { train: 2, val: 0, test: 1, ..small() };
    let made = make(&out, &options).unwrap();
    let (lost, _) = videos(&out).swap_remove(0);
    fs::remove_file(out.join("AVE").join(&lost)).unwrap();
    let error = make(&out, &options).unwrap_err().to_string();
    assert!(error.contains("files of 1 clips are missing") && error.contains(lost.trim_end_matches(".mp4")), "{error}");
    let rebuilt = make(&out, &SynthOptions { rebuild: true, ..options }).unwrap();
    assert_eq!(rebuilt, made);
}

#[test]
fn a_folder_with_other_files_is_left_alone_even_by_a_rebuild() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("thesis.tex"), "mine").unwrap();
    let error = make(folder.path(), &SynthOptions { rebuild: true, ..small() }).unwrap_err();
    assert!(matches!(error, SynthError::Foreign { .. }), "{error}");
    assert_eq!(fs::read_to_string(folder.path().join("thesis.tex")).unwrap(), "mine");
}

#[test]
fn failures_leave_nothing_and_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("mini");
    let error = make(&out, &SynthOptions { ffmpeg: "no-such-ffmpeg".into(), ..small() }).unwrap_err().to_string();
    assert!(error.contains("no-such-ffmpeg") && error.contains("libx264"), "{error}");
    let error = make(&out, &SynthOptions { width: 63, ..small() }).unwrap_err().to_string();
    assert!(error.contains("even numbers"), "{error}");
    let error = make(&out, &SynthOptions { clutter: 1.5, ..small() }).unwrap_err().to_string();
    assert!(error.contains("clutter is 1.5"), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn ffmpeg_sees_few_variables_and_no_secret() {
    if !testing::has_secrets("ffmpeg_sees_few_variables_and_no_secret").unwrap() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (ffmpeg, seen) = (folder.path().join("ffmpeg"), folder.path().join("seen"));
    testing::write_program(&ffmpeg, &format!("env >> {}\nexec ffmpeg \"$@\"", seen.display())).unwrap();
    let options = SynthOptions { train: 1, val: 0, test: 0, jobs: 1, ffmpeg, ..small() };
    make(&folder.path().join("mini"), &options).unwrap();
    let seen = fs::read_to_string(seen).unwrap();
    assert!(testing::is_bare(&seen), "{seen}");
    assert_eq!(
        seen.lines().filter(|line| line.starts_with("PATH=")).count(),
        2,
        "asked its version, and one clip\n{seen}"
    );
}

#[test]
fn a_segmentation_set_reads_with_its_masks_and_is_the_same_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let options = SynthOptions { train: 8, val: 1, test: 2, jobs: 2, ..SynthOptions::avs() };
    let out = folder.path().join("one");
    let make = |out: &Path, options: &SynthOptions| copl_synth::avs(out, options, &mut |_| {}).unwrap();
    let made = make(&out, &options);
    assert_eq!(
        make(&folder.path().join("two"), &SynthOptions { jobs: 1, ..options.clone() }).raw_sha256,
        made.raw_sha256
    );
    assert!(make(&out, &options).reused);

    let descriptor = Descriptor::load("avs-s4-mini").unwrap();
    let dataset = descriptor.open(&out, &ReadOptions::default()).unwrap();
    let report = check(&dataset, &descriptor);
    let masks = report.masks.as_ref().unwrap();
    assert!(report.missing.is_empty() && masks.unreadable.is_empty(), "{report}");
    assert_eq!((masks.read, masks.empty, masks.sizes["64 x 64"]), (8 + 3 * 5, 0, 23));
    let Media::Frames { frames, audio } = &dataset.clips[0].media else { panic!("{:?}", dataset.clips[0]) };
    assert_eq!(decoded(&frames[0], &["-f", "rawvideo", "-pix_fmt", "gray"]), 64 * 64);
    assert_eq!(decoded(audio, &["-f", "s16le"]), 2 * 5 * 16_000);

    let (_, lost) = dataset.clips[0].files().swap_remove(1);
    fs::remove_file(lost).unwrap();
    let error = copl_synth::avs(&out, &options, &mut |_| {}).unwrap_err();
    assert!(matches!(error, SynthError::Other { .. }), "{error}");

    let options = SynthOptions { raw_videos: true, ..options };
    let videos = make(&folder.path().join("videos"), &options);
    assert_ne!(videos.raw_sha256, made.raw_sha256, "all frames, not those of the masks");
    let dataset = descriptor.open(&folder.path().join("videos"), &ReadOptions::default()).unwrap();
    let Media::Video(video) = &dataset.clips[0].media else { panic!("{:?}", dataset.clips[0]) };
    assert_eq!(decoded(video, &["-f", "rawvideo", "-pix_fmt", "gray"]), 80 * 64 * 64, "80 frames of 5 s");
    let error =
        copl_synth::avs(&folder.path().join("videos"), &SynthOptions { raw_videos: false, ..options }, &mut |_| {});
    assert!(matches!(error.unwrap_err(), SynthError::Other { .. }));
}
