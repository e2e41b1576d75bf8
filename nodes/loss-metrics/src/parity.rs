//! Holding the metrics of masks against the official code's, from a fixture of kind `avs-metrics`: `input.{logits, masks}`
//! [N, H, W], `expect.iou_per_frame` `[N]`, `expect.iou_batch`, and the F-scores of two batches, the first half of the
//! frames and all of them.

use std::path::Path;

use safetensors::SafeTensors;
use serde::Deserialize;

use crate::avs::metrics::{FrameScore, MaskMetrics, MaskResults};

/// Largest difference that passes.
pub const TOLERANCE: f64 = 1e-4;

/// One comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// Name in the fixture.
    pub name: &'static str,
    /// Largest absolute difference.
    pub worst: f64,
    /// Whether it passes.
    pub passed: bool,
}

/// Why a fixture could not be compared.
#[derive(Debug, thiserror::Error)]
pub enum ParityError {
    /// The file cannot be read.
    #[error("could not read the fixture: {0}")]
    Read(#[from] std::io::Error),
    /// It is no safetensors file, or lacks a tensor.
    #[error("the fixture is no safetensors file, or lacks a tensor: {0}")]
    File(#[from] safetensors::SafeTensorError),
    /// It is of another kind.
    #[error("the fixture's `config` is not that of metrics: {0}")]
    Config(String),
}

#[derive(Deserialize)]
struct Config {
    kind: String,
}

/// Compares every number of a fixture.
///
/// # Errors
/// [`ParityError::Config`] for a fixture of another kind.
pub fn parity(path: &Path) -> Result<Vec<Case>, ParityError> {
    let bytes = std::fs::read(path)?;
    let (_, header) = SafeTensors::read_metadata(&bytes)?;
    let config = header.metadata().as_ref().and_then(|m| m.get("config").cloned()).unwrap_or_default();
    let wrong = |e: &dyn std::fmt::Display| ParityError::Config(e.to_string());
    let kind = serde_json::from_str::<Config>(&config).map_err(|e| wrong(&e))?.kind;
    if kind != "avs-metrics" {
        return Err(wrong(&format!("it is of kind `{kind}`")));
    }
    let tensors = SafeTensors::deserialize(&bytes)?;
    let numbers = |name: &str| -> Result<Vec<f32>, ParityError> {
        let data = tensors.tensor(name)?;
        Ok(data.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
    };
    let shape = tensors.tensor("input.logits")?.shape().to_vec();
    let &[count, height, width] = shape.as_slice() else {
        return Err(wrong(&format!("logits of {shape:?}")));
    };
    let (logits, masks) = (numbers("input.logits")?, numbers("input.masks")?);
    let masks: Vec<u8> = masks.iter().map(|bit| u8::from(*bit != 0.0)).collect();
    let pixels = (height * width).max(1);
    let frames = logits.chunks_exact(pixels).zip(masks.chunks_exact(pixels));
    let scores: Vec<FrameScore> = frames.map(|(x, mask)| FrameScore::of(x, mask, [height, width])).collect();
    let batch = |scores: &[FrameScore]| -> Option<MaskResults> {
        let mut metrics = MaskMetrics::new(1);
        scores.iter().for_each(|score| metrics.add(score));
        metrics.finish()
    };
    let found = |results: Option<MaskResults>, pick: fn(&MaskResults) -> f64| results.iter().map(pick).collect();
    let (half, all) = (batch(&scores[..count / 2]), batch(&scores));
    let cases: [(&'static str, Vec<f64>); 4] = [
        ("expect.iou_per_frame", scores.iter().map(|score| score.iou).collect()),
        ("expect.iou_batch", found(all, |r| r.miou)),
        ("expect.fscore_first_clip", found(half, |r| r.f_score)),
        ("expect.fscore_batch_of_all", found(all, |r| r.f_score)),
    ];
    let compare = |(name, found): (&'static str, Vec<f64>)| {
        let expected = numbers(name)?;
        let differences = found.iter().zip(&expected).map(|(a, b)| (a - f64::from(*b)).abs());
        let same = found.len() == expected.len() && !found.is_empty();
        let worst = if same { differences.fold(0.0, f64::max) } else { f64::INFINITY };
        Ok(Case { name, worst, passed: worst <= TOLERANCE })
    };
    cases.into_iter().map(compare).collect()
}
