//! `copl predict CHECKPOINT clip.mp4`: what a checkpoint says of one video, segment by segment.
//!
//! The clip is decoded with the settings of the run the checkpoint is of, or of a dataflow that is named. Classes have
//! their names from that dataflow's dataset.

use std::path::{Path, PathBuf};

use copl_contract::ExitCode;
use copl_contract::settings::{Env, Settings};
use copl_datasets::Descriptor;
use copl_model::device;
use copl_model::infer::{DecodedClip, segment_probabilities};
use copl_model::model::Model;
use copl_model::train::checkpoint;
use copl_reports::figure::{ClipPicture, Picture, Word};
use copl_reports::page::pictures;
use copl_reports::view::{self, NodeSettings};
use copl_spectrogram::node::SpectrogramSettings;
use copl_video_decoder::frames::decode_frames;
use copl_video_decoder::node::VideoDecoderSettings;

use crate::args::PredictArgs;
use crate::report::{defaults, write};
use crate::{Failure, Outcome, verbs};

fn usage(problem: impl std::fmt::Display) -> Failure {
    Failure::new(ExitCode::Usage, problem)
}

/// The verb.
pub(crate) fn predict(args: &PredictArgs) -> Outcome {
    let nodes = nodes(args)?;
    let of = |kind: &str| nodes.iter().find(|n| n.kind == kind);
    let task = of("copl-model").and_then(|m| m.value("TASK")).unwrap_or("ave");
    if task != "ave" {
        return Err(usage(format!("predict knows the task ave; this dataflow's is {task}")));
    }
    let env = |kind: &str| -> Env {
        let settings = of(kind).map(|n| n.settings.as_slice()).unwrap_or_default();
        settings.iter().map(|s| (s.key.clone(), s.value.clone())).collect()
    };
    let wrong = |(key, problem): (String, String)| Failure::new(ExitCode::InvalidDataflow, format!("{key}: {problem}"));
    let video = VideoDecoderSettings::from_env(&env("video-decoder")).map_err(wrong)?;
    let sound = SpectrogramSettings::from_env(&env("spectrogram")).map_err(wrong)?;
    let missing = |e: &dyn std::fmt::Display| Failure::new(ExitCode::Missing, e);

    let card = checkpoint::read_card(&args.checkpoint).map_err(|e| missing(&e))?;
    // What was learned is small and one clip is short: the processor is fast enough.
    let (device, _) = device::parse("cpu").and_then(device::open).map_err(|e| missing(&e))?;
    let model = Model::build(&card.model, &device).map_err(|e| missing(&e))?;
    checkpoint::read_adapters(&args.checkpoint, &model).map_err(|e| missing(&e))?;
    let frames = decode_frames(&args.clip, &video.frames(), &video.limits()).map_err(|e| missing(&e))?;
    let (spectrogram, spectrogram_shape) = sound.segments_of(&args.clip).map_err(|e| missing(&e))?;
    let frames_shape = [frames.segments, frames.size, frames.size, 3];
    let clip = DecodedClip { frames: &frames.rgb, frames_shape, spectrogram: &spectrogram, spectrogram_shape };
    let said = segment_probabilities(&model, clip, &device).map_err(usage)?;

    let dataset = of("clip-source").and_then(|s| s.value("DATASET")).unwrap_or_default();
    let classes = Descriptor::load(dataset).map(|d| d.classes).unwrap_or_default();
    let words = words(&said, &classes, video.segment_secs);
    let picture = ClipPicture {
        title: args.clip.display().to_string(),
        pictures: vec![
            shown("frames", pictures::frames(&frames.rgb, frames_shape))?,
            shown("spectrogram", pictures::spectrogram(&spectrogram, spectrogram_shape))?,
        ],
        words: words.clone(),
    };
    let output = args.output.clone().unwrap_or_else(|| {
        let stem = args.clip.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        PathBuf::from(format!("{stem}.svg"))
    });
    write(&output, picture.svg().as_bytes())?;
    if args.json {
        println!("{}", json(&words, &said, &classes));
    } else {
        spans(&words).iter().for_each(|line| println!("{line}"));
        println!("picture: {}", output.display());
    }
    Ok(ExitCode::Success)
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

/// The likeliest class of each segment.
fn words(said: &[Vec<f32>], classes: &[String], segment_secs: f64) -> Vec<Word> {
    let word = |(t, of_classes): (usize, &Vec<f32>)| {
        let likeliest = of_classes.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
        let (class, probability) = likeliest.map_or((0, 0.0), |(c, p)| (c, f64::from(*p)));
        let background = class + 1 == of_classes.len();
        let name = match classes.get(class) {
            Some(name) => name.clone(),
            None if background => "background".to_owned(),
            None => format!("class {class}"),
        };
        let class = (!background).then_some(class);
        let start_secs = t as f64 * segment_secs;
        Word { start_secs, end_secs: start_secs + segment_secs, name, class, probability }
    };
    said.iter().enumerate().map(word).collect()
}

/// Neighbouring segments of one class as one line: times, class, least and greatest probability.
fn spans(words: &[Word]) -> Vec<String> {
    let mut lines = Vec::new();
    for span in words.chunk_by(|a, b| a.class == b.class) {
        let (Some(first), Some(last)) = (span.first(), span.last()) else { continue };
        let low = span.iter().map(|w| w.probability).fold(1.0, f64::min);
        let high = span.iter().map(|w| w.probability).fold(0.0, f64::max);
        let sure = if span.len() == 1 {
            format!("{:.0} %", 100.0 * high)
        } else {
            format!("{:.0}–{:.0} %", 100.0 * low, 100.0 * high)
        };
        lines.push(format!("{:5.1} – {:5.1} s  {}  ({sure})", first.start_secs, last.end_secs, first.name));
    }
    lines
}

fn json(words: &[Word], said: &[Vec<f32>], classes: &[String]) -> serde_json::Value {
    let segments = words.iter().zip(said).map(|(w, of_classes)| {
        serde_json::json!({
            "start_secs": w.start_secs, "end_secs": w.end_secs, "class": w.name,
            "probability": w.probability, "probabilities": of_classes,
        })
    });
    serde_json::json!({ "segments": segments.collect::<Vec<_>>(), "classes": classes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_segments_of_a_class_are_one_line() {
        let classes = ["Bell".to_owned(), "Drum".to_owned()];
        let said = [[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.1, 0.2, 0.7], [0.1, 0.9, 0.0]].map(|p| p.to_vec());
        let words = words(&said, &classes, 1.0);
        assert_eq!(
            spans(&words),
            [
                "  0.0 –   2.0 s  Bell  (60–80 %)",
                "  2.0 –   3.0 s  background  (70 %)",
                "  3.0 –   4.0 s  Drum  (90 %)"
            ]
        );
        assert_eq!(words[2].class, None);
    }
}
