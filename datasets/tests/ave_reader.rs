//! The reader of AVE's layout, on hand-made files in it.

#![allow(clippy::disallowed_methods, reason = "files of a test")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use copl_datasets::{
    Dataset, Descriptor, Media, MissingVideos, Problem, ReadError, ReadOptions, Split, Target,
    ave::{self, field},
    check,
};
use tempfile::TempDir;

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/ave")
}

fn read(root: &Path) -> Result<Dataset, ReadError> {
    ave::read(root, &ReadOptions::default())
}

/// A copy of the fixture that a test may spoil.
fn copy() -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    fs::create_dir(copy.path().join("AVE")).unwrap();
    for folder in ["", "AVE"] {
        for entry in fs::read_dir(fixture().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                fs::copy(&path, copy.path().join(folder).join(path.file_name().unwrap())).unwrap();
            }
        }
    }
    copy
}

/// Changes every annotation and split file by a function of its text.
fn edit(root: &Path, names: &[&str], change: impl Fn(&str) -> String) {
    for name in names {
        let path = root.join(name);
        let text = change(&fs::read_to_string(&path).unwrap());
        fs::write(&path, text).unwrap();
    }
}

const ALL_FILES: [&str; 4] = ["Annotations.txt", "trainSet.txt", "valSet.txt", "testSet.txt"];

fn problems(root: &Path) -> Vec<Problem> {
    match read(root) {
        Err(ReadError::Problems(problems)) => problems.0,
        other => panic!("problems expected, got {other:?}"),
    }
}

fn shape(dataset: &Dataset) -> Vec<(String, Split, Vec<u32>, u32)> {
    dataset
        .clips
        .iter()
        .map(|clip| (clip.id.clone(), clip.split, labels(&clip.target).to_vec(), clip.target.class().unwrap()))
        .collect()
}

fn labels(target: &Target) -> &[u32] {
    let Target::Events { labels, .. } = target else { panic!("{target:?}") };
    labels
}

#[test]
fn classes_are_numbered_by_first_appearance_and_background_comes_last() {
    let dataset = read(&fixture()).unwrap();
    assert_eq!(dataset.classes, ["Frying (food)", "Male speech, man speaking", "Bark"]);
    assert_eq!((dataset.background, dataset.segments), (Some(3), 10));
    assert_eq!(dataset.class_name(1), "Male speech, man speaking");
    assert_eq!(dataset.class_name(3), "background");
}

#[test]
fn clips_keep_the_order_of_their_split_file_and_name_their_row() {
    let dataset = read(&fixture()).unwrap();
    let ids = |split| dataset.split(split).iter().map(|clip| clip.id.as_str()).collect::<Vec<_>>();
    assert_eq!(ids(Split::Train), ["Bark000000b#2", "Fry0000000a#0", "Fry0000000d#4", "twoSplits0e#6"]);
    assert_eq!(ids(Split::Val), ["-dashTalk01#1", "Fry0000000d#5"]);
    assert_eq!(ids(Split::Test), ["Bark000000c#3", "twoSplits0e#7"]);
}

#[test]
fn segments_bear_the_class_from_start_to_before_end() {
    let dataset = read(&fixture()).unwrap();
    let labels = |id: &str| labels(&dataset.clips.iter().find(|clip| clip.id == id).unwrap().target).to_vec();
    assert_eq!(labels("Fry0000000a#0"), [0; 10]);
    assert_eq!(labels("-dashTalk01#1"), [3, 3, 1, 1, 1, 3, 3, 3, 3, 3]);
    assert_eq!(labels("Bark000000b#2"), [3, 3, 3, 3, 3, 3, 3, 3, 3, 2]);
    assert_eq!(labels("Bark000000c#3"), [3; 10], "an event without length is background throughout");
    assert_eq!(labels("Fry0000000d#4"), [0, 0, 0, 0, 3, 3, 3, 3, 3, 3]);
    assert_eq!(labels("Fry0000000d#5"), [3, 3, 3, 3, 3, 3, 1, 1, 1, 1]);
}

#[test]
fn videos_are_found_by_any_known_ending_and_missing_ones_keep_the_official_one() {
    let dataset = read(&fixture()).unwrap();
    let name = |row: usize| {
        let media = &dataset.clips.iter().find(|clip| clip.row == row).unwrap().media;
        let Media::Video(video) = media else { panic!("{media:?}") };
        assert!(video.is_absolute() && video.starts_with(&dataset.root));
        video.file_name().unwrap().to_str().unwrap().to_owned()
    };
    assert_eq!([0, 1, 2, 4].map(name), ["Fry0000000a.mkv", "-dashTalk01.mp4", "Bark000000b.mp4", "Fry0000000d.webm"]);
    let missing: Vec<_> = dataset.missing().iter().map(|clip| clip.row).collect();
    assert_eq!(missing, [2, 6, 3, 7]);
}

