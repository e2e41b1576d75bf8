//! The log-mel spectra HTS-AT was trained on, of T one-second segments of a waveform of 32 kHz.
//!
//! A segment of 32,000 samples is repeated to `tile_secs` seconds (the published loaders: 10 s; AVS 5 s). Short-time Fourier
//! transform of 1024 samples under a periodic Hann window every 320 samples, frames centred with the signal mirrored at its
//! ends; power; 64 [Slaney mel filters](crate::mel) from 50 to 14,000 Hz; 10 log10(max(x, 1e-10)). No normalising: the
//! encoder's batch norm does that.
//!
//! A tiled second has 100 hops, so that frames clear of the ends repeat every 100: only the first period, and the frames
//! that reach past an end, are computed.
//!
//! Source: torchlibrosa's `Spectrogram` and `LogmelFilterBank` as the official HTS-AT and DG-SCT call them, held to
//! tests/fixtures/hts_at_tiny.safetensors.

use std::sync::Arc;

use realfft::{RealFftPlanner, RealToComplex};

use crate::error::FbankError;
use crate::mel::MelFilters;
use crate::power::PowerSpectrum;
use crate::settings::spread;

/// Samples a second, hertz.
pub const RATE: u32 = 32_000;
/// Mel bins.
pub const MELS: usize = 64;
/// Samples of a segment: one second.
pub const SEGMENT: usize = RATE as usize;
/// Samples under one spectrum.
const FFT: usize = 1024;
/// Samples from one spectrum to the next.
const HOP: usize = 320;
/// Spectra of a second.
const PERIOD: usize = SEGMENT / HOP;
/// Lowest and highest frequency of the filters, hertz.
const BAND: (f64, f64) = (50.0, 14_000.0);
/// Floor below the logarithm.
const FLOOR: f32 = 1e-10;

/// What can be chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct HtsAtSettings {
    /// T, the number of segments spread over the clip.
    pub segments: usize,
    /// Seconds a segment is repeated to.
    pub tile_secs: usize,
    /// What the last segment keeps free at the end, in seconds; with 0 and as many segments as seconds, segment t is
    /// exactly second t.
    pub margin_secs: f64,
}

impl Default for HtsAtSettings {
    /// AVE and MUSIC-AVQA.
    fn default() -> Self {
        Self { segments: 10, tile_secs: 10, margin_secs: 0.0 }
    }
}

impl HtsAtSettings {
    /// Refuses settings that mean nothing.
    ///
    /// # Errors
    /// Names what is refused.
    pub fn check(&self) -> Result<(), FbankError> {
        let refuse = |text: String| Err(FbankError::Settings(text));
        if !(1..=100_000).contains(&self.segments) {
            return refuse(format!("{} segments: 1 to 100000 are possible", self.segments));
        }
        if !(1..=60).contains(&self.tile_secs) {
            return refuse(format!("segments tiled to {} s: 1 to 60 are possible", self.tile_secs));
        }
        if !(0.0..=3600.0).contains(&self.margin_secs) {
            return refuse("margins of 0 to 3600 s are possible".to_owned());
        }
        Ok(())
    }

    /// Samples the last segment keeps free, with its own length.
    pub(crate) fn free_samples(&self) -> f64 {
        f64::from(RATE) * (1.0 + self.margin_secs)
    }

    /// Spectra of a segment: 100 a second, and one.
    pub fn frames(&self) -> usize {
        self.tile_secs * PERIOD + 1
    }
}

/// Prepared transform, window and filters. Shared between threads by reference.
pub struct HtsAtSpectra {
    settings: HtsAtSettings,
    transform: Arc<dyn RealToComplex<f32>>,
    hann: Vec<f32>,
    filters: MelFilters,
}

impl HtsAtSpectra {
    /// Prepares them.
    ///
    /// # Errors
    /// If the settings mean nothing.
    pub fn new(settings: HtsAtSettings) -> Result<Self, FbankError> {
        settings.check()?;
        let phase = |i: usize| 2.0 * std::f64::consts::PI * i as f64 / FFT as f64;
        Ok(Self {
            settings,
            transform: RealFftPlanner::new().plan_fft_forward(FFT),
            hann: (0..FFT).map(|i| (0.5 - 0.5 * phase(i).cos()) as f32).collect(),
            filters: MelFilters::slaney(MELS, FFT, RATE, BAND),
        })
    }

    /// The settings.
    pub fn settings(&self) -> &HtsAtSettings {
        &self.settings
    }

    /// Spectra in decibels [T, frames, 64], row-major, of a waveform of at least one second at 32 kHz.
    ///
    /// # Errors
    /// If the waveform is shorter.
    pub fn segments(&self, samples: &[f32]) -> Result<Vec<f32>, FbankError> {
        if samples.len() < SEGMENT {
            return Err(FbankError::TooShort { samples: samples.len(), window: SEGMENT });
        }
        let free = self.settings.free_samples();
        let size = self.settings.frames() * MELS;
        let mut spectra = vec![0.0; self.settings.segments * size];
        let mut scratch = PowerSpectrum::new(self.transform.as_ref());
        for (start, rows) in spread(samples.len(), free, self.settings.segments).zip(spectra.chunks_exact_mut(size)) {
            let start = start.min(samples.len() - SEGMENT);
            self.segment(&samples[start..start + SEGMENT], rows, &mut scratch)?;
        }
        Ok(spectra)
    }

