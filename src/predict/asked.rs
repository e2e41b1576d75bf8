//! A model with what it learned and a clip as it takes it, and what is said of the clip.

use copl_contract::ExitCode;
use copl_contract::settings::{Env, Settings};
use copl_learning::infer::DecodedClip;
use copl_learning::model::Model;
use copl_networks::device::Device;
use copl_reports::figure::{Picture, Word};
use copl_reports::page::pictures;
use copl_reports::view::NodeSettings;
use copl_spectrogram::node::SpectrogramSettings;
use copl_video_decoder::frames::decode_frames;
use copl_video_decoder::node::VideoDecoderSettings;
use copl_video_decoder::{FrameSettings, Frames};

use crate::args::PredictArgs;
use crate::outcome::Failure;

pub(super) fn usage(problem: impl std::fmt::Display) -> Failure {
    Failure::new(ExitCode::Usage, problem)
}

pub(super) fn missing(problem: impl std::fmt::Display) -> Failure {
    Failure::new(ExitCode::Missing, problem)
}

/// A model with what it learned, and a clip as it takes it.
pub(super) struct Asked<'a> {
    pub(super) args: &'a PredictArgs,
    pub(super) nodes: &'a [NodeSettings],
    pub(super) model: Model,
    pub(super) device: Device,
    pub(super) video: VideoDecoderSettings,
    pub(super) frames: Frames,
    pub(super) spectrogram: Vec<f32>,
    pub(super) spectrogram_shape: [usize; 3],
}

/// What is said of a clip: pictures and words in the order of time, lines for people, JSON for programs.
pub(super) struct Said {
    pub(super) pictures: Vec<Picture>,
    pub(super) words: Vec<Word>,
    pub(super) lines: Vec<String>,
    pub(super) json: serde_json::Value,
}

impl<'a> Asked<'a> {
    pub(super) fn decode(
        args: &'a PredictArgs,
        nodes: &'a [NodeSettings],
        model: Model,
        device: Device,
    ) -> Result<Self, Failure> {
        let env = |kind: &str| -> Env {
            let node = nodes.iter().find(|n| n.kind == kind);
            node.into_iter().flat_map(|n| &n.settings).map(|s| (s.key.clone(), s.value.clone())).collect()
        };
        let wrong =
            |(key, problem): (String, String)| Failure::new(ExitCode::InvalidDataflow, format!("{key}: {problem}"));
        let video = VideoDecoderSettings::from_env(&env("video-decoder")).map_err(wrong)?;
        let sound = SpectrogramSettings::from_env(&env("spectrogram")).map_err(wrong)?;
        let frames = decode_frames(&args.clip, &video.frames(), &video.limits()).map_err(missing)?;
        let (spectrogram, spectrogram_shape) = sound.segments_of(&args.clip).map_err(missing)?;
        Ok(Self { args, nodes, model, device, video, frames, spectrogram, spectrogram_shape })
    }

    /// The clip as the model takes it.
    pub(super) fn clip(&self) -> DecodedClip<'_> {
        DecodedClip {
            frames: &self.frames.rgb,
            frames_shape: shape(&self.frames),
            spectrogram: &self.spectrogram,
            spectrogram_shape: self.spectrogram_shape,
        }
    }

    /// The frames at another size, for a picture.
    pub(super) fn frames_of(&self, size: usize) -> Result<Frames, Failure> {
        let settings = FrameSettings { size, ..self.video.frames() };
        decode_frames(&self.args.clip, &settings, &self.video.limits()).map_err(missing)
    }

    pub(super) fn heard(&self) -> Result<Picture, Failure> {
        labelled("spectrogram", pictures::spectrogram(&self.spectrogram, self.spectrogram_shape))
    }

    /// Start and end of a segment in seconds.
    pub(super) fn span(&self, segment: usize) -> (f64, f64) {
        let start = segment as f64 * self.video.segment_secs;
        (start, start + self.video.segment_secs)
    }
}

pub(super) fn shape(frames: &Frames) -> [usize; 4] {
    [frames.segments, frames.size, frames.size, 3]
}

pub(super) fn labelled(label: &str, png: Result<Vec<u8>, pictures::PictureError>) -> Result<Picture, Failure> {
    let png = png.map_err(|e| Failure::new(ExitCode::Internal, e))?;
    // Width and height stand at bytes 16 to 24 of every PNG file.
    let number = |at: usize| png.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(1, u32::from_be_bytes);
    let aspect = f64::from(number(20)) / f64::from(number(16).max(1));
    Ok(Picture { label: label.to_owned(), png, aspect })
}
