//! The reader of AVSBench-S4's layout, on hand-made files in it.

#![allow(clippy::disallowed_methods, reason = "files of a test")]

use std::{fs, path::Path};

use copl_datasets::avsbench::{self, Mask, Subset, write_mask};
use copl_datasets::{Dataset, Descriptor, FileKind, Media, ReadError, ReadOptions, Split, Target, check};

fn read(root: &Path, listed: &[String]) -> Result<Dataset, ReadError> {
    avsbench::read(root, Subset::S4, listed, &ReadOptions::default())
}

const ROWS: &str = "name,start,category,split\n-dash_1,0,dog,train\nb,5,cat,test\nc,7,dog,val\n";

#[test]
fn training_has_the_first_mask_and_missing_files_are_named_by_kind() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("s4_meta_data.csv"), ROWS).unwrap();
    let videos = root.path().join("s4_data/raw_videos/test/cat");
    fs::create_dir_all(&videos).unwrap();
    fs::write(videos.join("b.mp4"), "x").unwrap();
    let dataset = read(root.path(), &[]).unwrap();
    assert_eq!((dataset.classes.as_slice(), dataset.segments), (["dog".to_owned(), "cat".to_owned()].as_slice(), 5));
    let masks = |split| {
        let Target::Masks { masks, .. } = &dataset.split(split)[0].target else { panic!() };
        masks.iter().flatten().count()
    };
    assert_eq!(Split::ALL.map(masks), [1, 5, 5]);
    assert!(matches!(dataset.split(Split::Test)[0].media, Media::Video(_)), "frames are missing, the video is there");
    let missing = dataset.split(Split::Train)[0].missing();
    let count = |kind| missing.iter().filter(|(found, _)| *found == kind).count();
    assert_eq!([FileKind::Frame, FileKind::Audio, FileKind::Mask].map(count), [5, 1, 1]);
}

#[test]
fn every_fault_is_listed_with_its_place() {
    let root = tempfile::tempdir().unwrap();
    let rows = format!("{ROWS}../x,0,dog,train\nd,2.5,dog,val\ne,1,dog,dev\nb,5,cat,test\nshort\n");
    fs::write(root.path().join("s4_meta_data.csv"), rows).unwrap();
    let Err(ReadError::Problems(problems)) = read(root.path(), &[]) else { panic!() };
    let found: Vec<_> = problems.0.iter().map(|problem| (problem.line, problem.field)).collect();
    let place = |line, field| (Some(line), field);
    let (name, start, split) = (Some(avsbench::NAME), Some(avsbench::START), Some(avsbench::SPLIT));
    assert_eq!(found, [place(5, name), place(6, start), place(7, split), place(8, name), place(9, None)]);
}

/// Quotes, empty lines, line ends of Windows, a byte-order mark, further columns and blanks about the commas, as copies that
/// went through a spreadsheet have them.
#[test]
fn a_spreadsheets_copy_reads_as_the_official_file_and_faults_keep_their_lines() {
    let root = tempfile::tempdir().unwrap();
    let read_rows = |rows: &str| {
        fs::write(root.path().join("s4_meta_data.csv"), rows).unwrap();
        read(root.path(), &[])
    };
    let clips = |dataset: &Dataset| -> Vec<String> {
        dataset.clips.iter().map(|clip| format!("{} {}", clip.id, clip.split)).collect()
    };
    let official = read_rows(ROWS).unwrap();
    let rows = "\u{feff}name,start,category,split,url\r\n\r\n\"-dash_1\", 0 ,\"dog\",train,\"a, \"\"b\"\"\"\r\n\r\n\
                b,5,cat,test,\r\nc,7,dog,val\r\n  \r\n";
    let copy = read_rows(rows).unwrap();
    assert_eq!((clips(&copy), &copy.classes), (clips(&official), &official.classes));
    // Line 3, 5, 6 and 7 of the file, of which lines 2 and 4 are empty.
    let faulty = rows
        .replace("-dash_1", "..")
        .replace("b,5", "b,11")
        .replace("  \r\n", "d,0,dog,train,\"open\r\ne,0,dog,val\r\n");
    let Err(ReadError::Problems(problems)) = read_rows(&faulty) else { panic!() };
    let lines: Vec<_> = problems.0.iter().map(|problem| problem.line.unwrap()).collect();
    assert_eq!(lines, [3, 5, 7], "{problems}");
    assert!(problems.0[2].what.contains("a quote that opens here is not closed"), "{problems}");
}

