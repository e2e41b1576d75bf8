//! Holding our spectra against the reference implementation's, from a fixture file.
//!
//! The file (safetensors) holds `input.waveform_16k` `[n]` and, for each case its metadata describes, `expect.CASE`
//! [segments, frames, mels]. Normalised values are compared; the tolerance is [`WORST`] for any value and [`MEAN`] for their
//! mean difference: empty and near-silent bins carry the rounding of the Fourier transform.

use std::collections::BTreeMap;
use std::path::Path;

use copl_media::cache::f32_from_le;
use safetensors::{SafeTensors, tensor::Metadata};
use serde::Deserialize;

use crate::fbank::{Fbank, FbankError};
use crate::settings::FbankSettings;

/// Largest difference that passes.
pub const WORST: f64 = 2e-3;
/// Largest mean difference that passes.
pub const MEAN: f64 = 1e-5;

/// One comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    pub name: String,
    /// Largest absolute difference; infinite if shapes or window starts disagree.
    pub worst: f64,
    /// Mean absolute difference.
    pub mean: f64,
    /// Values compared.
    pub values: usize,
    pub passed: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum ParityError {
    #[error("could not read the fixture: {0}")]
    Read(#[from] std::io::Error),
    #[error("the fixture is no safetensors file, or lacks a tensor: {0}")]
    File(#[from] safetensors::SafeTensorError),
    #[error("the fixture's `config` is not that of a Kaldi fbank: {0}")]
    Config(String),
    #[error(transparent)]
    Fbank(#[from] FbankError),
}

#[derive(Deserialize)]
struct Config {
    kind: String,
    cases: BTreeMap<String, Expected>,
}

#[derive(Deserialize)]
struct Expected {
    mels: usize,
    shift: f64,
    length: f64,
    target: usize,
    mean: f64,
    std: f64,
    starts: Vec<usize>,
    segments: Vec<usize>,
}

/// Computes every case of a fixture and compares. `Ok` says only that the comparison was made: see [`Case::passed`].
pub fn parity(path: &Path) -> Result<Vec<Case>, ParityError> {
    let bytes = std::fs::read(path)?;
    let (_, metadata) = SafeTensors::read_metadata(&bytes)?;
    let config = config(&metadata)?;
    let tensors = SafeTensors::deserialize(&bytes)?;
    let waveform = f32_from_le(tensors.tensor("input.waveform_16k")?.data());
    let mut cases = Vec::new();
    for (name, expected) in config.cases {
        let reference = tensors.tensor(&format!("expect.{name}"))?;
        let wanted = f32_from_le(reference.data());
        cases.push(compare(name, &expected, &waveform, reference.shape(), &wanted)?);
    }
    Ok(cases)
}

fn config(metadata: &Metadata) -> Result<Config, ParityError> {
    let entries = metadata.metadata().as_ref();
    let text =
        entries.and_then(|entries| entries.get("config")).ok_or_else(|| ParityError::Config("none".to_owned()))?;
    let config: Config = serde_json::from_str(text).map_err(|error| ParityError::Config(error.to_string()))?;
    if config.kind != "fbank" {
        return Err(ParityError::Config(format!("its kind is `{}`", config.kind)));
    }
    Ok(config)
}

fn compare(
    name: String,
    expected: &Expected,
    waveform: &[f32],
    shape: &[usize],
    wanted: &[f32],
) -> Result<Case, ParityError> {
    let settings = FbankSettings {
        rate: 16_000,
        segments: expected.starts.len(),
        window_secs: expected.length,
        margin_secs: 0.1,
        shift_ms: expected.shift,
        mels: expected.mels,
        frames: expected.target,
        mean: expected.mean,
        std: expected.std,
    };
    let starts_agree = settings.starts(waveform.len()) == expected.starts;
    let shapes_agree = shape == [expected.segments.len(), expected.target, expected.mels]
        && expected.segments.iter().all(|segment| *segment < expected.starts.len());
    let size = expected.target * expected.mels;
    let ours = Fbank::new(settings)?.segments(waveform)?;
    if !(starts_agree && shapes_agree) {
        return Ok(Case { name, worst: f64::INFINITY, mean: f64::INFINITY, values: 0, passed: false });
    }
    let ours = expected.segments.iter().flat_map(|segment| &ours[segment * size..][..size]);
    let (mut worst, mut sum) = (0.0_f64, 0.0);
    for (ours, wanted) in ours.zip(wanted) {
        let difference = f64::from(ours - wanted).abs();
        // NaN compares as smaller than anything: it must not pass.
        worst = if difference.is_nan() { f64::INFINITY } else { worst.max(difference) };
        sum += difference;
    }
    let mean = sum / wanted.len() as f64;
    Ok(Case { name, worst, mean, values: wanted.len(), passed: worst <= WORST && mean <= MEAN })
}
