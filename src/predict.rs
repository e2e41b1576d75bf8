//! `copl predict CHECKPOINT clip.mp4`: what a checkpoint says of one video, segment by segment.
//!
//! The clip is decoded with the settings of the run the checkpoint is of, or of a dataflow that is named.
//!
//! - [`events`]: event localisation, a class a segment, its name from that dataflow's dataset;
//! - [`masks`]: segmentation, where in each frame the sounding object is.

mod events;
mod masks;

use std::path::{Path, PathBuf};

use copl_contract::ExitCode;
use copl_contract::settings::{Env, Settings};
use copl_contract::task::SampleLabels;
use copl_learning::infer::DecodedClip;
use copl_learning::model::Model;
use copl_learning::train::checkpoint;
use copl_networks::device::{self, Device};
use copl_reports::figure::{ClipPicture, Picture, Word};
use copl_reports::page::pictures;
use copl_reports::view::{self, NodeSettings};
use copl_spectrogram::node::SpectrogramSettings;
use copl_video_decoder::frames::decode_frames;
use copl_video_decoder::node::VideoDecoderSettings;
use copl_video_decoder::{FrameSettings, Frames};

use crate::args::PredictArgs;
use crate::report::{defaults, write};
use crate::{Failure, Outcome, verbs};

fn usage(problem: impl std::fmt::Display) -> Failure {
    Failure::new(ExitCode::Usage, problem)
}

fn missing(problem: impl std::fmt::Display) -> Failure {
    Failure::new(ExitCode::Missing, problem)
}

/// A model with what it learned, and a clip as it takes it.
struct Asked<'a> {
    args: &'a PredictArgs,
    nodes: &'a [NodeSettings],
    model: Model,
    device: Device,
    video: VideoDecoderSettings,
    frames: Frames,
    spectrogram: Vec<f32>,
    spectrogram_shape: [usize; 3],
}

/// What is said of a clip: pictures and words in the order of time, lines for people, JSON for programs.
struct Said {
    pictures: Vec<Picture>,
    words: Vec<Word>,
    lines: Vec<String>,
    json: serde_json::Value,
}

/// The verb.
pub(crate) fn predict(args: &PredictArgs) -> Outcome {
    let args = &PredictArgs { checkpoint: verbs::checkpoint(&args.checkpoint, &args.runs)?, ..args.clone() };
    let card = checkpoint::read_card(&args.checkpoint).map_err(missing)?;
    let task = card.model.task;
    if task.samples == SampleLabels::Answer {
        return Err(usage(format!(
            "predict knows event localisation and segmentation; this checkpoint's task is {} ({}), and a clip alone \
             asks nothing: `copl eval` answers the questions of a dataset",
            task.name, task.about
        )));
    }
    if args.masks.is_some() && task.samples != SampleLabels::Masks {
        return Err(usage(format!("--masks is for segmentation; this checkpoint's task is {}", task.name)));
    }
    let nodes = nodes(args)?;
    // What was learned is small and one clip is short: the processor is fast enough.
    let (device, _) = device::parse("cpu").and_then(device::open).map_err(missing)?;
    let model = Model::build(&card.model, &device).map_err(missing)?;
    checkpoint::read_adapters(&args.checkpoint, &model).map_err(missing)?;
    let asked = Asked::decode(args, &nodes, model, device)?;
    let said = match task.samples {
        SampleLabels::Masks => masks::said(&asked)?,
        SampleLabels::Segments | SampleLabels::Answer => events::said(&asked)?,
    };
    let output = args.output.clone().unwrap_or_else(|| {
        let stem = args.clip.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        PathBuf::from(format!("{stem}.svg"))
    });
    let picture = ClipPicture { title: args.clip.display().to_string(), pictures: said.pictures, words: said.words };
    write(&output, picture.svg().as_bytes())?;
    if args.json {
        println!("{}", said.json);
    } else {
        said.lines.iter().for_each(|line| println!("{line}"));
        println!("picture: {}", output.display());
    }
    Ok(ExitCode::Success)
}

impl<'a> Asked<'a> {
    fn decode(args: &'a PredictArgs, nodes: &'a [NodeSettings], model: Model, device: Device) -> Result<Self, Failure> {
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
    fn clip(&self) -> DecodedClip<'_> {
        DecodedClip {
            frames: &self.frames.rgb,
            frames_shape: shape(&self.frames),
            spectrogram: &self.spectrogram,
            spectrogram_shape: self.spectrogram_shape,
        }
    }

    /// The frames at another size, for a picture.
    fn frames_of(&self, size: usize) -> Result<Frames, Failure> {
        let settings = FrameSettings { size, ..self.video.frames() };
        decode_frames(&self.args.clip, &settings, &self.video.limits()).map_err(missing)
    }

    fn heard(&self) -> Result<Picture, Failure> {
        shown("spectrogram", pictures::spectrogram(&self.spectrogram, self.spectrogram_shape))
    }

    /// Start and end of a segment in seconds.
    fn span(&self, segment: usize) -> (f64, f64) {
        let start = segment as f64 * self.video.segment_secs;
        (start, start + self.video.segment_secs)
    }
}

fn shape(frames: &Frames) -> [usize; 4] {
    [frames.segments, frames.size, frames.size, 3]
}

fn shown(label: &str, png: Result<Vec<u8>, pictures::PictureError>) -> Result<Picture, Failure> {
    let png = png.map_err(|e| Failure::new(ExitCode::Internal, e))?;
    // Width and height stand at bytes 16 to 24 of every PNG file.
    let number = |at: usize| png.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(1, u32::from_be_bytes);
    let aspect = f64::from(number(20)) / f64::from(number(16).max(1));
    Ok(Picture { label: label.to_owned(), png, aspect })
}

/// The nodes of the dataflow whose settings hold.
fn nodes(args: &PredictArgs) -> Result<Vec<NodeSettings>, Failure> {
    let file = match &args.dataflow {
        Some(file) => file.clone(),
        None => {
            let run = args.checkpoint.parent().and_then(Path::parent).unwrap_or(Path::new(""));
            let file = run.join("dataflow.yml");
            if !file.is_file() {
                let checkpoint = args.checkpoint.display();
                return Err(usage(format!(
                    "{checkpoint} lies in no run's folder: name its dataflow with --dataflow FILE"
                )));
            }
            file
        }
    };
    view::nodes(&verbs::read(&file)?, &[], &defaults).map_err(|e| usage(format!("{}: {e}", file.display())))
}
