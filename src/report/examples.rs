//! Clips of a run with what the model said of them, decoded anew from the dataset that the run's dataflow names.
//!
//! The best, the middling and the worst clips of the last test pass are shown, or of the last validation pass. Where the
//! data are gone, or no ffmpeg is there, the page says so and shows what the tables hold.

mod masks;

use std::collections::HashMap;
use std::path::Path;

use copl_contract::settings::{Env, Settings};
use copl_datasets::{Clip, Dataset, Descriptor, Media, MissingVideos, ReadOptions, Target};
use copl_reports::RunFolder;
use copl_reports::page::{Example, Said, Strip, pictures};
use copl_reports::samples::{Sample, last_pass};
use copl_reports::view::RunView;
use copl_spectrogram::node::SpectrogramSettings;
use copl_video_decoder::frames::decode_frames;
use copl_video_decoder::node::VideoDecoderSettings;

/// Edge of a shown frame in pixels.
const FRAME: usize = 96;

/// Examples, and a note where something is amiss.
pub(super) fn examples(run: &RunFolder, view: &RunView, wanted: usize) -> (Vec<Example>, Option<String>) {
    if wanted == 0 {
        return (Vec::new(), None);
    }
    let (data, note) = match Data::open(view) {
        Ok(data) => (Some(data), None),
        Err(problem) => (None, Some(format!("The clips cannot be shown: {problem}"))),
    };
    let found = match view.task.as_str() {
        "avs-s4" => masks::examples(run, data.as_ref(), wanted),
        _ => last_pass(&run.path).map(|samples| {
            let chosen = choose(&samples, wanted, |s| s.score, |s| &s.clip);
            chosen.into_iter().map(|sample| example(sample, data.as_ref())).collect()
        }),
    };
    match found {
        Ok(found) if found.is_empty() => (found, None),
        Ok(found) => (found, note),
        Err(e) => (Vec::new(), Some(format!("no examples: {e}"))),
    }
}

/// Evenly spread over the order of their score: the best, those between, the worst.
fn choose<T>(all: &[T], wanted: usize, score: impl Fn(&T) -> f64, name: impl Fn(&T) -> &str) -> Vec<&T> {
    let mut usable: Vec<&T> = all.iter().filter(|s| score(s).is_finite()).collect();
    usable.sort_by(|a, b| score(b).total_cmp(&score(a)).then_with(|| name(a).cmp(name(b))));
    let last = usable.len().saturating_sub(1);
    let count = wanted.min(usable.len());
    (0..count).map(|i| usable[if count > 1 { i * last / (count - 1) } else { 0 }]).collect()
}

/// The dataset of a run, and how its nodes decode.
struct Data {
    dataset: Dataset,
    clips: HashMap<String, Clip>,
    video: VideoDecoderSettings,
    sound: Option<SpectrogramSettings>,
}

impl Data {
    fn open(view: &RunView) -> Result<Self, String> {
        let source = view.nodes.iter().find(|n| n.kind == "clip-source").ok_or("the dataflow has no clip source")?;
        let folder = super::dataflow_folder(view);
        let name = source.value("DATASET").unwrap_or_default();
        let own = folder.join(name);
        let name = if own.is_file() { own.display().to_string() } else { name.to_owned() };
        let descriptor = Descriptor::load(&name).map_err(|e| e.to_string())?;
        let root = folder.join(source.value("ROOT").unwrap_or_default());
        let options = ReadOptions { missing: MissingVideos::Keep };
        let dataset = descriptor.open(&root, &options).map_err(|e| e.to_string())?;
        let known = view.record.data_fingerprint.as_deref();
        if known.is_some_and(|known| known != dataset.fingerprint) {
            return Err(format!("the annotations in {} are not those of the run", root.display()));
        }
        let env = |kind: &str| -> Option<Env> {
            let node = view.nodes.iter().find(|n| n.kind == kind)?;
            Some(node.settings.iter().map(|s| (s.key.clone(), s.value.clone())).collect())
        };
        let video = env("video-decoder").unwrap_or_default();
        let video = VideoDecoderSettings::from_env(&video).map_err(|(key, why)| format!("{key}: {why}"))?;
        let sound = env("spectrogram").and_then(|env| SpectrogramSettings::from_env(&env).ok());
        let clips = dataset.clips.iter().map(|c| (c.id.clone(), c.clone())).collect();
        Ok(Self { dataset, clips, video, sound })
    }

    fn name(&self, label: i32) -> (String, Option<usize>) {
        match u32::try_from(label) {
            Ok(label) if (label as usize) < self.dataset.classes.len() => {
                (self.dataset.class_name(label).to_owned(), Some(label as usize))
            }
            _ => ("–".to_owned(), None),
        }
    }
}

