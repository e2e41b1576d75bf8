//! VGGish's log-mel examples of a waveform of 16 kHz.
//!
//! Frames of 400 samples every 160, neither padded nor centred, under a periodic Hann window; a Fourier transform of 512; the
//! magnitude, not the power; 64 [triangles](crate::mel) straight on the mel axis from 125 to 7500 Hz, of height 1, without the
//! bin of 0 Hz; ln(x + 0.01). An example is 96 frames.
//!
//! AVE and MUSIC-AVQA cut each second first: example t is the first 0.96 s of second t. AVSBench lays examples of 0.96 s end to
//! end, so that example t lies 0.04 s a second earlier.
//!
//! Source: torchvggish's `mel_features.py` and `vggish_input.py`, held to tests/fixtures/vggish_tiny.safetensors. Theirs is in
//! double precision; ours differs by less than 1e-4.

use std::sync::Arc;

use realfft::{RealFftPlanner, RealToComplex};

use crate::error::FbankError;
use crate::mel::MelFilters;
use crate::power::PowerSpectrum;

/// Samples a second, hertz.
pub const RATE: u32 = 16_000;
/// Mel bins.
pub const MELS: usize = 64;
/// Frames of an example.
pub const EXAMPLE: usize = 96;
/// Samples under a frame, and from one to the next.
const WINDOW: usize = 400;
const HOP: usize = 160;
/// Length of the transform.
const FFT: usize = 512;
/// Lowest and highest frequency of the filters, hertz.
const BAND: (f64, f64) = (125.0, 7500.0);
/// Added below the logarithm.
const OFFSET: f32 = 0.01;
/// Samples an example reaches over.
const REACH: usize = (EXAMPLE - 1) * HOP + WINDOW;

copl_contract::choice! {
    /// Where the examples of a clip begin.
    #[derive(Default)]
    pub enum Examples {
        /// Each at a whole second (AVE, MUSIC-AVQA).
        #[default]
        PerSecond = "per-second",
        /// Each where the one before ends, 0.96 s later (AVSBench).
        Contiguous = "contiguous",
    }
}

/// What can be chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct VggishSettings {
    /// T, the number of examples.
    pub segments: usize,
    /// Where they begin.
    pub examples: Examples,
}

impl Default for VggishSettings {
    /// AVE.
    fn default() -> Self {
        Self { segments: 10, examples: Examples::default() }
    }
}

impl VggishSettings {
    /// Samples from one example to the next.
    pub(crate) fn step(&self) -> usize {
        match self.examples {
            Examples::PerSecond => RATE as usize,
            Examples::Contiguous => EXAMPLE * HOP,
        }
    }

    /// Samples that hold all examples.
    pub(crate) fn reach(&self) -> usize {
        (self.segments - 1) * self.step() + REACH
    }
}

/// Prepared transform, window and filters. Shared between threads by reference.
pub struct VggishSpectra {
    settings: VggishSettings,
    transform: Arc<dyn RealToComplex<f32>>,
    hann: Vec<f32>,
    filters: MelFilters,
}

impl VggishSpectra {
    /// Prepares them.
    ///
    /// # Errors
    /// If there are no segments, or too many.
    pub fn new(settings: VggishSettings) -> Result<Self, FbankError> {
        if !(1..=100_000).contains(&settings.segments) {
            return Err(FbankError::Settings(format!("{} segments: 1 to 100000 are possible", settings.segments)));
        }
        let phase = |i: usize| 2.0 * std::f64::consts::PI * i as f64 / WINDOW as f64;
        Ok(Self {
            settings,
            transform: RealFftPlanner::new().plan_fft_forward(FFT),
            hann: (0..WINDOW).map(|i| (0.5 - 0.5 * phase(i).cos()) as f32).collect(),
            filters: MelFilters::straight_on_mels(MELS, FFT, RATE, BAND),
        })
    }

    /// The settings.
    pub fn settings(&self) -> &VggishSettings {
        &self.settings
    }

    /// Examples [T, 96, 64], row-major, of a waveform at 16 kHz.
    ///
    /// # Errors
    /// If it is too short for all of them.
    pub fn segments(&self, samples: &[f32]) -> Result<Vec<f32>, FbankError> {
        let reach = self.settings.reach();
        if samples.len() < reach {
            return Err(FbankError::TooShort { samples: samples.len(), window: reach });
        }
        let example = |index: usize| &samples[index * self.settings.step()..][..REACH];
        let each: Result<Vec<_>, _> = (0..self.settings.segments).map(|index| self.frames(example(index))).collect();
        Ok(each?.concat())
    }

    /// Log-mel frames [1 + (samples - 400) / 160, 64] of a waveform; none of one shorter than a frame.
    ///
    /// # Errors
    /// If the transform fails.
    pub fn frames(&self, samples: &[f32]) -> Result<Vec<f32>, FbankError> {
        let mut spectrum = PowerSpectrum::new(self.transform.as_ref());
        let mut all = Vec::with_capacity(samples.len() / HOP * MELS);
        for frame in samples.windows(WINDOW).step_by(HOP) {
            spectrum.input.fill(0.0);
            for ((to, sample), weight) in spectrum.input.iter_mut().zip(frame).zip(&self.hann) {
                *to = sample * weight;
            }
            let magnitude: Vec<f32> = spectrum.power(self.transform.as_ref())?.iter().map(|p| p.sqrt()).collect();
            all.extend(self.filters.energies(&magnitude).map(|energy| (energy + OFFSET).ln()));
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_the_logarithm_of_the_offset_and_lengths_are_exact() {
        let spectra = VggishSpectra::new(VggishSettings { segments: 1, ..VggishSettings::default() }).unwrap();
        assert_eq!(spectra.frames(&[0.0; 399]).unwrap().len(), 0);
        assert_eq!(spectra.frames(&[0.0; 400]).unwrap().len(), MELS);
        assert!(spectra.segments(&[0.0; 15_599]).is_err());
        let silence = spectra.segments(&[0.0; 15_600]).unwrap();
        assert_eq!(silence.len(), EXAMPLE * MELS);
        assert!(silence.iter().all(|value| (value + 4.605_17).abs() < 1e-4));
    }

    #[test]
    fn examples_begin_at_seconds_or_end_to_end() {
        let samples: Vec<f32> = (0..64_000).map(|i| (i as f32 * i as f32 * 1e-6).sin()).collect();
        for (examples, second) in [(Examples::PerSecond, 16_000), (Examples::Contiguous, 15_360)] {
            let spectra = VggishSpectra::new(VggishSettings { segments: 4, examples }).unwrap();
            let all = spectra.segments(&samples).unwrap();
            let alone = spectra.frames(&samples[2 * second..][..15_600]).unwrap();
            assert_eq!(all[2 * EXAMPLE * MELS..][..EXAMPLE * MELS], alone);
        }
    }
}