    /// Fills [frames, 64] from one second.
    fn segment(&self, second: &[f32], rows: &mut [f32], scratch: &mut PowerSpectrum) -> Result<(), FbankError> {
        let length = self.settings.tile_secs * SEGMENT;
        let reaches_past_an_end = |frame: usize| frame * HOP < FFT / 2 || frame * HOP + FFT / 2 > length;
        for frame in 0..self.settings.frames() {
            let at = frame * MELS;
            if !reaches_past_an_end(frame) && frame >= PERIOD && !reaches_past_an_end(frame - PERIOD) {
                rows.copy_within(at - PERIOD * MELS..at - (PERIOD - 1) * MELS, at);
                continue;
            }
            for (inside, (place, weight)) in scratch.input.iter_mut().zip(&self.hann).enumerate() {
                let sample = mirrored(frame * HOP + inside, length);
                *place = second[sample % SEGMENT] * weight;
            }
            let power = scratch.power(self.transform.as_ref())?;
            for (value, energy) in rows[at..at + MELS].iter_mut().zip(self.filters.energies(power)) {
                *value = 10.0 * energy.max(FLOOR).log10();
            }
        }
        Ok(())
    }
}

/// The sample under place `at` of a signal of `length` samples with half a window mirrored before it and after it; the
/// first and last samples are not repeated.
fn mirrored(at: usize, length: usize) -> usize {
    match at.checked_sub(FFT / 2) {
        None => FFT / 2 - at,
        Some(sample) if sample < length => sample,
        Some(sample) => 2 * (length - 1) - sample,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A second without any period of its own.
    fn noise(seed: u32) -> Vec<f32> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..SEGMENT).map(|_| next()).collect()
    }

    /// Every frame of the tiled second, written out and mirrored as one long signal.
    fn direct(spectra: &HtsAtSpectra, second: &[f32]) -> Vec<f32> {
        let tiled = second.repeat(spectra.settings.tile_secs);
        let before = tiled[1..=FFT / 2].iter().rev();
        let after = tiled[tiled.len() - 1 - FFT / 2..tiled.len() - 1].iter().rev();
        let long: Vec<f32> = before.chain(&tiled).chain(after).copied().collect();
        let mut scratch = PowerSpectrum::new(spectra.transform.as_ref());
        let frames = long.windows(FFT).step_by(HOP);
        frames
            .flat_map(|frame| {
                scratch.input.iter_mut().zip(frame.iter().zip(&spectra.hann)).for_each(|(to, (x, w))| *to = x * w);
                let power = scratch.power(spectra.transform.as_ref()).unwrap();
                spectra.filters.energies(power).map(|energy| 10.0 * energy.max(FLOOR).log10()).collect::<Vec<_>>()
            })
            .collect()
    }

    #[test]
    fn leaving_out_what_repeats_changes_no_bit() {
        for tile_secs in [1, 2, 5, 10] {
            let settings = HtsAtSettings { segments: 1, tile_secs, ..HtsAtSettings::default() };
            let spectra = HtsAtSpectra::new(settings).unwrap();
            let second = noise(tile_secs as u32);
            let found = spectra.segments(&second).unwrap();
            assert_eq!(found.len(), (100 * tile_secs + 1) * MELS);
            assert_eq!(found, direct(&spectra, &second), "tiled to {tile_secs} s");
        }
    }

    #[test]
    fn silence_is_the_floor() {
        let found = HtsAtSpectra::new(HtsAtSettings::default()).unwrap().segments(&vec![0.0; 10 * SEGMENT]).unwrap();
        assert_eq!(found.len(), 10 * 1001 * MELS);
        assert!(found.iter().all(|value| *value == -100.0));
    }

    #[test]
    fn segment_t_is_second_t() {
        let spectra = HtsAtSpectra::new(HtsAtSettings { tile_secs: 5, ..HtsAtSettings::default() }).unwrap();
        let clip: Vec<f32> = (0..10).flat_map(noise).collect();
        let found = spectra.segments(&clip).unwrap();
        let alone = HtsAtSettings { segments: 1, tile_secs: 5, ..HtsAtSettings::default() };
        let alone = HtsAtSpectra::new(alone).unwrap();
        for t in [0, 3, 9] {
            let size = 501 * MELS;
            assert_eq!(found[t * size..][..size], alone.segments(&noise(t as u32)).unwrap(), "segment {t}");
        }
    }

    #[test]
    fn what_means_nothing_is_refused() {
        let good = HtsAtSettings::default();
        for bad in [
            HtsAtSettings { segments: 0, ..good.clone() },
            HtsAtSettings { tile_secs: 0, ..good.clone() },
            HtsAtSettings { tile_secs: 61, ..good.clone() },
            HtsAtSettings { margin_secs: f64::NAN, ..good.clone() },
        ] {
            assert!(HtsAtSpectra::new(bad.clone()).is_err(), "{bad:?}");
        }
        let short = HtsAtSpectra::new(good).unwrap().segments(&[0.0; 31_999]);
        assert_eq!(short, Err(FbankError::TooShort { samples: 31_999, window: 32_000 }));
    }
}