fn example(sample: &Sample, data: Option<&Data>) -> Example {
    let clip = data.and_then(|d| d.clips.get(&sample.clip));
    let question = clip.and_then(|c| match &c.target {
        Target::Question { words, kind, .. } => Some((words.join(" "), kind.to_string())),
        _ => None,
    });
    let mut out = match question {
        Some((words, kind)) => asked(sample, data, &words, kind),
        None => segments(sample, data),
    };
    match (data, clip) {
        (Some(_), None) => out.problem = Some("The dataset has no such clip any more.".to_owned()),
        (Some(data), Some(clip)) => match shown(data, clip) {
            Ok(strips) => out.strips = strips,
            Err(problem) => out.problem = Some(problem),
        },
        (None, _) => {}
    }
    out
}

/// What is said of the segments.
fn segments(sample: &Sample, data: Option<&Data>) -> Example {
    let name = |label: i32| match data {
        Some(data) => data.name(label),
        None => (label.to_string(), usize::try_from(label).ok()),
    };
    let row = |labels: &[i32]| labels.iter().map(|l| name(*l)).collect();
    Example {
        title: format!("{}: {:.0} % of {} segments right", sample.clip, 100.0 * sample.score, sample.target.len()),
        said: Some(Said { truth: row(&sample.target), predicted: row(&sample.prediction) }),
        ..Example::default()
    }
}

/// A question with its answers.
fn asked(sample: &Sample, data: Option<&Data>, words: &str, kind: String) -> Example {
    let answer = |labels: &[i32]| match (labels.first(), data) {
        (Some(label), Some(data)) => data.name(*label).0,
        (Some(label), None) => label.to_string(),
        (None, _) => "–".to_owned(),
    };
    let right = if sample.score == 1.0 { "right" } else { "✗ wrong" };
    let lines = [
        ("question", format!("{words}?")),
        ("kind", kind),
        ("answer", answer(&sample.target)),
        ("prediction", format!("{} ({right})", answer(&sample.prediction))),
    ];
    Example {
        title: sample.clip.clone(),
        lines: lines.map(|(name, value)| (name.to_owned(), value)).to_vec(),
        ..Example::default()
    }
}

/// Frames and spectrogram of a clip.
fn shown(data: &Data, clip: &Clip) -> Result<Vec<Strip>, String> {
    let Media::Video(path) = &clip.media else {
        return Err("The clip is stored as pictures.".to_owned());
    };
    if !path.is_file() {
        return Err(format!("The video is gone: {}", path.display()));
    }
    let failed = |e: &dyn std::fmt::Display| format!("{} cannot be shown: {e}", path.display());
    let mut settings = data.video.frames();
    settings.size = FRAME;
    let frames = decode_frames(path, &settings, &data.video.limits()).map_err(|e| failed(&e))?;
    let shape = [frames.segments, frames.size, frames.size, 3];
    let png = pictures::frames(&frames.rgb, shape).map_err(|e| failed(&e))?;
    let mut strips = vec![Strip { label: "frames".to_owned(), pictures: vec![png] }];
    strips.extend(heard(data, path).map_err(|e| failed(&e))?);
    Ok(strips)
}

/// The spectrogram of a media file; none where the dataflow makes none.
fn heard(data: &Data, path: &Path) -> Result<Option<Strip>, String> {
    let Some(sound) = &data.sound else { return Ok(None) };
    let (values, shape) = sound.segments_of(path)?;
    let png = pictures::spectrogram(&values, shape).map_err(|e| e.to_string())?;
    Ok(Some(Strip { label: "spectrogram".to_owned(), pictures: vec![png] }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(clip: &str, score: f64) -> Sample {
        Sample { clip: clip.into(), score, prediction: vec![0], target: vec![1] }
    }

    #[test]
    fn the_best_the_middle_and_the_worst_are_chosen() {
        let samples: Vec<Sample> =
            ["a", "b", "c", "d", "e"].iter().zip([0.2, 1.0, f64::NAN, 0.6, 0.0]).map(|(c, s)| sample(c, s)).collect();
        let choose = |n| choose(&samples, n, |s| s.score, |s| s.clip.as_str());
        let names = |n| choose(n).iter().map(|s| s.clip.as_str()).collect::<Vec<_>>();
        assert_eq!(names(2), ["b", "e"]);
        assert_eq!(names(3), ["b", "d", "e"]);
        assert_eq!(names(9), ["b", "d", "a", "e"]);
    }

    #[test]
    fn without_data_the_labels_are_shown() {
        let shown = example(&sample("x", 0.0), None);
        assert_eq!(shown.said.unwrap().truth, [("1".to_owned(), Some(1))]);
        assert!(shown.strips.is_empty());
    }
}
