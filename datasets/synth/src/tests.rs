//! What is rendered against what the scene says, before any encoding.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use crate::{
    catalog::{self, Catalog},
    options::SynthOptions,
    picture::Film,
    scene::Scene,
    scenes::{Plan, plan},
    sound,
};

const RATE: u32 = 8_000;

fn options() -> SynthOptions {
    let base = SynthOptions::ave();
    let often = SynthOptions { distractors: 0.9, bystanders: 0.9, intruders: 0.9, occlusion: 0.0, noise: 0.0, ..base };
    SynthOptions { train: 16, val: 0, test: 0, width: 64, height: 48, frames_per_sec: 2, sample_rate_hz: RATE, ..often }
}

/// All frames, one after another.
fn frames(plan: &Plan, scene: &Scene, catalog: &Catalog, options: &SynthOptions) -> Vec<Vec<u8>> {
    let mut film = Film::new(plan.key, scene, catalog, options);
    (0..film.frames())
        .map(|index| {
            let mut rgb = Vec::new();
            film.render(index, &mut rgb);
            rgb
        })
        .collect()
}

/// Taking a category out of view changes exactly the frames of the segments it is in view.
#[test]
fn objects_are_drawn_in_their_segments_and_no_others() {
    let options = options();
    for catalog in [catalog::mini(), catalog::objects()] {
        for plan in plan(&catalog, &options) {
            let full = frames(&plan, &plan.scene, &catalog, &options);
            for n in 0..plan.scene.seen.len() {
                let when = plan.scene.seen[n].when.clone();
                let mut without = plan.scene.clone();
                without.seen[n].when.fill(false);
                let bare = frames(&plan, &without, &catalog, &options);
                for (index, (full, bare)) in full.iter().zip(&bare).enumerate() {
                    let changed = full.chunks(3).zip(bare.chunks(3)).filter(|(a, b)| a != b).count();
                    // A bystander may stand behind the clip's own object.
                    let least = if plan.scene.seen[n].aside { 0 } else { 100 };
                    let fine = if when[index / 2] { changed >= least } else { changed == 0 };
                    assert!(fine, "{} object {n} frame {index}: {changed} pixels show it", plan.video_id);
                }
            }
        }
    }
}

/// Silencing a category changes samples in the segments it is heard, from their first few milliseconds to their last.
#[test]
fn voices_sound_in_their_segments_and_no_others() {
    let options = options();
    let rate = RATE as usize;
    for catalog in [catalog::mini(), catalog::objects()] {
        for plan in plan(&catalog, &options) {
            let full = sound::render(plan.key, &plan.scene, &catalog, &options);
            for n in 0..plan.scene.heard.len() {
                let when = plan.scene.heard[n].when.clone();
                let mut without = plan.scene.clone();
                without.heard[n].when.fill(false);
                let bare = sound::render(plan.key, &without, &catalog, &options);
                for (t, heard) in when.into_iter().enumerate() {
                    let segment = t * rate..(t + 1) * rate;
                    let changed = full[segment.clone()].iter().zip(&bare[segment]).filter(|(a, b)| a != b).count();
                    let what = format!("{} voice {n} segment {t}: {changed} samples", plan.video_id);
                    assert!(if heard { changed > rate / 20 } else { changed == 0 }, "{what}");
                }
            }
        }
    }
}

/// The annotation is what the presences give, with the options at hand and at their extremes.
#[test]
fn annotations_are_where_a_category_is_seen_and_heard() {
    for options in [SynthOptions::ave(), SynthOptions::objects(), options()] {
        for catalog in [catalog::mini(), catalog::objects()] {
            for plan in plan(&catalog, &options) {
                let scene = &plan.scene;
                for (t, events) in scene.events().into_iter().enumerate() {
                    let during = (scene.start_secs..scene.end_secs).contains(&t);
                    assert_eq!(
                        events,
                        if during { vec![scene.category] } else { Vec::new() },
                        "{} segment {t}",
                        plan.video_id
                    );
                }
            }
        }
    }
}

