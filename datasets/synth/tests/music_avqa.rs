//! The made set of ensembles as files: made with ffmpeg, read back with the reader.

mod common;

use std::{fs, path::Path};

use common::is_whole;
use copl_datasets::{Descriptor, Media, ReadOptions, Split, check};
use copl_synth::{MusicOptions, SynthError, SynthSummary};

fn small() -> MusicOptions {
    MusicOptions {
        train: 4,
        val: 1,
        test: 2,
        questions: 10,
        width: 64,
        height: 48,
        frames_per_sec: 4,
        jobs: 2,
        ..MusicOptions::default()
    }
}

fn make(out: &Path, options: &MusicOptions) -> Result<SynthSummary, SynthError> {
    copl_synth::music_avqa(out, options, &mut |_| {})
}

#[test]
fn a_set_reads_as_a_music_avqa_dataset_of_whole_clips() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("mini");
    let summary = make(&out, &small()).unwrap();
    assert_eq!((summary.clips, summary.reused), (7, false));
    let descriptor = Descriptor::load("music-avqa-mini").unwrap();
    let dataset = descriptor.open(&out, &ReadOptions::default()).unwrap();
    assert_eq!(Split::ALL.map(|split| dataset.split(split).len()), [40, 10, 20]);
    let report = check(&dataset, &descriptor);
    assert!(report.missing.is_empty() && report.videos == 7 && report.videos_in_several_splits.is_empty(), "{report}");
    let Media::Video(video) = &dataset.clips[0].media else { panic!("a video is expected") };
    is_whole(video);
}

#[test]
fn the_same_options_give_the_same_files_whatever_the_number_of_jobs() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    let one = make(&first, &small()).unwrap();
    let two = make(&second, &MusicOptions { jobs: 1, ..small() }).unwrap();
    assert_eq!(one.raw_sha256, two.raw_sha256);
    for name in
        ["json/avqa-train.json", "json/avqa-val.json", "json/avqa-test.json", "synth.json", "videos/00000003.mp4"]
    {
        assert!(fs::read(first.join(name)).unwrap() == fs::read(second.join(name)).unwrap(), "{name}");
    }
    let other = make(&folder.path().join("third"), &MusicOptions { seed: 1, ..small() }).unwrap();
    assert_ne!(one.raw_sha256, other.raw_sha256);
}

#[test]
fn a_whole_set_is_kept_and_another_one_is_never_overwritten_unasked() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("mini");
    let options = MusicOptions { train: 1, val: 0, test: 1, ..small() };
    let made = make(&out, &options).unwrap();
    assert_eq!(make(&out, &options).unwrap(), SynthSummary { reused: true, ..made.clone() });
    let error = make(&out, &MusicOptions { questions: 4, ..options.clone() }).unwrap_err();
    assert!(error.to_string().contains("questions 10, now 4"), "{error}");
    fs::remove_file(out.join("json/avqa-val.json")).unwrap();
    let error = make(&out, &options).unwrap_err().to_string();
    assert!(error.contains("json/avqa-val.json is missing"), "{error}");
    let rebuilt = make(&out, &MusicOptions { rebuild: true, ..options }).unwrap();
    assert_eq!(rebuilt, made);
}

#[test]
fn options_that_cannot_be_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("mini");
    for (options, part) in [
        (MusicOptions { questions: 0, ..small() }, "questions should be from 1 to 30"),
        (MusicOptions { players: 5, ..small() }, "players should be from 1 to 4"),
        (MusicOptions { instruments: 2, ..small() }, "instruments should be from 3 (one more than players) to 8"),
        (MusicOptions { width: 63, ..small() }, "even numbers"),
    ] {
        let error = make(&out, &options).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    assert!(!out.exists());
}
