//! Comparison with reference results: a fixture file holds weights, inputs, and what PyTorch made of them.
//!
//! A fixture is a safetensors file whose metadata key `config` is JSON: its `kind`, sizes, settings. Each kind has a file
//! here: `adapters` (LAVISH and DG-SCT), `avqa` (the head of question answering), `avs` (the decoder of segmentation), `ms3` (the loss of several
//! sources), `backbone` (tokens after every block), `copl` (predictions, loss, every
//! gradient, five optimizer steps), and `hts-at` (an encoder of sounds, which is handed the spectra: [`run_spectra`]).
//! Tensors are named `backbone.*`, `audio_backbone.*`, `param.*`, `input.*`, `expect.*`, `grad.*`.

mod adapters;
mod avqa;
mod avs;
mod backbone;
mod copl;
mod fixture;
mod hts_at;
mod ms3;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use candle_core::Tensor;
use copl_networks::kernels::Execution;
use copl_networks::{Error, Result};
use fixture::Fixture;
use serde::Serialize;

/// Largest difference of activations, relative to the larger of 1 and the largest expected number.
const ACTIVATION_TOLERANCE: f64 = 1e-4;
/// Largest 2-norm of a gradient's difference, relative to the expected gradient's.
const GRADIENT_TOLERANCE: f64 = 1e-3;
/// Largest difference of the losses after optimizer steps.
const LOSS_TOLERANCE: f64 = 1e-3;

/// What is compared, and so by which measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// Largest difference, relative to the larger of 1 and the largest expected number.
    Activation,
    /// Relative 2-norm of the difference.
    Gradient,
    /// Largest difference of losses.
    Loss,
}

/// One compared tensor.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ParityRow {
    /// Its name in the fixture.
    pub name: String,
    /// How it is judged.
    pub measure: Measure,
    /// Largest absolute difference.
    pub max_abs: f64,
    /// 2-norm of the difference over that of the expected tensor.
    pub rel_norm: f64,
    /// What the judged number may be at most.
    pub tolerance: f64,
    /// True if it is.
    pub passed: bool,
}

/// Every compared tensor of a fixture.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ParityReport {
    /// The fixture.
    pub path: PathBuf,
    /// Its kind.
    pub kind: String,
    /// The comparisons.
    pub rows: Vec<ParityRow>,
}

impl ParityReport {
    /// True if every tensor is within its tolerance.
    pub fn passed(&self) -> bool {
        !self.rows.is_empty() && self.rows.iter().all(|row| row.passed)
    }

    fn compare(&mut self, name: &str, measure: Measure, found: &Tensor, expected: &Tensor) -> Result<()> {
        self.judge(name, measure, found, expected, 0.0)
    }

    /// A gradient that may differ by `floor` beside its own part, in 2-norm.
    fn compare_gradient(&mut self, name: &str, found: &Tensor, expected: &Tensor, floor: f64) -> Result<()> {
        self.judge(name, Measure::Gradient, found, expected, floor)
    }

    fn judge(&mut self, name: &str, measure: Measure, found: &Tensor, expected: &Tensor, floor: f64) -> Result<()> {
        let read = |t: &Tensor| -> Result<Vec<f32>> { Ok(t.flatten_all()?.to_vec1()?) };
        let (a, b) = (read(found)?, read(expected)?);
        if a.len() != b.len() {
            return Err(Error::Shape {
                what: name.to_string(),
                found: found.dims().to_vec(),
                expected: format!("{:?}", expected.dims()),
            });
        }
        let (mut max_abs, mut difference, mut norm, mut largest) = (0f64, 0f64, 0f64, 0f64);
        for (a, b) in a.iter().zip(&b) {
            let (d, b) = (f64::from(a - b), f64::from(*b));
            max_abs = if d.is_nan() { f64::NAN } else { max_abs.max(d.abs()) };
            difference += d * d;
            norm += b * b;
            largest = largest.max(b.abs());
        }
        // A tensor of zeros, as the gradient of what plays no part, is compared absolutely.
        let rel_norm = if norm > 0.0 { (difference / norm).sqrt() } else { difference.sqrt() };
        let (judged, tolerance) = match measure {
            Measure::Activation => (max_abs, ACTIVATION_TOLERANCE * largest.max(1.0)),
            Measure::Gradient if norm > 0.0 => (rel_norm, GRADIENT_TOLERANCE + floor / norm.sqrt()),
            Measure::Gradient if floor > 0.0 => (rel_norm, floor),
            Measure::Gradient => (rel_norm, GRADIENT_TOLERANCE),
            Measure::Loss => (max_abs, LOSS_TOLERANCE * largest.max(1.0)),
        };
        let passed = judged <= tolerance;
        self.rows.push(ParityRow { name: name.to_string(), measure, max_abs, rel_norm, tolerance, passed });
        Ok(())
    }
}

/// Runs a fixture and compares everything it expects.
///
/// # Errors
/// If the file is no fixture, or of a kind or encoder this program does not have.
pub fn run(path: &Path) -> Result<ParityReport> {
    run_with(path, Execution::CPU)
}

/// [`run`] with a choice of implementation.
///
/// # Errors
/// As [`run`].
pub fn run_with(path: &Path, execution: Execution) -> Result<ParityReport> {
    compare(path, None, execution)
}

/// As [`run_with`], for a fixture that holds waveforms: `spectra` [N, frames, mels] is what its front end made of them.
///
/// # Errors
/// As [`run`].
pub fn run_spectra(path: &Path, spectra: &[f32], execution: Execution) -> Result<ParityReport> {
    compare(path, Some(spectra), execution)
}

fn compare(path: &Path, spectra: Option<&[f32]>, execution: Execution) -> Result<ParityReport> {
    let fixture = Fixture::read(path)?;
    let kind = fixture.kind()?;
    let mut report = ParityReport { path: path.to_path_buf(), kind: kind.clone(), rows: Vec::new() };
    match (kind.as_str(), spectra) {
        ("avqa-head", None) => avqa::compare(&fixture, execution, &mut report)?,
        ("avs-decoder", None) => avs::compare(&fixture, execution, &mut report)?,
        ("avs-ms3-loss", None) => ms3::compare(&fixture, &mut report)?,
        ("backbone", None) => backbone::compare(&fixture, execution, &mut report)?,
        ("copl", None) => copl::compare(&fixture, execution, &mut report)?,
        (word @ ("lavish" | "dg-sct"), None) => adapters::compare(&fixture, word, execution, &mut report)?,
        ("hts-at", Some(spectra)) => hts_at::compare(&fixture, spectra, execution, &mut report)?,
        ("hts-at", None) => {
            return Err(Error::Unsupported(
                "a fixture of waveforms without the spectra a front end makes of them".into(),
            ));
        }
        (kind, _) => return Err(Error::Unsupported(format!("a fixture of kind '{kind}'"))),
    }
    Ok(report)
}
