//! The reader of AVSBench-MS3's layout, on hand-made files in it as the authors' loader opens them.

#![allow(clippy::disallowed_methods, reason = "files of a test")]

use std::{
    fs::{self, File},
    path::Path,
};

use copl_datasets::avsbench::{self, Mask, Subset, read_mask, write_mask};
use copl_datasets::{Dataset, Descriptor, FileKind, Media, ReadError, ReadOptions, Split, Target, check};

fn read(root: &Path) -> Result<Dataset, ReadError> {
    avsbench::read(root, Subset::Ms3, &[], &ReadOptions::default())
}

const ROWS: &str = "name,split\n-dash_1_10,train\nb_2,test\nc_3,val\n";
const CLIPS: [(&str, &str); 3] = [("-dash_1_10", "train"), ("b_2", "test"), ("c_3", "val")];

fn rows(root: &Path, text: &str) {
    fs::write(root.join("ms3_meta_data.csv"), text).unwrap();
}

/// Every file of the layout that has frames and sound extracted.
fn whole_tree(root: &Path) {
    rows(root, ROWS);
    let data = root.join("ms3_data");
    for (name, split) in CLIPS {
        let frames = data.join("visual_frames").join(name);
        let masks = data.join("gt_masks").join(split).join(name);
        let sounds = data.join("audio_wav").join(split);
        [&frames, &masks, &sounds].into_iter().for_each(|folder| fs::create_dir_all(folder).unwrap());
        for n in 1..=5 {
            let mask = Mask { height: 2, width: 3, bits: vec![0, 1, 1, 0, 0, 1] };
            write_mask(&masks.join(format!("{name}_{n}.png")), &mask).unwrap();
            fs::write(frames.join(format!("{name}.mp4_{n}.png")), "x").unwrap();
        }
        fs::write(sounds.join(format!("{name}.wav")), "RIFF").unwrap();
    }
}

#[test]
fn every_frame_of_every_split_has_a_mask_and_no_clip_a_category() {
    let root = tempfile::tempdir().unwrap();
    whole_tree(root.path());
    let dataset = read(root.path()).unwrap();
    assert_eq!((dataset.classes.len(), dataset.segments, dataset.clips.len()), (0, 5, 3));
    let real = root.path().canonicalize().unwrap().join("ms3_data");
    for (clip, (name, split)) in dataset.clips.iter().zip([CLIPS[0], CLIPS[2], CLIPS[1]]) {
        assert_eq!((clip.video_id.as_str(), clip.split.as_str(), clip.target.class()), (name, split, None));
        let Media::Frames { frames, audio } = &clip.media else { panic!("{clip:?}") };
        assert_eq!(frames[4], real.join(format!("visual_frames/{name}/{name}.mp4_5.png")));
        assert_eq!(*audio, real.join(format!("audio_wav/{split}/{name}.wav")));
        let Target::Masks { masks, .. } = &clip.target else { panic!("{clip:?}") };
        let expected: Vec<_> =
            (1..=5).map(|n| Some(real.join(format!("gt_masks/{split}/{name}/{name}_{n}.png")))).collect();
        assert_eq!(*masks, expected);
        assert!(clip.missing().is_empty());
    }
    assert_eq!(
        dataset.clips.iter().map(|clip| clip.id.as_str()).collect::<Vec<_>>(),
        ["-dash_1_10#0", "c_3#2", "b_2#1"]
    );
}

#[test]
fn without_its_pictures_a_clip_is_its_video() {
    let root = tempfile::tempdir().unwrap();
    rows(root.path(), ROWS);
    let videos = root.path().join("ms3_data/raw_videos");
    fs::create_dir_all(&videos).unwrap();
    fs::write(videos.join("b_2.mp4"), "x").unwrap();
    let dataset = read(root.path()).unwrap();
    assert!(matches!(dataset.split(Split::Test)[0].media, Media::Video(_)));
    let missing = dataset.split(Split::Train)[0].missing();
    let count = |kind| missing.iter().filter(|(found, _)| *found == kind).count();
    assert_eq!([FileKind::Frame, FileKind::Audio, FileKind::Mask].map(count), [5, 1, 5]);
}

/// The official loader takes the column called split, wherever it is; the name is always the first.
#[test]
fn the_split_is_the_column_that_the_header_calls_so_or_the_second() {
    let root = tempfile::tempdir().unwrap();
    for text in [
        ROWS,
        "video,Split\n-dash_1_10,train\nb_2,test\nc_3,val\n",
        "id,subset\n-dash_1_10,train\nb_2,test\nc_3,val\n",
        "name,labels,split\n-dash_1_10,\"dog, train\",train\nb_2,val,test\nc_3,,val\n",
    ] {
        rows(root.path(), text);
        let splits = read(root.path()).unwrap().clips.into_iter().map(|clip| (clip.video_id, clip.split));
        let expected = [("-dash_1_10", Split::Train), ("c_3", Split::Val), ("b_2", Split::Test)];
        assert_eq!(splits.collect::<Vec<_>>(), expected.map(|(name, split)| (name.to_owned(), split)), "{text}");
    }
}

