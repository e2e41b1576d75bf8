//! What can be chosen about a made set of ensembles.

use std::path::PathBuf;

use copl_datasets::Split;
use serde::{Deserialize, Serialize};

use super::instruments::INSTRUMENTS;
use crate::{options::SynthOptions, random::ClipKey};

/// Part of every random stream.
const NUMBER: u32 = 4;

/// Options of a set; two sets with equal options and version have equal frames, samples and questions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MusicOptions {
    pub seed: u64,
    /// Videos by split.
    pub train: usize,
    pub val: usize,
    pub test: usize,
    /// Questions a video.
    pub questions: usize,
    /// Kinds of instruments, the first ones of the eight there are: fewer make easier questions.
    #[serde(default = "all_instruments")]
    pub instruments: usize,
    /// Players in view at most; beside them one more may be heard.
    #[serde(default = "most_players")]
    pub players: usize,

    /// Pixels; both even.
    pub width: u32,
    pub height: u32,
    pub frames_per_sec: u32,
    pub sample_rate_hz: u32,

    /// 0..1: how strongly an instrument's pattern stands out.
    pub texture_contrast: f32,
    /// 0: an instrument keeps its hue; 1: any instrument has any hue.
    pub colour_jitter: f32,
    /// Standard deviation of the sensor noise in grey levels of 255.
    pub noise: f32,
    /// Least and greatest level of the loudest instrument above the background noise, in decibels.
    pub snr_db: [f32; 2],
    /// Greatest shift of pitch, in semitones.
    pub pitch_jitter: f32,
    /// 0..1: greatest part of reverberation.
    pub reverb: f32,

    /// Videos made at a time; of no influence on the result.
    #[serde(skip, default = "default_jobs")]
    pub jobs: usize,
    /// The ffmpeg program.
    #[serde(skip, default = "default_ffmpeg")]
    pub ffmpeg: PathBuf,
    /// Replaces a set made otherwise instead of refusing.
    #[serde(skip)]
    pub rebuild: bool,
}

/// Sets made before there was a choice have all.
fn all_instruments() -> usize {
    INSTRUMENTS.len()
}

/// As many have a place each in a picture.
fn most_players() -> usize {
    4
}

fn default_jobs() -> usize {
    SynthOptions::ave().jobs
}

fn default_ffmpeg() -> PathBuf {
    SynthOptions::ave().ffmpeg
}

impl Default for MusicOptions {
    /// The mini set.
    fn default() -> Self {
        Self {
            seed: 0,
            train: 240,
            val: 30,
            test: 50,
            questions: 20,
            instruments: 4,
            players: 2,
            width: 160,
            height: 120,
            frames_per_sec: 4,
            sample_rate_hz: 16_000,
            texture_contrast: 0.6,
            colour_jitter: 0.2,
            noise: 4.0,
            snr_db: [18.0, 28.0],
            pitch_jitter: 2.0,
            reverb: 0.25,
            jobs: default_jobs(),
            ffmpeg: default_ffmpeg(),
            rebuild: false,
        }
    }
}

impl MusicOptions {
    /// Names a video's random streams.
    pub(super) fn key(&self, split: Split, index: u32) -> ClipKey {
        ClipKey { seed: self.seed, generator: NUMBER, split, index }
    }

    /// What the tools shared with the other sets need to know.
    pub(super) fn film(&self) -> SynthOptions {
        SynthOptions {
            seed: self.seed,
            train: self.train,
            val: self.val,
            test: self.test,
            width: self.width,
            height: self.height,
            frames_per_sec: self.frames_per_sec,
            sample_rate_hz: self.sample_rate_hz,
            channels: 1,
            texture_contrast: self.texture_contrast,
            colour_jitter: self.colour_jitter,
            noise: self.noise,
            snr_db: self.snr_db,
            pitch_jitter: self.pitch_jitter,
            reverb: self.reverb,
            jobs: self.jobs,
            ffmpeg: self.ffmpeg.clone(),
            rebuild: self.rebuild,
            ..SynthOptions::ave()
        }
    }

    /// The first option that cannot be, with what it should be.
    pub(super) fn fault(&self) -> Option<String> {
        if !(1..=30).contains(&self.questions) {
            return Some("questions should be from 1 to 30".to_owned());
        }
        let most = most_players();
        if !(1..=most).contains(&self.players) {
            return Some(format!("players should be from 1 to {most}"));
        }
        // Beside those in view there may be one that is only heard.
        if !(self.players + 1..=INSTRUMENTS.len()).contains(&self.instruments) {
            let (least, most) = (self.players + 1, INSTRUMENTS.len());
            return Some(format!("instruments should be from {least} (one more than players) to {most}"));
        }
        self.film().fault()
    }
}