#[test]
fn classes_are_numbered_by_the_list_whatever_the_order_of_the_rows() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("s4_meta_data.csv"), ROWS).unwrap();
    let listed = ["cat", "cow", "dog"].map(str::to_owned);
    let dataset = read(root.path(), &listed).unwrap();
    assert_eq!(dataset.classes, listed);
    assert_eq!(Split::ALL.map(|split| dataset.split(split)[0].target.class()), [Some(2), Some(2), Some(0)]);
    let error = read(root.path(), &listed[1..]).unwrap_err().to_string();
    assert!(error.contains(":3: field 3 (category): 'cat' is none"), "{error}");
}

/// Every file of the layout that has frames and sound extracted.
fn whole_tree(root: &Path) {
    fs::write(root.join("s4_meta_data.csv"), ROWS).unwrap();
    for (name, category, split, masks) in
        [("-dash_1", "dog", "train", 1), ("b", "cat", "test", 5), ("c", "dog", "val", 5)]
    {
        let folder = |kind: &str| root.join("s4_data").join(kind).join(split).join(category);
        for (kind, count) in [("visual_frames", 5), ("gt_masks", masks)] {
            fs::create_dir_all(folder(kind).join(name)).unwrap();
            for n in 1..=count {
                let bits = [0, 1, 1, 0, 0, 1].to_vec();
                let path = folder(kind).join(name).join(format!("{name}_{n}.png"));
                write_mask(&path, &Mask { height: 2, width: 3, bits }).unwrap();
            }
        }
        fs::create_dir_all(folder("audio_wav")).unwrap();
        fs::write(folder("audio_wav").join(format!("{name}.wav")), "RIFF").unwrap();
    }
}

#[test]
fn a_whole_tree_passes_the_check_and_a_broken_mask_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("Single-source");
    fs::create_dir(&root).unwrap();
    whole_tree(&root);
    let yaml = "{name: own, title: t, task: avs-s4, reader: avs-s4, obtain: o, licence: l, layout: l, \
                expect: {clips: 3, mask_size: [3, 2]}, classes: [cat, dog]}";
    let descriptor = Descriptor::parse("own.yml", yaml).unwrap();
    let report = || check(&descriptor.open(folder.path(), &ReadOptions::default()).unwrap(), &descriptor);
    let whole = report();
    assert!(whole.is_ok(), "{whole}");
    let masks = whole.masks.unwrap();
    assert_eq!((masks.read, masks.empty, masks.sizes["3 x 2"]), (11, 0, 11));

    let broken = root.join("s4_data/gt_masks/test/cat/b/b_3.png");
    fs::write(&broken, "no picture").unwrap();
    let report_broken = report();
    assert!(!report_broken.is_ok() && report_broken.to_string().contains("b_3.png"), "{report_broken}");
    write_mask(&broken, &Mask { height: 1, width: 1, bits: vec![0] }).unwrap();
    let other = report();
    assert_eq!(other.masks.as_ref().unwrap().empty, 1);
    assert!(other.to_string().contains("expected 3 x 2, found 1 x 1 (1), 3 x 2 (10)"), "{other}");
}

#[cfg(unix)]
#[test]
fn a_link_that_leaves_the_root_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("Single-source");
    fs::create_dir(&root).unwrap();
    whole_tree(&root);
    let secret = folder.path().join("secret.wav");
    fs::write(&secret, "x").unwrap();
    let sound = root.join("s4_data/audio_wav/test/cat/b.wav");
    fs::remove_file(&sound).unwrap();
    std::os::unix::fs::symlink(&secret, &sound).unwrap();
    let error = read(&root, &[]).unwrap_err().to_string();
    assert!(error.contains("outside the data root") && error.contains("secret.wav"), "{error}");
}
