//! Log-mel spectra of T windows of a waveform, as Kaldi defines them and the published loaders use them.
//!
//! The whole clip's mean is subtracted; window i starts at [`FbankSettings::starts`]. Within a window, each frame of 25 ms:
//! subtract its mean, pre-emphasise by 0.97 (the first sample against itself), weigh by a symmetric Hann window, zero-pad to
//! a power of two, power spectrum, [mel filters](crate::mel), ln(max(x, 1.1920929e-7)). Frames that would pass the end of
//! the window are left out. Then (x - mean) / (2 std), and zeros or a cut to the wanted number of frames.
//!
//! Source: torchaudio.compliance.kaldi.fbank with dither 0, as called by LAVISH (github.com/GenjiB/LAVISH), held to
//! tests/fixtures/kaldi_fbank.safetensors.

use std::sync::Arc;

use realfft::{RealFftPlanner, RealToComplex};

use crate::error::FbankError;
use crate::mel::MelFilters;
use crate::power::PowerSpectrum;
use crate::settings::FbankSettings;

const PREEMPHASIS: f32 = 0.97;
/// Kaldi's floor below the logarithm: the f32 epsilon.
const FLOOR: f32 = f32::EPSILON;

/// Prepared transform, window and filters for one group of settings. Shared between threads by reference.
pub struct Fbank {
    settings: FbankSettings,
    transform: Arc<dyn RealToComplex<f32>>,
    hann: Vec<f32>,
    filters: MelFilters,
}

impl Fbank {
    pub fn new(settings: FbankSettings) -> Result<Self, FbankError> {
        settings.check()?;
        let length = settings.frame_samples();
        let fft = length.next_power_of_two();
        let phase = |i: usize| 2.0 * std::f64::consts::PI * i as f64 / (length as f64 - 1.0);
        Ok(Self {
            transform: RealFftPlanner::new().plan_fft_forward(fft),
            hann: (0..length).map(|i| (0.5 - 0.5 * phase(i).cos()) as f32).collect(),
            filters: MelFilters::new(settings.mels, fft, settings.rate),
            settings,
        })
    }

    pub fn settings(&self) -> &FbankSettings {
        &self.settings
    }

    /// Spectra [T, frames, mels], row-major, of a waveform of at least one window, at the settings' rate.
    pub fn segments(&self, samples: &[f32]) -> Result<Vec<f32>, FbankError> {
        let window = self.settings.window_samples();
        if samples.len() < window {
            return Err(FbankError::TooShort { samples: samples.len(), window });
        }
        let mean = samples.iter().map(|sample| f64::from(*sample)).sum::<f64>() / samples.len() as f64;
        let centred: Vec<f32> = samples.iter().map(|sample| sample - mean as f32).collect();
        let size = self.settings.frames * self.settings.mels;
        let mut spectra = vec![0.0; self.settings.segments * size];
        let mut scratch = PowerSpectrum::new(self.transform.as_ref());
        let starts = self.settings.starts(samples.len());
        for (start, segment) in starts.into_iter().zip(spectra.chunks_exact_mut(size)) {
            // Without margin, rounding can put the last window a sample past the end.
            let start = start.min(samples.len() - window);
            self.segment(&centred[start..start + window], segment, &mut scratch)?;
        }
        Ok(spectra)
    }

    /// Fills [frames, mels] from one window; rows without a frame stay zero.
    fn segment(&self, window: &[f32], rows: &mut [f32], scratch: &mut PowerSpectrum) -> Result<(), FbankError> {
        let (mean, scale) = (self.settings.mean as f32, (2.0 * self.settings.std) as f32);
        let frames = window.windows(self.hann.len()).step_by(self.settings.shift_samples());
        for (frame, row) in frames.zip(rows.chunks_exact_mut(self.settings.mels)) {
            prepare(&mut scratch.input, &self.hann, frame);
            let power = scratch.power(self.transform.as_ref())?;
            for (value, energy) in row.iter_mut().zip(self.filters.energies(power)) {
                *value = (energy.max(FLOOR).ln() - mean) / scale;
            }
        }
        Ok(())
    }
}

/// Puts a frame into `input`: its mean removed, high tones raised, weighted, and filled up with zeros.
fn prepare(input: &mut [f32], hann: &[f32], frame: &[f32]) {
    let mean = frame.iter().sum::<f32>() / frame.len() as f32;
    let mut before = frame[0] - mean;
    for ((place, sample), weight) in input.iter_mut().zip(frame).zip(hann) {
        let sample = sample - mean;
        *place = (sample - PREEMPHASIS * before) * weight;
        before = sample;
    }
    input[frame.len()..].fill(0.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hertz: f32, samples: usize) -> Vec<f32> {
        (0..samples).map(|i| (i as f32 * hertz / 16_000.0 * std::f32::consts::TAU).sin() * 0.5).collect()
    }

    #[test]
    fn silence_is_the_floor_and_what_follows_is_zero() {
        let settings = FbankSettings { mean: 0.0, std: 0.5, ..FbankSettings::default() };
        let spectra = Fbank::new(settings).unwrap().segments(&vec![0.25; 160_000]).unwrap();
        assert_eq!(spectra.len(), 10 * 192 * 192);
        let segment = &spectra[..192 * 192];
        assert!(segment[..188 * 192].iter().all(|value| *value == FLOOR.ln()));
        assert!(segment[188 * 192..].iter().all(|value| *value == 0.0));
    }

    #[test]
    fn a_higher_tone_stands_in_a_higher_bin_in_images_of_any_size() {
        let settings = FbankSettings { mels: 64, frames: 64, shift_ms: 15.0, segments: 3, ..FbankSettings::default() };
        let fbank = Fbank::new(settings).unwrap();
        let peak = |hertz| {
            let spectra = fbank.segments(&tone(hertz, 64_000)).unwrap();
            assert_eq!(spectra.len(), 3 * 64 * 64);
            let row = &spectra[64 * 64 + 30 * 64..][..64];
            (0..64).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap()
        };
        // 440 Hz is 549 mel: bin (549 - 32) / 43.2 - 1 = 11; 4000 Hz is 2146 mel: bin 48.
        assert_eq!((peak(440.0), peak(4000.0)), (11, 48));
    }

    #[test]
    fn a_waveform_shorter_than_a_window_is_refused() {
        let fbank = Fbank::new(FbankSettings::default()).unwrap();
        let expected = FbankError::TooShort { samples: 15_999, window: 16_000 };
        assert_eq!(fbank.segments(&[0.0; 15_999]), Err(expected));
        assert!(fbank.segments(&[0.0; 16_000]).is_ok());
    }
}
