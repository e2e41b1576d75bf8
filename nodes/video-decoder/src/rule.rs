//! Which frames of a clip are taken.
//!
//! All rules cut time into equal cells, and a cell is represented by the frame on screen at one moment of it, its middle
//! unless the rule says otherwise: the last frame whose presentation time, counted from the start of the container (where
//! the sound begins too), is not after that moment.
//! A frame stays on screen until the next, however irregular they come.
//!
//! - `centre`: T cells of `segment_secs`, one frame each, so frame t and second t of the sound belong together.
//! - `sixteenth`: the same cells at 15/16 of their length: AVSBench takes 16 frames a second and draws its masks on the last.
//! - `linspace`: cells of 1 / `extract_fps` over the whole clip give N frames; taken are the integer-truncated
//!   linspace(1, N, T) of them, as the published audio-visual codebases pick from a folder of extracted pictures.

use copl_contract::settings::SettingValue;
use copl_media::MediaError;

copl_contract::choice! {
    /// How frames are chosen.
    #[derive(Default)]
    pub enum FrameRule {
        #[default]
        Centre = "centre",
        Sixteenth = "sixteenth",
        Linspace = "linspace",
    }
}

/// What is taken from a clip and at which size.
#[derive(Debug, Clone, PartialEq)]
pub struct FrameSettings {
    pub rule: FrameRule,
    /// T, the number of frames.
    pub segments: usize,
    /// Length of a cell under `centre` and `sixteenth`, in seconds.
    pub segment_secs: f64,
    /// Width and height of a frame in pixels; the picture is squeezed, not cropped.
    pub size: usize,
    /// Frames a second the clip is thinned to under `linspace`.
    pub extract_fps: f64,
    /// Clips showing less than this are refused as `too_short`. In longer ones the last frame stands for the segments after
    /// the end, and a note says for how many.
    pub min_secs: f64,
}

impl Default for FrameSettings {
    /// AVE at the size of Swin-V2: 10 segments of a second, 192 x 192.
    fn default() -> Self {
        Self { rule: FrameRule::Centre, segments: 10, segment_secs: 1.0, size: 192, extract_fps: 1.0, min_secs: 0.5 }
    }
}

impl FrameSettings {
    /// Refuses settings that mean nothing.
    pub fn check(&self) -> Result<(), MediaError> {
        let refuse = |text: String| Err(MediaError::Settings(text));
        let is_length = |secs: f64| (1e-3..=1e6).contains(&secs);
        if !(1..=10_000).contains(&self.segments) {
            return refuse(format!("{} segments: 1 to 10000 are possible", self.segments));
        }
        if !(1..=4096).contains(&self.size) {
            return refuse(format!("frames of {} pixels: 1 to 4096 are possible", self.size));
        }
        if !is_length(self.segment_secs) {
            return refuse(format!("segments of {} s: 0.001 or more are possible", self.segment_secs));
        }
        if !is_length(1.0 / self.extract_fps) {
            return refuse(format!("{} frames a second: more than 0, up to 1000 are possible", self.extract_fps));
        }
        if !(self.min_secs >= 0.0 && self.min_secs.is_finite()) {
            return refuse(format!("a shortest clip of {} s: 0 or more is possible", self.min_secs));
        }
        Ok(())
    }

    /// Every setting the frames depend on, for the key of the cache.
    pub fn key(&self) -> String {
        let Self { rule, segments, segment_secs, size, extract_fps, min_secs } = self;
        format!(
            "frames rgb bicubic rule={} segments={segments} segment_secs={segment_secs} size={size} \
             extract_fps={extract_fps} min_secs={min_secs}",
            rule.show()
        )
    }

    /// Length of a cell in seconds.
    pub(crate) fn cell_secs(&self) -> f64 {
        match self.rule {
            FrameRule::Centre | FrameRule::Sixteenth => self.segment_secs,
            FrameRule::Linspace => 1.0 / self.extract_fps,
        }
    }

    /// The moment of a cell whose frame is taken, as a share of its length.
    pub(crate) fn moment(&self) -> f64 {
        match self.rule {
            FrameRule::Centre | FrameRule::Linspace => 0.5,
            FrameRule::Sixteenth => 15.0 / 16.0,
        }
    }
}

/// 0-based positions of T among N extracted frames: numpy's linspace(1, N, T) truncated to integers, less one.
pub fn linspace_positions(count: usize, segments: usize) -> Vec<usize> {
    if segments == 1 {
        return vec![0];
    }
    let step = (count as f64 - 1.0) / (segments as f64 - 1.0);
    let position = |t: usize| (1.0 + t as f64 * step) as usize - 1;
    // numpy sets the last one to the end exactly.
    (0..segments).map(|t| if t + 1 == segments { count - 1 } else { position(t).min(count - 1) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_those_of_the_published_loaders() {
        // numpy: np.linspace(1, 30, 10, dtype=int)
        assert_eq!(linspace_positions(30, 10), [0, 3, 6, 9, 12, 16, 19, 22, 25, 29]);
        assert_eq!(linspace_positions(10, 10), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(linspace_positions(60, 10), [0, 6, 13, 19, 26, 32, 39, 45, 52, 59]);
        assert_eq!(linspace_positions(3, 5), [0, 0, 1, 1, 2]);
        assert_eq!(linspace_positions(1, 4), [0, 0, 0, 0]);
        assert_eq!(linspace_positions(7, 1), [0]);
    }

    #[test]
    fn settings_that_mean_nothing_are_refused() {
        let good = FrameSettings::default();
        assert!(good.check().is_ok());
        for bad in [
            FrameSettings { segments: 0, ..good.clone() },
            FrameSettings { size: 0, ..good.clone() },
            FrameSettings { segment_secs: 0.0, ..good.clone() },
            FrameSettings { segment_secs: f64::NAN, ..good.clone() },
            FrameSettings { extract_fps: 0.0, ..good.clone() },
            FrameSettings { min_secs: -1.0, ..good.clone() },
        ] {
            assert!(matches!(bad.check(), Err(MediaError::Settings(_))), "{bad:?}");
        }
    }
}
