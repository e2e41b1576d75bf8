//! Holding our spectra against the reference implementation's, from a fixture file.
//!
//! A fixture of HTS-AT holds `input.second` [N, 32000] and `expect.logmel` [N, n, 64], the first n spectra of each second in
//! decibels; they may differ by [`DECIBELS`].
//!
//! One of Kaldi fbanks holds `input.waveform_16k` `[n]` and, for each case its metadata describes, `expect.CASE`
//! [segments, frames, mels]. Normalised values are compared; the tolerance is [`WORST`] for any value and [`MEAN`] for their
//! mean difference: empty and near-silent bins carry the rounding of the Fourier transform.

use std::collections::BTreeMap;
use std::path::Path;

use copl_media::cache::f32_from_le;
use safetensors::{SafeTensors, tensor::Metadata};
use serde::Deserialize;

use crate::error::FbankError;
use crate::fbank::Fbank;
use crate::hts_at::{HtsAtSettings, HtsAtSpectra, MELS, RATE, SEGMENT};
use crate::settings::FbankSettings;
use crate::vggish::{self, Examples, VggishSettings, VggishSpectra};

/// Largest difference that passes.
pub const WORST: f64 = 2e-3;
/// Largest mean difference that passes.
pub const MEAN: f64 = 1e-5;
/// Largest difference of VGGish's logarithms that passes.
pub const EXAMPLES: f64 = 1e-4;
/// Largest difference of spectra in decibels that passes.
pub const DECIBELS: f64 = 0.02;

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
    /// What passes, in words.
    pub allowed: &'static str,
    pub passed: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum ParityError {
    #[error("could not read the fixture: {0}")]
    Read(#[from] std::io::Error),
    #[error("the fixture is no safetensors file, or lacks a tensor: {0}")]
    File(#[from] safetensors::SafeTensorError),
    #[error("the fixture's `config` is not that of spectra: {0}")]
    Config(String),
    #[error(transparent)]
    Fbank(#[from] FbankError),
}

#[derive(Deserialize)]
struct FbankConfig {
    cases: BTreeMap<String, Expected>,
}

#[derive(Deserialize)]
struct HtsAtConfig {
    audio: Audio,
}

#[derive(Debug, Deserialize)]
struct Audio {
    sample_rate: u32,
    mels: usize,
    tile_to_seconds: usize,
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
///
/// # Errors
/// [`ParityError::Config`] for a fixture that holds no spectra.
pub fn parity(path: &Path) -> Result<Vec<Case>, ParityError> {
    let bytes = std::fs::read(path)?;
    let (_, metadata) = SafeTensors::read_metadata(&bytes)?;
    let config = config(&metadata)?;
    let tensors = SafeTensors::deserialize(&bytes)?;
    let config = match config {
        Config::HtsAt(config) => return Ok(vec![compare_log_mel(&config, &tensors)?]),
        Config::Vggish(config) => return compare_examples(&config, &tensors),
        Config::Fbank(config) => config,
    };
    let waveform = f32_from_le(tensors.tensor("input.waveform_16k")?.data());
    let mut cases = Vec::new();
    for (name, expected) in config.cases {
        let reference = tensors.tensor(&format!("expect.{name}"))?;
        let wanted = f32_from_le(reference.data());
        cases.push(compare(name, &expected, &waveform, reference.shape(), &wanted)?);
    }
    Ok(cases)
}

/// The spectra [N, frames, 64] of a fixture of HTS-AT, for the encoder's own comparison.
///
/// # Errors
/// [`ParityError::Config`] for a fixture of another kind.
pub fn log_mel(path: &Path) -> Result<Vec<f32>, ParityError> {
    let bytes = std::fs::read(path)?;
    let (_, metadata) = SafeTensors::read_metadata(&bytes)?;
    match config(&metadata)? {
        Config::HtsAt(config) => log_mel_of(&config, &SafeTensors::deserialize(&bytes)?),
        Config::Fbank(_) => Err(ParityError::Config("its kind is `fbank`".to_owned())),
        Config::Vggish(_) => Err(ParityError::Config("its encoder is VGGish".to_owned())),
    }
}

/// Whether a fixture whose spectra were compared holds an encoder too that is given spectra of the fixture's own.
///
/// # Errors
/// If it is no such fixture.
pub fn has_encoder(path: &Path) -> Result<bool, ParityError> {
    let bytes = std::fs::read(path)?;
    let (_, metadata) = SafeTensors::read_metadata(&bytes)?;
    Ok(matches!(config(&metadata)?, Config::Vggish(_)))
}

enum Config {
    Fbank(FbankConfig),
    HtsAt(HtsAtConfig),
    Vggish(VggishConfig),
}

/// Of each case, how many samples of the waveform, and how many examples they give.
#[derive(Deserialize)]
struct VggishConfig {
    front_end: FrontEnd,
    cases: BTreeMap<String, Examined>,
}

/// What our front end has no settings for.
#[derive(Debug, PartialEq, Deserialize)]
struct FrontEnd {
    sample_rate: u32,
    mel_bins: usize,
    example_frames: usize,
}

#[derive(Deserialize)]
struct Examined {
    samples: usize,
    examples: usize,
}

fn config(metadata: &Metadata) -> Result<Config, ParityError> {
    #[derive(Deserialize)]
    struct Kind {
        kind: String,
    }
    fn read<'a, C: Deserialize<'a>>(text: &'a str) -> Result<C, ParityError> {
        serde_json::from_str(text).map_err(|error| ParityError::Config(error.to_string()))
    }
    let entries = metadata.metadata().as_ref();
    let text =
        entries.and_then(|entries| entries.get("config")).ok_or_else(|| ParityError::Config("none".to_owned()))?;
    match read::<Kind>(text)?.kind.as_str() {
        "fbank" => Ok(Config::Fbank(read(text)?)),
        "hts-at" => Ok(Config::HtsAt(read(text)?)),
        "backbone" => Ok(Config::Vggish(read(text)?)),
        kind => Err(ParityError::Config(format!("its kind is `{kind}`"))),
    }
}

fn log_mel_of(config: &HtsAtConfig, tensors: &SafeTensors<'_>) -> Result<Vec<f32>, ParityError> {
    if (config.audio.sample_rate, config.audio.mels) != (RATE, MELS) {
        return Err(ParityError::Config(format!("{:?} is not the audio of HTS-AT", config.audio)));
    }
    let settings = HtsAtSettings { segments: 1, tile_secs: config.audio.tile_to_seconds, margin_secs: 0.0 };
    let spectra = HtsAtSpectra::new(settings)?;
    let seconds = f32_from_le(tensors.tensor("input.second")?.data());
    let each: Result<Vec<_>, FbankError> = seconds.chunks(SEGMENT).map(|second| spectra.segments(second)).collect();
    Ok(each?.concat())
}

fn compare_log_mel(config: &HtsAtConfig, tensors: &SafeTensors<'_>) -> Result<Case, ParityError> {
    let ours = log_mel_of(config, tensors)?;
    let reference = tensors.tensor("expect.logmel")?;
    let wanted = f32_from_le(reference.data());
    let (name, allowed) = ("expect.logmel".to_owned(), "0.02 dB at worst");
    let size = (100 * config.audio.tile_to_seconds + 1) * MELS;
    let (first, count) = match reference.shape() {
        &[count, frames, MELS] if frames * MELS <= size && count * size == ours.len() => (frames * MELS, count),
        _ => return Ok(Case { name, worst: f64::INFINITY, mean: f64::INFINITY, values: 0, allowed, passed: false }),
    };
    let (worst, mean) = differences((0..count).flat_map(|index| &ours[index * size..][..first]), &wanted);
    Ok(Case { name, worst, mean, values: wanted.len(), allowed, passed: worst <= DECIBELS })
}

/// The examples of each case, by the way its name says, and frames that fill none.
fn compare_examples(config: &VggishConfig, tensors: &SafeTensors<'_>) -> Result<Vec<Case>, ParityError> {
    let ours = FrontEnd { sample_rate: vggish::RATE, mel_bins: vggish::MELS, example_frames: vggish::EXAMPLE };
    if config.front_end != ours {
        return Err(ParityError::Config(format!("{:?} is not VGGish's front end", config.front_end)));
    }
    let waveform = f32_from_le(tensors.tensor("input.waveform")?.data());
    let size = vggish::EXAMPLE * vggish::MELS;
    let mut cases = Vec::new();
    for (name, expected) in &config.cases {
        let Some(samples) = waveform.get(..expected.samples) else {
            return Err(ParityError::Config(format!("case {name} has more samples than the waveform")));
        };
        let examples = if name == "per_second" { Examples::PerSecond } else { Examples::Contiguous };
        let settings = |segments: usize| VggishSettings { segments: segments.max(1), examples };
        // A clip that is too short for all of its examples ends on its last one again.
        let whole = (1..=expected.examples).rev().find(|count| settings(*count).reach() <= samples.len()).unwrap_or(0);
        let spectra = VggishSpectra::new(settings(whole))?;
        let (tensor, found) = if expected.examples == 0 {
            (format!("expect.frames.{name}"), spectra.frames(samples)?)
        } else {
            let mut all = if whole == 0 { Vec::new() } else { spectra.segments(samples)? };
            let last = all[all.len().saturating_sub(size)..].to_vec();
            (whole..expected.examples).for_each(|_| all.extend(&last));
            (format!("expect.logmel.{name}"), all)
        };
        // A waveform without a frame has no tensor: nothing is what is expected.
        let wanted = tensors.tensor(&tensor).map(|t| f32_from_le(t.data())).unwrap_or_default();
        let allowed = "1e-4 at worst";
        let (worst, mean) = if wanted.len() != found.len() {
            (f64::INFINITY, f64::INFINITY)
        } else if wanted.is_empty() {
            (0.0, 0.0)
        } else {
            differences(found.iter(), &wanted)
        };
        cases.push(Case { name: tensor, worst, mean, values: wanted.len(), allowed, passed: worst <= EXAMPLES });
    }
    Ok(cases)
}

/// Largest and mean absolute difference.
fn differences<'a>(ours: impl Iterator<Item = &'a f32>, wanted: &[f32]) -> (f64, f64) {
    let (mut worst, mut sum) = (0.0_f64, 0.0);
    for (ours, wanted) in ours.zip(wanted) {
        let difference = f64::from(ours - wanted).abs();
        // NaN compares as smaller than anything: it must not pass.
        worst = if difference.is_nan() { f64::INFINITY } else { worst.max(difference) };
        sum += difference;
    }
    (worst, sum / wanted.len() as f64)
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
    let allowed = "2e-3 at worst, 1e-5 in the mean";
    let starts_agree = settings.starts(waveform.len()) == expected.starts;
    let shapes_agree = shape == [expected.segments.len(), expected.target, expected.mels]
        && expected.segments.iter().all(|segment| *segment < expected.starts.len());
    let size = expected.target * expected.mels;
    let ours = Fbank::new(settings)?.segments(waveform)?;
    if !(starts_agree && shapes_agree) {
        return Ok(Case { name, worst: f64::INFINITY, mean: f64::INFINITY, values: 0, allowed, passed: false });
    }
    let ours = expected.segments.iter().flat_map(|segment| &ours[segment * size..][..size]);
    let (worst, mean) = differences(ours, wanted);
    Ok(Case { name, worst, mean, values: wanted.len(), allowed, passed: worst <= WORST && mean <= MEAN })
}
