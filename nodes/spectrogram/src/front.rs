//! What turns a waveform into segments [T, frames, mels]: Kaldi fbanks, HTS-AT's spectra, or VGGish's examples.

use copl_contract::settings::SettingValue;

use crate::error::FbankError;
use crate::fbank::Fbank;
use crate::hts_at::{self, HtsAtSettings, HtsAtSpectra};
use crate::settings::{FbankSettings, spread};
use crate::vggish::{self, VggishSettings, VggishSpectra};

/// Each kind, prepared.
pub(crate) enum Front {
    Kaldi(Fbank),
    HtsAt(HtsAtSpectra),
    Vggish(VggishSpectra),
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
            Self::Vggish(_) => vggish::RATE,
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
            Self::Vggish(spectra) => [spectra.settings().segments, vggish::EXAMPLE, vggish::MELS],
        }
    }

    /// Spectra [T, frames, mels], row-major, of a waveform of at least one window.
    pub fn segments(&self, samples: &[f32]) -> Result<Vec<f32>, FbankError> {
        match self {
            Self::Kaldi(fbank) => fbank.segments(samples),
            Self::HtsAt(spectra) => spectra.segments(samples),
            Self::Vggish(spectra) => spectra.segments(samples),
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
            Self::Vggish(spectra) => {
                let VggishSettings { segments, examples } = spectra.settings();
                format!("vggish 1 segments={segments} examples={}", examples.show())
            }
        }
    }

    /// Checks that a waveform of `samples` holds the windows: one of them, and each at a place of its own.
    ///
    /// # Errors
    /// What is too short for what, in seconds.
    pub fn fits(&self, samples: usize) -> Result<(), String> {
        let Some(windows) = self.windows() else { return self.fits_examples(samples) };
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

    fn fits_examples(&self, samples: usize) -> Result<(), String> {
        let Self::Vggish(spectra) = self else { return Ok(()) };
        let reach = spectra.settings().reach();
        if samples < reach {
            let [have, needed] = [samples, reach].map(|samples| samples as f64 / f64::from(vggish::RATE));
            let count = spectra.settings().segments;
            return Err(format!("{have} s of sound do not hold {count} examples of VGGish, which take {needed} s"));
        }
        Ok(())
    }

    /// The windows that are spread over a clip; none where each has its fixed place.
    fn windows(&self) -> Option<Windows> {
        match self {
            Self::Kaldi(fbank) => {
                let settings = fbank.settings();
                let (samples, free) = (settings.window_samples(), settings.free_samples());
                Some(Windows { count: settings.segments, samples, free })
            }
            Self::HtsAt(spectra) => {
                let settings = spectra.settings();
                let (samples, free) = (hts_at::SEGMENT, settings.free_samples());
                Some(Windows { count: settings.segments, samples, free })
            }
            Self::Vggish(_) => None,
        }
    }
}
