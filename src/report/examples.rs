//! Clips of a run with what the model said of them, decoded anew from the dataset that the run's dataflow names.
//!
//! The best, the middling and the worst clips of the last test pass are shown, or of the last validation pass. Where the
//! data are gone, or no ffmpeg is there, the page says so and shows what the tables hold.

mod choose;
mod data;
mod masks;

use copl_contract::task::{self, SampleLabels};
use copl_datasets::{Clip, Media, Target};
use copl_reports::RunFolder;
use copl_reports::page::{Example, Said, Strip, pictures};
use copl_reports::samples::{Sample, last_pass};
use copl_reports::view::RunView;
use copl_video_decoder::frames::decode_frames;

use self::choose::choose;
use self::data::{Data, heard};

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
    let found = match task::by_name(&view.task).map(|task| task.samples) {
        Some(SampleLabels::Masks) => masks::examples(run, data.as_ref(), wanted),
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
