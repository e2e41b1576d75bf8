//! The reader of AVSBench-S4's layout, on hand-made files in it.

use std::fs;

use copl_datasets::{FileKind, Media, ReadError, ReadOptions, Split, Target, avs_s4};

const ROWS: &str = "name,start,category,split\n-dash_1,0,dog,train\nb,5,cat,test\nc,7,dog,val\n";

#[test]
fn training_has_the_first_mask_and_missing_files_are_named_by_kind() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("s4_meta_data.csv"), ROWS).unwrap();
    let videos = root.path().join("s4_data/raw_videos/test/cat");
    fs::create_dir_all(&videos).unwrap();
    fs::write(videos.join("b.mp4"), "x").unwrap();
    let dataset = avs_s4::read(root.path(), &ReadOptions::default()).unwrap();
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
    let rows = format!("{ROWS}../x,0,dog,train\nd,10,dog,val\ne,1,dog,dev\nb,5,cat,test\nshort\n");
    fs::write(root.path().join("s4_meta_data.csv"), rows).unwrap();
    let Err(ReadError::Problems(problems)) = avs_s4::read(root.path(), &ReadOptions::default()) else { panic!() };
    let found: Vec<_> = problems.0.iter().map(|problem| (problem.line, problem.field)).collect();
    let place = |line, field| (Some(line), field);
    let (name, start, split) = (Some(avs_s4::NAME), Some(avs_s4::START), Some(avs_s4::SPLIT));
    assert_eq!(found, [place(5, name), place(6, start), place(7, split), place(8, name), place(9, None)]);
}
