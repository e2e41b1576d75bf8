//! The segmentation set: what its masks mark, what trivial answers score, and that it stays as it is.

use std::collections::BTreeSet;

use copl_datasets::avsbench::SEGMENTS;
use sha2::{Digest, Sha256};

use crate::{
    catalog,
    options::SynthOptions,
    picture::{self, Film},
    scene::Scene,
    scenes::{Plan, plan},
    sound,
};

fn options() -> SynthOptions {
    SynthOptions { train: 0, val: 0, test: 24, ..SynthOptions::avs() }
}

/// Calls back with every clip's masks, as (plan, second, mask).
fn masks(options: &SynthOptions, mut each: impl FnMut(&Plan, usize, Vec<bool>)) {
    let catalog = catalog::avs(false);
    for plan in plan(&catalog, options) {
        let film = Film::new(plan.key, &plan.scene, &catalog, options);
        for second in 0..SEGMENTS {
            each(&plan, second, film.mask(film.frame_at(second as f32 + picture::MASK_SECS)));
        }
    }
}

fn frame(plan: &Plan, scene: &Scene, index: usize, options: &SynthOptions) -> Vec<u8> {
    let catalog = catalog::avs(false);
    let mut rgb = Vec::new();
    let mut film = Film::new(plan.key, scene, &catalog, options);
    (0..=index).for_each(|index| film.render(index, &mut rgb));
    rgb
}

/// Taking the sounding object away changes the mask's pixels and, but for soft edges next to them, no others.
#[test]
fn a_mask_marks_what_is_seen_of_the_sounding_object() {
    let options = SynthOptions { bystanders: 1.0, distractors: 1.0, occlusion: 1.0, test: 8, ..options() };
    let side = options.width as usize;
    masks(&options, |plan, second, mask| {
        if second != 2 {
            return;
        }
        let mut without = plan.scene.clone();
        without.seen.iter_mut().filter(|actor| actor.category == plan.scene.category).for_each(|a| a.when.fill(false));
        let index = second * 16 + 15;
        let (full, bare) = (frame(plan, &plan.scene, index, &options), frame(plan, &without, index, &options));
        let changed: Vec<bool> = full.chunks(3).zip(bare.chunks(3)).map(|(a, b)| a != b).collect();
        let marked = mask.iter().filter(|on| **on).count();
        let shown = mask.iter().zip(&changed).filter(|(on, changed)| **on && **changed).count();
        assert!(shown * 20 >= marked * 19, "{}: {shown} of {marked} marked pixels show it", plan.video_id);
        let near = |at: usize| {
            let (x, y) = (at % side, at / side);
            (y.saturating_sub(3)..(y + 4).min(side))
                .any(|y| (x.saturating_sub(3)..(x + 4).min(side)).any(|x| mask[y * side + x]))
        };
        let stray = (0..mask.len()).filter(|at| changed[*at] && !near(*at)).count();
        assert!(stray <= 4, "{}: {stray} pixels away from the mask show it", plan.video_id);
    });
}

#[test]
fn what_passes_in_front_cuts_the_mask() {
    let (mut open, mut cut) = (Vec::new(), Vec::new());
    let pixels = |mask: Vec<bool>| mask.iter().filter(|on| **on).count();
    masks(&SynthOptions { occlusion: 0.0, ..options() }, |_, _, mask| open.push(pixels(mask)));
    masks(&SynthOptions { occlusion: 1.0, ..options() }, |_, _, mask| cut.push(pixels(mask)));
    assert!(open.iter().zip(&cut).all(|(open, cut)| cut <= open));
    assert!(open.iter().zip(&cut).filter(|(open, cut)| cut < open).count() > 10);
}

fn iou(prediction: &[bool], mask: &[bool]) -> f64 {
    let both = prediction.iter().zip(mask).filter(|(a, b)| **a && **b).count();
    let either = prediction.iter().zip(mask).filter(|(a, b)| **a || **b).count();
    if either == 0 { 1.0 } else { both as f64 / either as f64 }
}

