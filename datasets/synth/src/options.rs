//! What can be chosen about a synthetic set. How many clips, how they are stored, and how hard they are.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::SynthError;

/// Options of a set; two sets with equal options, generator and version have equal frames and samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SynthOptions {
    pub seed: u64,
    /// Clips by split; categories take turns.
    pub train: usize,
    pub val: usize,
    pub test: usize,

    /// Pixels; both even.
    pub width: u32,
    pub height: u32,
    pub frames_per_sec: u32,
    pub sample_rate_hz: u32,
    /// 1 or 2.
    pub channels: u16,

    /// Of AVE's layout: share of clips whose event lasts all ten seconds; in the others it lasts 2 to 9, each as often. So decides
    /// the share of background. In the set of several sources: share of voices that last all five seconds.
    pub full_events: f32,
    /// Shots a clip at most; a new shot has another place and another specimen of the object.
    pub shots: usize,

    /// Least and greatest radius of the object, as a share of the frame's height.
    pub object_scale: [f32; 2],
    /// 0..1: how strongly the pattern that tells look-alikes apart stands out.
    pub texture_contrast: f32,
    /// 0: a category keeps its hue; 1: any object has any hue.
    pub colour_jitter: f32,
    /// 0..1: how busy the background is.
    pub clutter: f32,
    /// Probability that something passes in front, by shot.
    pub occlusion: f32,
    /// Standard deviation of the sensor noise in grey levels of 255.
    pub noise: f32,
    /// 0..1: how far brightness and tint wander.
    pub brightness: f32,

    /// Probability that a stretch outside the event shows the object in silence, sounds it unseen, or mixes it with another. In
    /// the set of several sources: probability that a second object sounds.
    pub distractors: f32,
    /// Probability that a silent object of another category is in view during the event too; in the segmentation set,
    /// where it lasts as long as the clip, `distractors` is then the probability of a second one.
    pub bystanders: f32,
    /// Probability that another category is heard, unseen and softer, during the event too.
    pub intruders: f32,

    /// Least and greatest level of the sound above the background noise, in decibels.
    pub snr_db: [f32; 2],
    /// Greatest shift of pitch, in semitones.
    pub pitch_jitter: f32,
    /// Greatest change of tempo, as a share.
    pub tempo_jitter: f32,
    /// 0..1: greatest part of reverberation.
    pub reverb: f32,

    /// Of the segmentation sets: raw videos, from which pictures and sounds are decoded, instead of extracted ones. The
    /// generator's name says it.
    #[serde(skip)]
    pub raw_videos: bool,
    /// Clips made at a time; of no influence on the result.
    #[serde(skip, default = "default_jobs")]
    pub jobs: usize,
    /// The ffmpeg program.
    #[serde(skip, default = "default_ffmpeg")]
    pub ffmpeg: PathBuf,
    /// Replaces a set made otherwise instead of refusing.
    #[serde(skip)]
    pub rebuild: bool,
}

fn default_jobs() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}

fn default_ffmpeg() -> PathBuf {
    PathBuf::from("ffmpeg")
}

impl SynthOptions {
    /// The mini set.
    pub fn ave() -> Self {
        Self {
            seed: 0,
            train: 320,
            val: 60,
            test: 100,
            width: 160,
            height: 120,
            frames_per_sec: 8,
            sample_rate_hz: 16_000,
            channels: 1,
            full_events: 0.35,
            shots: 2,
            object_scale: [0.2, 0.36],
            texture_contrast: 0.6,
            colour_jitter: 0.5,
            clutter: 0.6,
            occlusion: 0.4,
            noise: 5.0,
            brightness: 0.5,
            distractors: 0.5,
            bystanders: 0.2,
            intruders: 0.15,
            snr_db: [3.0, 15.0],
            pitch_jitter: 3.0,
            tempo_jitter: 0.15,
            reverb: 0.3,
            raw_videos: false,
            jobs: default_jobs(),
            ffmpeg: default_ffmpeg(),
            rebuild: false,
        }
    }

    /// The segmentation set: mostly one object, as in the official set; in two clips of five a silent one is beside it, of a
    /// category that neither looks nor sounds like it, and the sound must decide. Square pictures, since masks are square
    /// and frames are squeezed to the model's; 64 pixels, what swin-v2-nano sees, so no mask is scaled (the official set has
    /// 224). At 16 frames a second one falls exactly on each mask's time.
    pub fn avs() -> Self {
        Self {
            train: 1600,
            val: 64,
            test: 256,
            width: 64,
            height: 64,
            frames_per_sec: 16,
            full_events: 1.0,
            shots: 1,
            object_scale: [0.26, 0.36],
            texture_contrast: 1.0,
            colour_jitter: 0.05,
            clutter: 0.0,
            occlusion: 0.0,
            noise: 1.0,
            brightness: 0.2,
            distractors: 0.0,
            bystanders: 0.4,
            intruders: 0.0,
            ..Self::ave()
        }
    }

