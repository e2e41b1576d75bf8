//! The settings of a log-mel spectrogram, and those of the published experiments by name.

use crate::error::FbankError;

/// How a waveform becomes [T, frames, mels].
#[derive(Debug, Clone, PartialEq)]
pub struct FbankSettings {
    /// Samples a second of the waveform, hertz.
    pub rate: u32,
    /// T, the number of windows spread over the clip.
    pub segments: usize,
    /// Length of a window in seconds.
    pub window_secs: f64,
    /// What the last window keeps free at the end beyond its own length, in seconds; the published loader's 0.1. With 0
    /// and as many windows as seconds, window t is exactly second t.
    pub margin_secs: f64,
    /// From one spectrum to the next in milliseconds, truncated to whole samples.
    pub shift_ms: f64,
    /// Mel bins, from 20 Hz to half the rate.
    pub mels: usize,
    /// Spectra of a segment: fewer are followed by zeros (after normalising), more are cut.
    pub frames: usize,
    /// Normalising: (x - mean) / (2 std).
    pub mean: f64,
    pub std: f64,
}

impl Default for FbankSettings {
    /// `ave-swin`.
    fn default() -> Self {
        Self {
            rate: 16_000,
            segments: 10,
            window_secs: 1.0,
            margin_secs: 0.1,
            shift_ms: 5.2,
            mels: 192,
            frames: 192,
            mean: -4.984795570373535,
            std: 3.707_978_010_177_612_3,
        }
    }
}

impl FbankSettings {
    /// Names [`Self::preset`] knows: task and backbone of the published loaders.
    pub const PRESETS: &[&str] = &["ave-swin", "ave-vit", "avs-swin", "avqa-swin"];

    /// The settings published for a task and backbone.
    pub fn preset(name: &str) -> Option<Self> {
        let wide = Self { window_secs: 1.95, shift_ms: 10.0, ..Self::default() };
        match name {
            "ave-swin" => Some(Self::default()),
            "ave-vit" => {
                Some(Self { shift_ms: 10.0, mels: 128, frames: 102, mean: -4.1426, std: 3.2001, ..Self::default() })
            }
            "avs-swin" => {
                Some(Self { segments: 5, mean: -5.210_531_711_578_369, std: 3.591_831_445_693_969_7, ..wide })
            }
            "avqa-swin" => Some(Self { mean: -5.385_333_061_218_262, std: 3.592_863_798_141_479_5, ..wide }),
            _ => None,
        }
    }

    /// Refuses settings that mean nothing.
    pub fn check(&self) -> Result<(), FbankError> {
        let refuse = |text: String| Err(FbankError::Settings(text));
        if !(1_000..=384_000).contains(&self.rate) {
            return refuse(format!("a rate of {} Hz: 1000 to 384000 are possible", self.rate));
        }
        for (name, count) in [("segments", self.segments), ("mels", self.mels), ("frames", self.frames)] {
            if !(1..=100_000).contains(&count) {
                return refuse(format!("{count} {name}: 1 to 100000 are possible"));
            }
        }
        if self.window_samples() < self.frame_samples() {
            return refuse(format!("a window of {} s is shorter than one spectrum, 0.025 s", self.window_secs));
        }
        if !(0.0..=3600.0).contains(&self.margin_secs) || self.window_secs > 3600.0 {
            return refuse("windows and margins of 0 to 3600 s are possible".to_owned());
        }
        if self.shift_samples() == 0 || self.shift_ms > 1e6 {
            return refuse(format!("a shift of {} ms is less than a sample or beyond reason", self.shift_ms));
        }
        if !(self.mean.is_finite() && self.std.is_finite() && self.std > 0.0) {
            return refuse(format!("normalising by mean {} and std {} has no meaning", self.mean, self.std));
        }
        Ok(())
    }

    /// Samples of a window.
    pub fn window_samples(&self) -> usize {
        (f64::from(self.rate) * self.window_secs) as usize
    }

    /// Samples from one spectrum to the next.
    pub fn shift_samples(&self) -> usize {
        (f64::from(self.rate) * self.shift_ms * 0.001) as usize
    }

    /// Samples under one spectrum: 25 ms.
    pub(crate) fn frame_samples(&self) -> usize {
        (f64::from(self.rate) * 25.0 * 0.001) as usize
    }

    /// First sample of each window in a waveform of `samples`: linspace(0, n - rate * (window + margin), T), truncated.
    pub fn starts(&self, samples: usize) -> Vec<usize> {
        spread(samples, self.free_samples(), self.segments).collect()
    }

    /// Samples the last window keeps free, with its own length.
    pub(crate) fn free_samples(&self) -> f64 {
        f64::from(self.rate) * (self.window_secs + self.margin_secs)
    }
}

/// First sample of each of `segments` windows in `samples` samples: linspace(0, samples - free, segments), truncated.
pub(crate) fn spread(samples: usize, free: f64, segments: usize) -> impl Iterator<Item = usize> {
    // The order of operations is the published loader's: another rounds some starts differently.
    let last = if segments == 1 { 0.0 } else { (samples as f64 - free).max(0.0) };
    let step = last / (segments as f64 - 1.0).max(1.0);
    (0..segments).map(move |i| if i + 1 == segments { last as usize } else { (i as f64 * step) as usize })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_start_where_the_published_loader_starts_them() {
        let starts = FbankSettings::default().starts(160_000);
        assert_eq!(starts, [0, 15822, 31644, 47466, 63288, 79111, 94933, 110_755, 126_577, 142_400]);
    }

    #[test]
    fn without_margin_window_t_is_second_t() {
        let settings = FbankSettings { margin_secs: 0.0, ..FbankSettings::default() };
        assert_eq!(settings.starts(160_000), (0..10).map(|t| t * 16_000).collect::<Vec<_>>());
    }

    #[test]
    fn every_preset_is_sound() {
        for name in FbankSettings::PRESETS {
            assert!(FbankSettings::preset(name).unwrap().check().is_ok(), "{name}");
        }
        assert!(FbankSettings::preset("ave-swim").is_none());
    }

    #[test]
    fn settings_that_mean_nothing_are_refused() {
        let good = FbankSettings::default();
        for bad in [
            FbankSettings { segments: 0, ..good.clone() },
            FbankSettings { mels: 0, ..good.clone() },
            FbankSettings { window_secs: 0.02, ..good.clone() },
            FbankSettings { window_secs: f64::NAN, ..good.clone() },
            FbankSettings { shift_ms: 0.01, ..good.clone() },
            FbankSettings { std: 0.0, ..good.clone() },
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
    }
}
