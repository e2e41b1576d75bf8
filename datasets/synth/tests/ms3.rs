//! The made set of several sources as files: the official layout, read back with the reader.

use std::{fs, path::Path};

use copl_datasets::{Descriptor, Media, ReadOptions, Split, Target, check};
use copl_synth::{SynthError, SynthOptions, SynthSummary};

fn make(out: &Path, options: &SynthOptions) -> Result<SynthSummary, SynthError> {
    copl_synth::ms3(out, options, &mut |_| {})
}

#[test]
fn a_set_reads_with_the_masks_of_every_frame_and_is_the_same_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let options = SynthOptions { train: 12, val: 2, test: 3, jobs: 2, ..SynthOptions::ms3() };
    let out = folder.path().join("one");
    let made = make(&out, &options).unwrap();
    let again = make(&folder.path().join("two"), &SynthOptions { jobs: 1, ..options.clone() }).unwrap();
    assert_eq!(again.raw_sha256, made.raw_sha256);
    assert!(make(&out, &options).unwrap().reused);

    let descriptor = Descriptor::load("avs-ms3-mini").unwrap();
    let dataset = descriptor.open(&out, &ReadOptions::default()).unwrap();
    assert_eq!(Split::ALL.map(|split| dataset.split(split).len()), [12, 2, 3]);
    let report = check(&dataset, &descriptor);
    let masks = report.masks.as_ref().unwrap();
    assert!(report.missing.is_empty() && masks.unreadable.is_empty(), "{report}");
    assert_eq!((masks.read, masks.sizes["64 x 64"], masks.faint), (17 * 5, 17 * 5, 0));
    assert!(masks.empty < 17, "{report}");
    let there: Vec<_> = report.folders.iter().map(|folder| (folder.folder, folder.there)).collect();
    assert_eq!(there, [("visual_frames", 85), ("audio_wav", 17), ("gt_masks", 85), ("raw_videos", 0)]);

    let first = &dataset.split(Split::Train)[0];
    let Media::Frames { frames, .. } = &first.media else { panic!("{first:?}") };
    let name = &first.video_id;
    assert!(frames[1].ends_with(format!("ms3_data/visual_frames/{name}/{name}.mp4_2.png")), "{}", frames[1].display());
    let Target::Masks { category: None, masks, .. } = &first.target else { panic!("{first:?}") };
    let mask = masks[4].as_ref().unwrap();
    assert!(mask.ends_with(format!("ms3_data/gt_masks/train/{name}/{name}_5.png")), "{}", mask.display());

    fs::remove_file(mask).unwrap();
    assert!(matches!(make(&out, &options).unwrap_err(), SynthError::Other { .. }));
}

#[test]
fn raw_videos_take_the_place_of_pictures_and_sounds() {
    let folder = tempfile::tempdir().unwrap();
    let options = SynthOptions { train: 1, val: 1, test: 1, raw_videos: true, ..SynthOptions::ms3() };
    let out = folder.path().join("videos");
    make(&out, &options).unwrap();
    let dataset = Descriptor::load("avs-ms3-mini").unwrap().open(&out, &ReadOptions::default()).unwrap();
    for clip in &dataset.clips {
        let Media::Video(video) = &clip.media else { panic!("{clip:?}") };
        assert!(video.ends_with(format!("ms3_data/raw_videos/{}.mp4", clip.video_id)) && clip.missing().is_empty());
    }
}