#[test]
fn every_fault_is_listed_with_its_place() {
    let root = tempfile::tempdir().unwrap();
    rows(root.path(), &format!("{ROWS}../x,train\ne,dev\nb_2,test\nshort\n"));
    let Err(ReadError::Problems(problems)) = read(root.path()) else { panic!() };
    let found: Vec<_> =
        problems.0.iter().map(|problem| (problem.line, problem.field.map(|field| field.to_string()))).collect();
    let place = |line, field: Option<&str>| (Some(line), field.map(str::to_owned));
    let (name, split) = (Some("field 1 (name)"), Some("field 2 (split)"));
    assert_eq!(found, [place(5, name), place(6, split), place(7, name), place(8, None)]);
    rows(root.path(), "-dash_1_10,train\nb_2,test\n");
    let said = read(root.path()).unwrap_err().to_string();
    assert!(said.contains("ms3_meta_data.csv:1: a row where the header is expected"), "{said}");
    rows(root.path(), "name,split\n");
    let said = read(root.path()).unwrap_err().to_string();
    assert!(said.contains("the file holds no clip; each row should read name,split"), "{said}");
    let said = read(&root.path().join("nowhere")).unwrap_err().to_string();
    assert!(said.contains("no ms3_meta_data.csv in") && said.contains("Multi-sources"), "{said}");
}

/// A mask in the palette mode that the official loader opens masks in: a byte a pixel.
fn write_indices(path: &Path, indices: &[u8; 6]) {
    let mut encoder = png::Encoder::new(File::create(path).unwrap(), 3, 2);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    // The palettes that PIL gives such pictures are grey.
    encoder.set_palette((0..=255).flat_map(|grey| [grey; 3]).collect::<Vec<u8>>());
    encoder.write_header().unwrap().write_image_data(indices).unwrap();
}

#[test]
fn the_check_counts_files_and_values_and_tells_indices_that_the_official_loader_would_not_see() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("Multi-sources");
    fs::create_dir(&root).unwrap();
    whole_tree(&root);
    let yaml = "{name: own, title: t, task: avs-ms3, reader: avs-ms3, obtain: o, licence: l, layout: l, \
                expect: {clips: 3, mask_size: [3, 2]}, classes: []}";
    let descriptor = Descriptor::parse("own.yml", yaml).unwrap();
    let report = || check(&descriptor.open(folder.path(), &ReadOptions::default()).unwrap(), &descriptor);
    let whole = report();
    assert!(whole.is_ok(), "{whole}");
    let said = whole.to_string();
    for line in
        ["15 of 15 files in visual_frames", "15 of 15 files in gt_masks", "0 of 3 files in raw_videos", "no categories"]
    {
        assert!(said.contains(line), "{line}: {said}");
    }
    let masks = whole.masks.unwrap();
    assert_eq!((masks.read, masks.empty, masks.faint, masks.values["0 and 255"]), (15, 0, 0, 15));

    let test = root.join("ms3_data/gt_masks/test/b_2");
    write_indices(&test.join("b_2_1.png"), &[0, 255, 255, 0, 0, 255]);
    write_indices(&test.join("b_2_2.png"), &[0, 1, 1, 0, 0, 1]);
    write_indices(&test.join("b_2_3.png"), &[0; 6]);
    write_indices(&test.join("b_2_4.png"), &[0, 3, 255, 0, 7, 9]);
    let odd = report();
    assert!(odd.is_ok(), "{odd}");
    let masks = odd.masks.as_ref().unwrap();
    assert_eq!((masks.read, masks.empty, masks.faint), (15, 1, 1));
    for values in ["0 and 255", "0 and 255, palette indices", "0 and 1, palette indices", "0 alone, palette indices"] {
        assert!(odd.to_string().contains(&format!("of {values}: ")), "{values}: {odd}");
    }
    assert_eq!(masks.values["5 values from 0 to 255, palette indices"], 1);
    assert!(odd.to_string().contains("1 hold indices 0 and 1 instead of 0 and 255"), "{odd}");
    let read = |n: usize| read_mask(&test.join(format!("b_2_{n}.png")), Subset::Ms3.foreground()).unwrap().bits;
    assert_eq!([read(1), read(2), read(4)], [[0, 1, 1, 0, 0, 1], [0, 1, 1, 0, 0, 1], [0, 1, 1, 0, 1, 1]]);

    fs::remove_file(test.join("b_2_5.png")).unwrap();
    let lost = report();
    assert!(!lost.is_ok() && lost.to_string().contains("14 of 15 files in gt_masks"), "{lost}");
}

#[cfg(unix)]
#[test]
fn a_link_that_leaves_the_root_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("Multi-sources");
    fs::create_dir(&root).unwrap();
    whole_tree(&root);
    let secret = folder.path().join("secret.png");
    fs::write(&secret, "x").unwrap();
    let frame = root.join("ms3_data/visual_frames/b_2/b_2.mp4_3.png");
    fs::remove_file(&frame).unwrap();
    std::os::unix::fs::symlink(&secret, &frame).unwrap();
    let error = read(&root).unwrap_err().to_string();
    assert!(error.contains("outside the data root") && error.contains("secret.png"), "{error}");
}
