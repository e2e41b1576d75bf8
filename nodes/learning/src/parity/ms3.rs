//! Fixtures of kind `avs-ms3-loss`: the loss of all masks, every way of matching sound and picture, and the gradient of the
//! official one with respect to logits, maps and sounds.

use std::collections::BTreeMap;

use candle_core::{Tensor, Var};
use copl_losses::masks::mask_loss;
use copl_losses::matching::{Distance, Matching};
use copl_networks::{Error, Result};
use serde::Deserialize;

use super::fixture::Fixture;
use super::{Measure, ParityReport};
use crate::heads::avs::{Pooling, masked_mean};

/// The case whose gradients the fixture has.
const OFFICIAL: &str = "official";

#[derive(Deserialize)]
struct Config {
    batch: usize,
    frames: usize,
    weight: f64,
    cases: BTreeMap<String, Case>,
}

#[derive(Deserialize)]
#[serde(default)]
struct Case {
    stages: Vec<usize>,
    pooling: String,
    normalise: bool,
    threshold: bool,
    distance: String,
    nearest: bool,
}

impl Default for Case {
    fn default() -> Self {
        let (pooling, distance) = ("avg".to_owned(), "kl".to_owned());
        Self { stages: vec![0, 1, 2, 3], pooling, normalise: false, threshold: false, distance, nearest: false }
    }
}

fn numbers(tensor: &Tensor) -> Result<Vec<f32>> {
    Ok(tensor.flatten_all()?.to_vec1()?)
}

/// Runs every case.
pub(super) fn compare(fixture: &Fixture, report: &mut ParityReport) -> Result<()> {
    let Config { batch, frames, weight, cases } = fixture.config()?;
    let mut vars: BTreeMap<String, Var> = BTreeMap::new();
    for (name, tensor) in fixture.under("input.") {
        if name != "masks" {
            vars.insert(name, Var::from_tensor(&tensor)?);
        }
    }
    let var = |name: &str| vars.get(name).ok_or_else(|| Error::Config(format!("the fixture has no input.{name}")));
    let logits = var("logits")?.as_tensor();
    // The loss of all masks, mean over the clips.
    let masks: Vec<u8> = numbers(fixture.get("input.masks")?)?.iter().map(|bit| u8::from(*bit != 0.0)).collect();
    let values = numbers(logits)?;
    let of_clips = values.chunks(values.len() / batch).zip(masks.chunks(masks.len() / batch));
    let losses: Vec<_> = of_clips.map(|(logits, mask)| mask_loss(logits, mask, batch)).collect();
    let masked: f64 = losses.iter().map(|loss| loss.value / batch as f64).sum();
    let of_masks: Vec<f32> = losses.into_iter().flat_map(|loss| loss.gradient).collect();
    let scalar = |x: f64| Tensor::new(x as f32, logits.device());
    let mut check = |name: &str, found: f64| -> Result<()> {
        report.compare(name, Measure::Activation, &scalar(found)?, fixture.get(name)?)
    };
    check("expect.bce", masked)?;
    let mut gradients = None;
    for (name, case) in &cases {
        let distance = if case.distance == "euclid" { Distance::Euclid } else { Distance::Kl };
        let matching = Matching { distance, unit: case.normalise, nearest: case.nearest };
        let pooling = if case.pooling == "max" { Pooling::Max } else { Pooling::Average };
        let (mut seen, mut heard) = (Vec::new(), Vec::new());
        for scale in &case.stages {
            let map = var(&format!("map.{scale}"))?.as_tensor().permute((0, 2, 3, 1))?.contiguous()?;
            // The official code takes no threshold where the nearest sound decides.
            seen.push(masked_mean(&map, &logits.squeeze(1)?, pooling, case.threshold && !case.nearest)?);
            heard.push(var(&format!("aligned.{scale}"))?.as_tensor().flatten(0, 1)?);
        }
        let each = seen.iter().zip(&heard).map(|(v, a)| Ok([numbers(v)?, numbers(a)?])).collect::<Result<Vec<_>>>()?;
        let each: Vec<[&[f32]; 2]> = each.iter().map(|[v, a]| [&v[..], &a[..]]).collect();
        let matched = matching.loss(batch * frames, &each).map_err(Error::Config)?;
        check(&format!("expect.{name}.matching"), matched.value)?;
        check(&format!("expect.{name}.loss"), masked + weight * matched.value)?;
        if name == OFFICIAL {
            let mut total = (logits * Tensor::from_slice(&of_masks, logits.shape(), logits.device())?)?.sum_all()?;
            for ((v, a), [dv, da]) in seen.iter().zip(&heard).zip(&matched.scales) {
                for (tensor, slopes) in [(v, dv), (a, da)] {
                    let slopes = Tensor::from_slice(slopes, tensor.shape(), tensor.device())?;
                    total = (total + ((tensor * slopes)?.sum_all()? * weight)?)?;
                }
            }
            gradients = Some(total.backward()?);
        }
    }
    let gradients = gradients.ok_or_else(|| Error::Config(format!("the fixture has no case '{OFFICIAL}'")))?;
    for (name, expected) in fixture.under("grad.") {
        let found = gradients.get(var(&name)?).cloned().map_or_else(|| expected.zeros_like(), Ok)?;
        report.compare(&format!("grad.{name}"), Measure::Gradient, &found, &expected)?;
    }
    Ok(())
}
