//! What the tests of both segmentation sets ask of masks: the same of either, by its catalogue.

use copl_datasets::avsbench::SEGMENTS;
use sha2::{Digest, Sha256};

use crate::{
    catalog::Catalog,
    options::SynthOptions,
    picture::{self, Film},
    scene::Scene,
    scenes::{Plan, plan},
    sound,
};

/// Calls back with every clip's masks, as (plan, second, mask).
pub(crate) fn masks(catalog: &Catalog, options: &SynthOptions, mut each: impl FnMut(&Plan, usize, Vec<bool>)) {
    for plan in plan(catalog, options) {
        let film = Film::new(plan.key, &plan.scene, catalog, options);
        for second in 0..SEGMENTS {
            each(&plan, second, film.mask(film.frame_at(second as f32 + picture::MASK_SECS)));
        }
    }
}

fn frame(catalog: &Catalog, plan: &Plan, scene: &Scene, index: usize, options: &SynthOptions) -> Vec<u8> {
    let mut rgb = Vec::new();
    let mut film = Film::new(plan.key, scene, catalog, options);
    (0..=index).for_each(|index| film.render(index, &mut rgb));
    rgb
}

/// The mask of a second marks the pixels that differ from those of the scene `without` what it should mark and, but for soft
/// edges next to them, no others. There are some.
pub(crate) fn marks_what_is_missing(
    catalog: &Catalog,
    options: &SynthOptions,
    (plan, second, mask): (&Plan, usize, &[bool]),
    without: &Scene,
) {
    let (side, index) = (options.width as usize, second * 16 + 15);
    let [full, bare] = [&plan.scene, without].map(|scene| frame(catalog, plan, scene, index, options));
    let changed: Vec<bool> = full.chunks(3).zip(bare.chunks(3)).map(|(a, b)| a != b).collect();
    let marked = mask.iter().filter(|on| **on).count();
    let shown = mask.iter().zip(&changed).filter(|(on, changed)| **on && **changed).count();
    let id = &plan.video_id;
    assert!(marked > 0 && shown * 20 >= marked * 19, "{id}: {shown} of {marked} marked pixels show it");
    let near = |at: usize| {
        let (x, y) = (at % side, at / side);
        (y.saturating_sub(3)..(y + 4).min(side))
            .any(|y| (x.saturating_sub(3)..(x + 4).min(side)).any(|x| mask[y * side + x]))
    };
    let stray = (0..mask.len()).filter(|at| changed[*at] && !near(*at)).count();
    assert!(stray <= 4, "{id} second {second}: {stray} pixels away from the mask show it");
}

/// Intersection over union; 1 of two empty masks.
pub(crate) fn iou(prediction: &[bool], mask: &[bool]) -> f64 {
    let both = prediction.iter().zip(mask).filter(|(a, b)| **a && **b).count();
    let either = prediction.iter().zip(mask).filter(|(a, b)| **a || **b).count();
    if either == 0 { 1.0 } else { both as f64 / either as f64 }
}

/// SHA-256, in hexadecimal, of each clip's name, last frame and samples at 8 kHz, then of all masks.
pub(crate) fn digest(catalog: &Catalog, options: &SynthOptions) -> String {
    let options = &SynthOptions { sample_rate_hz: 8000, ..options.clone() };
    let mut hash = Sha256::new();
    for plan in plan(catalog, options) {
        hash.update(&plan.video_id);
        hash.update(frame(catalog, &plan, &plan.scene, 79, options));
        let pcm = sound::render(plan.key, &plan.scene, catalog, options);
        assert_eq!(pcm.len(), 5 * 8000);
        pcm.iter().for_each(|sample| hash.update(sample.to_le_bytes()));
    }
    masks(catalog, options, |_, _, mask| mask.iter().for_each(|on| hash.update([u8::from(*on)])));
    format!("{:x}", hash.finalize())
}