#[test]
fn trivial_answers_score_below_a_quarter() {
    let options = options();
    let side = options.width as i32;
    let centred = |radius: i32| -> Vec<bool> {
        let away = |at: i32| (2 * (at % side) + 1 - side).pow(2) + (2 * (at / side) + 1 - side).pow(2);
        (0..side * side).map(|at| away(at) <= 4 * radius * radius).collect()
    };
    let square = |at: i32| [at % side, at / side].iter().all(|place| (side / 4..3 * side / 4).contains(place));
    let mut answers = vec![vec![false; (side * side) as usize], vec![true; (side * side) as usize]];
    answers.push((0..side * side).map(square).collect());
    answers.extend((4..=28).step_by(2).map(centred));
    let (mut sums, mut count) = (vec![0.0; answers.len()], 0.0);
    masks(&options, |plan, second, mask| {
        let share = mask.iter().filter(|on| **on).count() as f64 / mask.len() as f64;
        assert!((0.01..0.4).contains(&share), "{} second {second}: the mask covers {share}", plan.video_id);
        answers.iter().zip(&mut sums).for_each(|(answer, sum)| *sum += iou(answer, &mask));
        count += 1.0;
    });
    let scores: Vec<f64> = sums.iter().map(|sum| sum / count).collect();
    println!("empty, full, square, discs: {scores:.3?}");
    assert!(scores.iter().all(|score| *score < 0.25), "{scores:?}");
}

/// One voice, in view, beside a silent object that neither looks nor sounds like it.
#[test]
fn one_category_is_heard_and_a_silent_one_is_beside_it() {
    let catalog = catalog::avs(false);
    let mut pairs = BTreeSet::new();
    for Plan { scene, .. } in &plan(&catalog, &SynthOptions { test: 400, bystanders: 1.0, ..options() }) {
        assert_eq!(scene.events(), vec![vec![scene.category]; SEGMENTS]);
        let [one, other] = &scene.seen[..] else { panic!("{} objects", scene.seen.len()) };
        let silent = if one.category == scene.category { other } else { one };
        assert!(silent.category != scene.category && !catalog.alike[scene.category].contains(&silent.category));
        pairs.insert((scene.category, silent.category));
    }
    assert_eq!(pairs.len(), 8 * 5, "every pair is there");
}

/// The sounding object moves: its mask half a clip later is another.
#[test]
fn masks_move() {
    let (mut first, mut scores) = (Vec::new(), Vec::new());
    masks(&options(), |_, second, mask| match second {
        0 => first = mask,
        2 => scores.push(iou(&first, &mask)),
        _ => {}
    });
    let mean = scores.iter().sum::<f64>() / scores.len() as f64;
    assert!(mean < 0.5, "the first mask stands for the third with {mean}");
}

/// Pinned, with everything in the picture: frames, masks and samples may change only together with the catalogue's version.
#[test]
fn frames_masks_and_samples_are_those_of_this_version() {
    let busy = SynthOptions {
        object_scale: [0.15, 0.24],
        texture_contrast: 0.8,
        colour_jitter: 0.5,
        clutter: 0.6,
        occlusion: 0.4,
        noise: 4.0,
        brightness: 0.5,
        distractors: 0.3,
        bystanders: 0.8,
        ..options()
    };
    let (options, catalog) = (SynthOptions { test: 2, sample_rate_hz: 8000, ..busy }, catalog::avs(false));
    let mut hash = Sha256::new();
    for plan in plan(&catalog, &options) {
        hash.update(&plan.video_id);
        hash.update(frame(&plan, &plan.scene, 79, &options));
        let pcm = sound::render(plan.key, &plan.scene, &catalog, &options);
        assert_eq!(pcm.len(), 5 * 8000);
        pcm.iter().for_each(|sample| hash.update(sample.to_le_bytes()));
    }
    masks(&options, |_, _, mask| mask.iter().for_each(|on| hash.update([u8::from(*on)])));
    assert_eq!(format!("{:x}", hash.finalize()), "cfb6f6708bd4e524177dd1bc4dfb0d5b85bca660ba666bc12af2256c74c7060b");
}