#[test]
fn stereo_channels_differ_in_level() {
    let options = SynthOptions { channels: 2, train: 1, ..options() };
    let catalog = catalog::mini();
    let plan = plan(&catalog, &options).remove(0);
    let pcm = sound::render(plan.key, &plan.scene, &catalog, &options);
    assert_eq!(pcm.len(), 2 * 10 * RATE as usize);
    assert!(pcm.chunks(2).any(|pair| pair[0] != pair[1]));
}

#[test]
fn samples_do_not_clip_and_are_not_faint() {
    let options = SynthOptions { train: 24, sample_rate_hz: RATE, ..SynthOptions::ave() };
    for catalog in [catalog::mini(), catalog::objects()] {
        for plan in plan(&catalog, &options) {
            let pcm = sound::render(plan.key, &plan.scene, &catalog, &options);
            let peak = pcm.iter().map(|sample| sample.unsigned_abs()).max().unwrap();
            assert!((1_500..32_767).contains(&peak), "{}: peak {peak}", plan.video_id);
        }
    }
}

#[test]
fn the_two_generators_share_no_category() {
    let (mini, objects) = (catalog::mini(), catalog::objects());
    let names: BTreeSet<&str> =
        mini.categories.iter().chain(&objects.categories).map(|category| category.name).collect();
    assert_eq!(names.len(), mini.categories.len() + objects.categories.len());
    let combinations: BTreeSet<String> = (0..24).map(|n| format!("{:?}", objects.categories[n].look)).collect();
    assert_eq!(combinations.len(), 24, "two categories look the same");
    let sounds: BTreeSet<String> = objects.categories.iter().map(|category| format!("{:?}", category.voice)).collect();
    assert_eq!(sounds.len(), 24, "two categories sound the same");
}

/// Every option written out, so that another default leaves the pinned hashes as they are.
const PINNED_OPTIONS: &str = r#"{
    "seed": 3, "train": 8, "val": 1, "test": 1, "width": 64, "height": 48, "frames_per_sec": 2, "sample_rate_hz": 8000,
    "channels": 2, "full_events": 0.4, "shots": 3, "object_scale": [0.2, 0.4], "texture_contrast": 0.7,
    "colour_jitter": 0.5, "clutter": 0.6, "occlusion": 0.5, "noise": 5.0, "brightness": 0.5, "distractors": 0.5,
    "bystanders": 0.5, "intruders": 0.5, "snr_db": [3.0, 15.0], "pitch_jitter": 3.0, "tempo_jitter": 0.15, "reverb": 0.3
}"#;

/// Pinned: frames and samples may change only together with the catalogue's version.
#[test]
fn frames_and_samples_are_those_of_this_version() {
    assert!([catalog::mini(), catalog::objects()].iter().all(|catalog| catalog.version == 1));
    let options: SynthOptions = serde_json::from_str(PINNED_OPTIONS).unwrap();
    for (catalog, expected) in [
        (catalog::mini(), "daa8f7707fb6fb9e60ad24783646b12e487cab6915eb88e7d274914dc5c4e14c"),
        (catalog::objects(), "3ba48b4b8c51ff9f28b7ed5de79ab297a636b8442fb91a0cb9d902cecb4d4757"),
    ] {
        let mut hash = Sha256::new();
        for plan in plan(&catalog, &options) {
            hash.update(&plan.video_id);
            frames(&plan, &plan.scene, &catalog, &options).iter().for_each(|frame| hash.update(frame));
            sound::render(plan.key, &plan.scene, &catalog, &options)
                .iter()
                .for_each(|sample| hash.update(sample.to_le_bytes()));
        }
        assert_eq!(format!("{:x}", hash.finalize()), expected, "{}", catalog.name);
    }
}
