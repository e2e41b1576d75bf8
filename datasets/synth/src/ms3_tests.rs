//! The segmentation set of several sources: what its masks mark, what trivial answers score, and that it stays as it is.

use std::collections::{BTreeMap, BTreeSet};

use copl_datasets::avsbench::SEGMENTS;

use crate::{
    catalog,
    mask_checks::{digest, iou, marks_what_is_missing, masks},
    options::SynthOptions,
    picture::{self, Film},
    scenes::{Plan, plan},
};

fn options() -> SynthOptions {
    SynthOptions { train: 0, val: 0, test: 32, ..SynthOptions::ms3() }
}

/// Taking everything out of view that is heard in a second changes the mask's pixels and, but for soft edges next to them,
/// no others; where nothing is heard, nothing is marked.
#[test]
fn a_mask_marks_what_is_seen_of_everything_that_sounds() {
    let options = SynthOptions { bystanders: 1.0, distractors: 1.0, full_events: 0.0, test: 8, ..options() };
    let catalog = catalog::ms3(false);
    let mut silent = 0;
    masks(&catalog, &options, |plan, second, mask| {
        let heard = |category| plan.scene.is_heard(category, second);
        if !plan.scene.seen.iter().any(|actor| heard(actor.category)) {
            assert!(!mask.contains(&true), "{} second {second}", plan.video_id);
            silent += 1;
            return;
        }
        if second % 2 == 1 {
            return;
        }
        let mut without = plan.scene.clone();
        without.seen.iter_mut().filter(|actor| heard(actor.category)).for_each(|actor| actor.when.fill(false));
        marks_what_is_missing(&catalog, &options, (plan, second, &mask), &without);
    });
    assert!(silent > 0, "some second is silent");
}

/// Up to three objects, of which no two look or sound alike, and one or two of them sound, together or one after the other.
#[test]
fn one_or_two_sound_beside_a_silent_one() {
    let catalog = catalog::ms3(false);
    let (mut casts, mut at_once, mut pairs) = (BTreeMap::new(), [0; 3], BTreeSet::new());
    for Plan { scene, .. } in &plan(&catalog, &SynthOptions { test: 800, ..options() }) {
        let heard: BTreeSet<usize> = scene.heard.iter().map(|voice| voice.category).collect();
        let seen: Vec<usize> = scene.seen.iter().map(|actor| actor.category).collect();
        assert!(heard.iter().all(|category| seen.contains(category)) && heard.contains(&scene.category));
        for one in &seen {
            assert!(seen.iter().all(|other| !catalog.alike[*one].contains(other)), "{scene:?}");
        }
        *casts.entry((heard.len(), seen.len() - heard.len())).or_insert(0) += 1;
        scene.events().iter().for_each(|sounding| at_once[sounding.len()] += 1);
        if let [one, other] = heard.into_iter().collect::<Vec<_>>()[..] {
            pairs.insert((one, other));
        }
    }
    // Of 800: a second source in 0.7, a silent object in 0.4.
    let expected = [((1, 0), 144), ((1, 1), 96), ((2, 0), 336), ((2, 1), 224)];
    for (cast, count) in expected {
        assert!(casts[&cast] * 3 > count * 2 && casts[&cast] * 2 < count * 3, "{cast:?}: {casts:?}");
    }
    assert_eq!((casts.len(), pairs.len()), (4, 8 * 5 / 2), "every pair is there");
    // Every second one in fifteen is silent, some have one source and some two.
    let [none, one, two] = at_once.map(|count| count as f64 / 4000.0);
    assert!((0.02..0.15).contains(&none) && one > 0.3 && two > 0.3, "{none} {one} {two}");
}

/// Whoever sees all objects and hears nothing is at most right by two thirds, and whoever neither sees nor hears by a third.
#[test]
fn eyes_alone_are_not_enough_and_trivial_answers_score_low() {
    let options = options();
    let pixels = (options.width * options.height) as usize;
    let catalog = catalog::ms3(false);
    let (mut sums, mut count) = ([0.0; 3], 0.0);
    for plan in plan(&catalog, &options) {
        let film = Film::new(plan.key, &plan.scene, &catalog, &options);
        let mut all = plan.scene.clone();
        for actor in &plan.scene.seen {
            let mut voice = actor.clone();
            voice.when.fill(true);
            all.heard.push(voice);
        }
        let film_of_all = Film::new(plan.key, &all, &catalog, &options);
        for second in 0..SEGMENTS {
            let index = film.frame_at(second as f32 + picture::MASK_SECS);
            let mask = film.mask(index);
            for (sum, answer) in sums.iter_mut().zip([vec![false; pixels], vec![true; pixels], film_of_all.mask(index)])
            {
                *sum += iou(&answer, &mask);
            }
            count += 1.0;
        }
    }
    let [empty, full, everything] = sums.map(|sum| sum / count);
    println!("empty {empty:.3}, full {full:.3}, every object {everything:.3}");
    assert!(empty < 0.15 && full < 0.25 && (0.4..0.8).contains(&everything), "{empty} {full} {everything}");
}

/// Pinned, with everything in the picture: frames, masks and samples may change only together with the catalogue's version.
#[test]
fn frames_masks_and_samples_are_those_of_this_version() {
    let busy = SynthOptions {
        texture_contrast: 0.8,
        colour_jitter: 0.5,
        clutter: 0.6,
        occlusion: 0.4,
        noise: 4.0,
        brightness: 0.5,
        bystanders: 0.8,
        intruders: 0.5,
        ..options()
    };
    let found = digest(&catalog::ms3(false), &SynthOptions { test: 4, ..busy });
    assert_eq!(found, "c92474bf85235518690fc1fef0c45871659d4b0c60d342b50d3e3b22255c848c");
}
