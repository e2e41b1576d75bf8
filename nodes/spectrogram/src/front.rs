//! What turns a waveform into segments [T, frames, mels]: Kaldi fbanks, or HTS-AT's spectra.

use crate::error::FbankError;
use crate::fbank::Fbank;
use crate::hts_at::{self, HtsAtSettings, HtsAtSpectra};
use crate::settings::{FbankSettings, spread};

/// Either kind, prepared.
pub(crate) enum Front {
    Kaldi(Fbank),
    HtsAt(HtsAtSpectra),
}

/// T windows in a waveform.
struct Windows {
    count: usize,
    samples: usize,
    /// Samples the last of them keeps free, with its own length.
    free: f64,
}

impl Front {
    /// Samples a second it takes.
    pub fn rate(&self) -> u32 {
        match self {
            Self::Kaldi(fbank) => fbank.settings().rate,
            Self::HtsAt(_) => hts_at::RATE,
        }
    }

    /// [T, frames, mels] it makes.
    pub fn shape(&self) -> [usize; 3] {
        match self {
            Self::Kaldi(fbank) => {
                let settings = fbank.settings();
                [settings.segments, settings.frames, settings.mels]
            }
            Self::HtsAt(spectra) => [spectra.settings().segments, spectra.settings().frames(), hts_at::MELS],
        }
    }

    /// Spectra [T, frames, mels], row-major, of a waveform of at least one window.
    pub fn segments(&self, samples: &[f32]) -> Result<Vec<f32>, FbankError> {
        match self {
            Self::Kaldi(fbank) => fbank.segments(samples),
            Self::HtsAt(spectra) => spectra.segments(samples),
        }
    }

    /// Every setting the spectra depend on, for the key of the cache. The number counts up whenever they would come out
    /// otherwise.
    pub fn key(&self) -> String {
        match self {
            Self::Kaldi(fbank) => {
                let FbankSettings { rate, segments, window_secs, margin_secs, shift_ms, mels, frames, mean, std } =
                    fbank.settings();
                format!(
                    "kaldi 1 rate={rate} segments={segments} window_secs={window_secs} margin_secs={margin_secs} \
                     shift_ms={shift_ms} mels={mels} frames={frames} mean={mean} std={std}"
                )
            }
            Self::HtsAt(spectra) => {
                let HtsAtSettings { segments, tile_secs, margin_secs } = spectra.settings();
                format!("hts-at 1 segments={segments} tile_secs={tile_secs} margin_secs={margin_secs}")
            }
        }
    }

    /// Checks that a waveform of `samples` holds the windows: one of them, and each at a place of its own.
    ///
    /// # Errors
    /// What is too short for what, in seconds.
    pub fn fits(&self, samples: usize) -> Result<(), String> {
        let windows = self.windows();
        let rate = f64::from(self.rate());
        let secs = |samples: f64| (samples / rate * 1e4).round() / 1e4;
        let (have, window) = (secs(samples as f64), secs(windows.samples as f64));
        if samples < windows.samples {
            return Err(format!("{have} s of sound are less than one window, {window} s"));
        }
        let starts: Vec<usize> = spread(samples, windows.free, windows.count).collect();
        if starts.windows(2).any(|pair| pair[0] == pair[1]) {
            let (count, free) = (windows.count, secs(windows.free));
            return Err(format!(
                "in {have} s of sound several of the {count} windows of {window} s would be the same: with the margin more \
                 than {free} s are needed"
            ));
        }
        Ok(())
    }

    fn windows(&self) -> Windows {
        match self {
            Self::Kaldi(fbank) => {
                let settings = fbank.settings();
                Windows { count: settings.segments, samples: settings.window_samples(), free: settings.free_samples() }
            }
            Self::HtsAt(spectra) => {
                let settings = spectra.settings();
                Windows { count: settings.segments, samples: hts_at::SEGMENT, free: settings.free_samples() }
            }
        }
    }
}