#[test]
fn missing_videos_can_be_refused() {
    let options = ReadOptions { missing: MissingVideos::Refuse };
    let error = ave::read(&fixture(), &options).unwrap_err().to_string();
    assert!(error.contains("4 clips lack 4 files") && error.contains("video AVE/Bark000000b.mp4"), "{error}");
}

#[test]
fn small_differences_between_copies_change_nothing() {
    let expected = shape(&read(&fixture()).unwrap());
    let header = "Category&VideoID&Quality&StartTime&EndTime\n";
    #[expect(clippy::type_complexity, reason = "a table of cases")]
    let changes: [(&str, fn(&str) -> String); 5] = [
        ("Windows line ends", |text| text.replace('\n', "\r\n")),
        ("no last line end", |text| text.trim_end().to_owned()),
        ("empty lines at the end", |text| format!("{}\n\n \n", text.trim_end())),
        ("byte-order mark", |text| format!("\u{feff}{text}")),
        ("header", |text| format!("Category&VideoID&Quality&StartTime&EndTime\n{text}")),
    ];
    for (name, change) in changes {
        let copy = copy();
        edit(copy.path(), &ALL_FILES, change);
        assert_eq!(shape(&read(copy.path()).unwrap()), expected, "{name}");
    }
    let copy = copy();
    edit(copy.path(), &["Annotations.txt"], |text| format!("{header}{text}"));
    assert_eq!(shape(&read(copy.path()).unwrap()), expected, "a header in one file only");
}

#[test]
fn the_folder_above_serves_as_root_too() {
    let above = tempfile::tempdir().unwrap();
    let copy = copy();
    fs::rename(copy.path(), above.path().join("AVE_Dataset")).unwrap();
    assert_eq!(shape(&read(above.path()).unwrap()), shape(&read(&fixture()).unwrap()));
}

#[test]
fn a_root_without_annotations_says_what_a_root_is() {
    let empty = tempfile::tempdir().unwrap();
    let error = read(empty.path()).unwrap_err().to_string();
    assert!(error.contains("Annotations.txt") && error.contains("trainSet.txt"), "{error}");
}

#[test]
fn the_fingerprint_is_of_the_content() {
    let (first, second) = (copy(), copy());
    let fingerprint = |root: &Path| read(root).unwrap().fingerprint;
    assert_eq!(fingerprint(first.path()), fingerprint(second.path()));
    assert_eq!(fingerprint(first.path()).len(), 64);
    edit(second.path(), &["Annotations.txt", "trainSet.txt"], |text| {
        text.replace("Fry0000000a&good&0&10", "Fry0000000a&good&0&9")
    });
    assert_ne!(fingerprint(first.path()), fingerprint(second.path()));
}

/// All faults at once, each with its file, line and field.
#[test]
fn every_fault_is_listed_with_its_place() {
    let copy = copy();
    let path = copy.path().join("Annotations.txt");
    let mut text = fs::read_to_string(&path).unwrap();
    text.push_str("Bark&short\n&noCategory0&good&0&1\nBark&../../etc/x&good&0&1\nBark&late0000000&good&0&11\n");
    text.push_str("Bark&back0000000&good&7&3\nBark&half0000000&good&1.5&3\n\nBark&Bark000000b&good&9&10\n");
    fs::write(&path, text).unwrap();
    fs::write(copy.path().join("testSet.txt"), "Bark&Bark000000b&good&9&10\nBark&unheardOf00&good&0&1\n").unwrap();

    let problems = problems(copy.path());
    let found: Vec<_> =
        problems.iter().map(|p| (p.file.file_name().unwrap().to_str().unwrap(), p.line, p.field)).collect();
    let annotations = |line, field| ("Annotations.txt", Some(line), field);
    assert_eq!(
        found,
        [
            annotations(9, None),
            annotations(10, Some(field::CATEGORY)),
            annotations(11, Some(field::VIDEO_ID)),
            annotations(12, Some(field::END)),
            annotations(13, Some(field::START)),
            annotations(14, Some(field::START)),
            annotations(15, None),
            annotations(16, None),
            ("testSet.txt", Some(1), None),
            ("testSet.txt", Some(2), None),
        ],
        "{problems:#?}"
    );
    let text = read(copy.path()).unwrap_err().to_string();
    for part in [
        "10 problems",
        "Annotations.txt:9: 2 fields",
        "Annotations.txt:12: field 5 (EndTime): '11' is no whole number of seconds from 0 to 10",
        "starts at 7 s, after its end at 3 s",
        "the same annotation as line 3",
        "listed twice, first in trainSet.txt line 1",
        "has no such row in Annotations.txt",
    ] {
        assert!(text.contains(part), "'{part}' is not in:\n{text}");
    }
}