    /// The segmentation set of several sources: in seven clips of ten two objects sound, half of the voices for a part of the
    /// clip only, and in two of five a silent one is beside them. Smaller objects, since there are up to three.
    pub fn ms3() -> Self {
        Self {
            train: 768,
            val: 64,
            test: 192,
            full_events: 0.5,
            object_scale: [0.22, 0.3],
            distractors: 0.7,
            bystanders: 0.4,
            ..Self::avs()
        }
    }

    /// The pre-training set: more clips and shots, an object in most segments, other looks and sounds.
    pub fn objects() -> Self {
        Self {
            train: 336,
            val: 24,
            test: 48,
            full_events: 0.7,
            shots: 5,
            object_scale: [0.22, 0.42],
            texture_contrast: 0.9,
            colour_jitter: 1.0,
            clutter: 0.5,
            occlusion: 0.2,
            noise: 4.0,
            distractors: 0.3,
            bystanders: 0.0,
            intruders: 0.0,
            snr_db: [6.0, 20.0],
            pitch_jitter: 4.0,
            tempo_jitter: 0.2,
            ..Self::ave()
        }
    }

    /// Sets an option by its name, from text as a command line has it: `noise` `8`, `snr_db` `[0, 12]`.
    pub fn set(&mut self, name: &str, text: &str) -> Result<(), SynthError> {
        let fault = |what: String| SynthError::Option(what);
        let mut all = serde_json::to_value(&*self).map_err(|error| fault(error.to_string()))?;
        let names = all.as_object().map(|all| all.keys().cloned().collect::<Vec<_>>().join(", ")).unwrap_or_default();
        let Some(place) = all.get_mut(name) else {
            return Err(fault(format!("'{name}' is not known; there are {names}")));
        };
        *place = serde_json::from_str(text)
            .map_err(|_| fault(format!("{name}: '{text}' is neither a number nor a list of numbers")))?;
        let changed: Self = serde_json::from_value(all).map_err(|error| fault(format!("{name}: {error}")))?;
        let Self { raw_videos, jobs, rebuild, .. } = *self;
        *self = Self { raw_videos, jobs, ffmpeg: self.ffmpeg.clone(), rebuild, ..changed };
        self.fault().map_or(Ok(()), |what| Err(fault(what)))
    }

    /// The first option that cannot be, with what it should be.
    pub(super) fn fault(&self) -> Option<String> {
        let shares = [
            ("full_events", self.full_events),
            ("texture_contrast", self.texture_contrast),
            ("colour_jitter", self.colour_jitter),
            ("clutter", self.clutter),
            ("occlusion", self.occlusion),
            ("brightness", self.brightness),
            ("distractors", self.distractors),
            ("bystanders", self.bystanders),
            ("intruders", self.intruders),
            ("reverb", self.reverb),
        ];
        if let Some((name, value)) = shares.into_iter().find(|(_, value)| !(0.0..=1.0).contains(value)) {
            return Some(format!("{name} is {value}; a share from 0 to 1 is expected"));
        }
        let ranged =
            |[least, greatest]: [f32; 2], low: f32, high: f32| least <= greatest && least >= low && greatest <= high;
        let checks = [
            (self.train > 0, "train is 0; at least one clip is needed"),
            (self.train + self.val + self.test <= 100_000, "more than 100000 clips"),
            (
                [self.width, self.height].iter().all(|side| (32..=1920).contains(side) && side % 2 == 0),
                "width and height should be even numbers from 32 to 1920",
            ),
            ((1..=60).contains(&self.frames_per_sec), "frames_per_sec should be from 1 to 60"),
            ((8_000..=48_000).contains(&self.sample_rate_hz), "sample_rate_hz should be from 8000 to 48000"),
            ((1..=2).contains(&self.channels), "channels should be 1 or 2"),
            ((1..=10).contains(&self.shots), "shots should be from 1 to 10"),
            (ranged(self.object_scale, 0.05, 0.6), "object_scale should be two rising numbers from 0.05 to 0.6"),
            (ranged(self.snr_db, -20.0, 60.0), "snr_db should be two rising numbers from -20 to 60"),
            ((0.0..=60.0).contains(&self.noise), "noise should be from 0 to 60 grey levels"),
            ((0.0..=12.0).contains(&self.pitch_jitter), "pitch_jitter should be from 0 to 12 semitones"),
            ((0.0..=0.5).contains(&self.tempo_jitter), "tempo_jitter should be from 0 to 0.5"),
            (self.jobs > 0, "jobs is 0"),
        ];
        checks.into_iter().find(|(fine, _)| !fine).map(|(_, fault)| fault.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_set_by_name_and_checked() {
        let mut options = SynthOptions { jobs: 7, ..SynthOptions::ave() };
        options.set("noise", "8.5").unwrap();
        options.set("snr_db", "[0, 12]").unwrap();
        options.set("train", "16").unwrap();
        let expected = SynthOptions { noise: 8.5, snr_db: [0.0, 12.0], train: 16, jobs: 7, ..SynthOptions::ave() };
        assert_eq!(options, expected);
        for (name, text, part) in [
            ("noice", "1", "'noice' is not known; there are "),
            ("noise", "loud", "neither a number"),
            ("train", "1.5", "train: "),
            ("width", "63", "even numbers"),
        ] {
            let error = options.clone().set(name, text).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
