//! The losses of AVSBench-MS3 against the official functions' numbers: all masks, and every way of matching.

use std::collections::BTreeMap;

use copl_loss_metrics::avs::loss::mask_loss;
use copl_loss_metrics::avs::matching::{Distance, Matching, MatchingLoss, Pooling, Scale};
use safetensors::SafeTensors;
use serde::Deserialize;

const FIXTURE: &[u8] = include_bytes!("fixtures/avs_ms3_loss.safetensors");
const FRAMES: usize = 10;
const SIZE: [usize; 2] = [64, 64];

#[derive(Clone, Deserialize)]
struct Case {
    #[serde(default = "all")]
    stages: Vec<usize>,
    #[serde(default)]
    pooling: Option<String>,
    #[serde(default)]
    normalise: bool,
    #[serde(default)]
    threshold: bool,
    #[serde(default)]
    distance: Option<String>,
    #[serde(default)]
    nearest: bool,
}

fn all() -> Vec<usize> {
    vec![0, 1, 2, 3]
}

#[derive(Deserialize)]
struct Config {
    weight: f64,
    cases: BTreeMap<String, Case>,
}

fn numbers(file: &SafeTensors<'_>, name: &str) -> Vec<f32> {
    let tensor = file.tensor(name).unwrap();
    tensor.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

fn config() -> Config {
    let (_, header) = SafeTensors::read_metadata(FIXTURE).unwrap();
    serde_json::from_str(&header.metadata().as_ref().unwrap()["config"]).unwrap()
}

fn matching(file: &SafeTensors<'_>, case: &Case) -> MatchingLoss {
    let how = Matching {
        distance: if case.distance.as_deref() == Some("euclid") { Distance::Euclid } else { Distance::Kl },
        pooling: if case.pooling.as_deref() == Some("max") { Pooling::Max } else { Pooling::Mean },
        unit: case.normalise,
        threshold: case.threshold,
        nearest: case.nearest,
    };
    let tensors: Vec<[Vec<f32>; 2]> = case
        .stages
        .iter()
        .map(|i| [numbers(file, &format!("input.aligned.{i}")), numbers(file, &format!("input.map.{i}"))])
        .collect();
    let side = |i: usize| [16 >> i; 2];
    let scales: Vec<Scale<'_>> =
        tensors.iter().zip(&case.stages).map(|([audio, map], i)| Scale { audio, map, size: side(*i) }).collect();
    how.loss(&numbers(file, "input.logits"), FRAMES, SIZE, &scales).unwrap()
}

/// Loss of all masks, mean over two clips of five frames, and its gradient.
fn masks(file: &SafeTensors<'_>) -> (f64, Vec<f32>) {
    let (logits, masks) = (numbers(file, "input.logits"), numbers(file, "input.masks"));
    let masks: Vec<u8> = masks.iter().map(|bit| u8::from(*bit != 0.0)).collect();
    let clip = 5 * SIZE[0] * SIZE[1];
    let of_clips: Vec<_> = logits.chunks(clip).zip(masks.chunks(clip)).map(|(x, mask)| mask_loss(x, mask, 2)).collect();
    (of_clips.iter().map(|loss| loss.value / 2.0).sum(), of_clips.into_iter().flat_map(|loss| loss.gradient).collect())
}

#[test]
fn every_way_of_matching_has_the_official_value() {
    let file = SafeTensors::deserialize(FIXTURE).unwrap();
    let Config { weight, cases } = config();
    assert_eq!(cases.len(), 8);
    let (bce, _) = masks(&file);
    let expected = |name: &str| f64::from(numbers(&file, name)[0]);
    assert!((bce - expected("expect.bce")).abs() < 1e-6, "{bce}");
    for (name, case) in cases {
        let found = matching(&file, &case).value;
        let wanted = expected(&format!("expect.{name}.matching"));
        assert!((found - wanted).abs() < 1e-5 * wanted.abs().max(1.0), "{name}: {found}, {wanted}");
        let whole = expected(&format!("expect.{name}.loss"));
        assert!((bce + weight * found - whole).abs() < 1e-5 * whole.abs().max(1.0), "{name}");
    }
}

#[test]
fn the_official_loss_has_the_official_gradient() {
    let file = SafeTensors::deserialize(FIXTURE).unwrap();
    let Config { weight, cases } = config();
    let matched = matching(&file, &cases["official"]);
    let (_, of_masks) = masks(&file);
    let scaled = |slopes: &[f32]| slopes.iter().map(|g| weight as f32 * g).collect::<Vec<f32>>();
    let logits: Vec<f32> = of_masks.iter().zip(scaled(&matched.logits)).map(|(a, b)| a + b).collect();
    let mut found = vec![("grad.logits".to_owned(), logits)];
    for (i, [audio, map]) in matched.scales.iter().enumerate() {
        found.push((format!("grad.aligned.{i}"), scaled(audio)));
        found.push((format!("grad.map.{i}"), scaled(map)));
    }
    for (name, slopes) in found {
        let wanted = numbers(&file, &name);
        assert_eq!(slopes.len(), wanted.len(), "{name}");
        let largest = wanted.iter().fold(0.0f32, |top, g| top.max(g.abs()));
        let worst = slopes.iter().zip(&wanted).fold(0.0f32, |worst, (a, b)| worst.max((a - b).abs()));
        assert!(worst < 1e-4 * largest, "{name}: off by {worst} of {largest}");
    }
}