#[test]
fn a_long_list_of_faults_is_cut() {
    let copy = copy();
    edit(copy.path(), &["Annotations.txt"], |text| text.to_owned() + &"broken\n".repeat(30));
    let text = read(copy.path()).unwrap_err().to_string();
    assert_eq!(text.lines().count(), 22, "{text}");
    assert!(text.ends_with("and 10 more"), "{text}");
}

#[test]
fn ids_that_would_leave_the_data_root_are_refused() {
    for id in ["../secret", "a/b", "/etc/passwd", "..", ".", "a\\b", "C:x", "nul\0byte", "", " blank", "tab\tid"] {
        let copy = copy();
        edit(copy.path(), &["Annotations.txt"], |text| format!("{text}Bark&{id}&good&0&1\n"));
        let problems = problems(copy.path());
        assert_eq!(problems.len(), 1, "{id:?}: {problems:?}");
        assert_eq!((problems[0].line, problems[0].field), (Some(9), Some(field::VIDEO_ID)), "{id:?}");
    }
}

#[cfg(unix)]
#[test]
fn links_that_leave_the_data_root_are_refused_and_others_followed() {
    use std::os::unix::fs::symlink;

    let (copy, outside) = (copy(), tempfile::tempdir().unwrap());
    let videos = copy.path().join("AVE");
    symlink(videos.join("Fry0000000a.mkv"), videos.join("Bark000000b.mp4")).unwrap();
    assert_eq!(read(copy.path()).unwrap().missing().len(), 3, "a link inside the root is a file like any other");

    fs::write(outside.path().join("x.mp4"), "x").unwrap();
    symlink(outside.path().join("x.mp4"), videos.join("Bark000000c.mp4")).unwrap();
    let found = problems(copy.path());
    assert_eq!((found.len(), found[0].line), (1, Some(4)));
    assert!(found[0].what.contains("outside the data root"), "{}", found[0]);

    fs::remove_dir_all(&videos).unwrap();
    symlink(outside.path(), &videos).unwrap();
    let found = problems(copy.path());
    assert_eq!(found.len(), 1);
    assert!(found[0].what.contains("outside the data root"), "{}", found[0]);
}

#[test]
fn check_counts_and_names_what_differs() {
    let yaml = r#"
name: fixture
title: A fixture
task: ave
reader: ave
obtain: It is in the repository.
licence: As the repository.
layout: AVE's.
expect:
  clips: 8
  videos: 6
  videos_with_several_annotations: 2
  videos_in_several_splits: 2
  split_clips: { train: 4, val: 2, test: 3 }
  split_background_segments: { train: 22 }
classes: ["Frying (food)", "Male speech, man speaking", "Bark"]
"#;
    let descriptor = Descriptor::parse("fixture.yml", yaml).unwrap();
    let dataset = descriptor.open(&fixture(), &ReadOptions::default()).unwrap();
    assert_eq!(dataset.name, "fixture");
    let report = check(&dataset, &descriptor);
    assert_eq!((report.clips, report.videos), (8, 6));
    assert_eq!(report.videos_in_several_splits, ["Fry0000000d", "twoSplits0e"]);
    assert_eq!(report.videos_with_several_annotations, ["Fry0000000d", "twoSplits0e"]);
    assert_eq!(report.missing.len(), 3, "three files, though four clips lack theirs");
    assert_eq!(report.splits[0].by_category, [2, 0, 2]);
    let differing: Vec<_> =
        report.mismatches.iter().map(|m| (m.what.as_str(), m.expected.as_str(), m.found.as_str())).collect();
    assert_eq!(differing, [("clips in test", "3", "2")]);
    assert!(!report.is_ok());
    let text = report.to_string();
    assert!(text.contains("clips in test: expected 3, found 2") && text.contains("missing video files: 3"), "{text}");
}

#[test]
fn rows_in_no_split_are_counted() {
    let copy = copy();
    edit(copy.path(), &["Annotations.txt"], |text| format!("{text}Bark&spare000000&good&0&1\n"));
    let dataset = read(copy.path()).unwrap();
    assert_eq!((dataset.unassigned.as_slice(), dataset.clips.len()), ([8].as_slice(), 8));
}
