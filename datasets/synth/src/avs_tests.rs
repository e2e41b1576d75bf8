//! The segmentation set: what its masks mark, what trivial answers score, and that it stays as it is.

use std::collections::BTreeSet;

use copl_datasets::avsbench::SEGMENTS;

use crate::{
    catalog,
    mask_checks::{digest, iou, marks_what_is_missing, masks},
    options::SynthOptions,
    scenes::{Plan, plan},
};

fn options() -> SynthOptions {
    SynthOptions { train: 0, val: 0, test: 24, ..SynthOptions::avs() }
}

/// Taking the sounding object away changes the mask's pixels and, but for soft edges next to them, no others.
#[test]
fn a_mask_marks_what_is_seen_of_the_sounding_object() {
    let options = SynthOptions { bystanders: 1.0, distractors: 1.0, occlusion: 1.0, test: 8, ..options() };
    let catalog = catalog::avs(false);
    masks(&catalog, &options, |plan, second, mask| {
        if second != 2 {
            return;
        }
        let mut without = plan.scene.clone();
        without.seen.iter_mut().filter(|actor| actor.category == plan.scene.category).for_each(|a| a.when.fill(false));
        marks_what_is_missing(&catalog, &options, (plan, second, &mask), &without);
    });
}

#[test]
fn what_passes_in_front_cuts_the_mask() {
    let (mut open, mut cut) = (Vec::new(), Vec::new());
    let pixels = |mask: Vec<bool>| mask.iter().filter(|on| **on).count();
    let catalog = catalog::avs(false);
    masks(&catalog, &SynthOptions { occlusion: 0.0, ..options() }, |_, _, mask| open.push(pixels(mask)));
    masks(&catalog, &SynthOptions { occlusion: 1.0, ..options() }, |_, _, mask| cut.push(pixels(mask)));
    assert!(open.iter().zip(&cut).all(|(open, cut)| cut <= open));
    assert!(open.iter().zip(&cut).filter(|(open, cut)| cut < open).count() > 10);
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
    masks(&catalog::avs(false), &options, |plan, second, mask| {
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
    masks(&catalog::avs(false), &options(), |_, second, mask| match second {
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
    let found = digest(&catalog::avs(false), &SynthOptions { test: 2, ..busy });
    assert_eq!(found, "cfb6f6708bd4e524177dd1bc4dfb0d5b85bca660ba666bc12af2256c74c7060b");
}
