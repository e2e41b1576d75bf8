//! Examples of segmentation: the pictures that the loss node left in the table `masks`, and the sound.

use copl_datasets::Media;
use copl_reports::page::{Example, Strip};
use copl_reports::samples::{MaskPicture, masks};
use copl_reports::{ReportError, RunFolder};

use super::choose::choose;
use super::data::{Data, heard};

/// The best, the middling and the worst clips whose masks were kept.
pub(super) fn examples(run: &RunFolder, data: Option<&Data>, wanted: usize) -> Result<Vec<Example>, ReportError> {
    let clips = masks(&run.path)?;
    let chosen = choose(&clips, wanted, |c| mean_iou(c), |c| c.first().map_or("", |p| p.clip.as_str()));
    Ok(chosen.into_iter().map(|clip| example(clip, data)).collect())
}

/// Mean over the segments whose mask is known; NaN where none is.
fn mean_iou(clip: &[MaskPicture]) -> f64 {
    let known: Vec<f64> = clip.iter().map(|p| p.iou).filter(|i| i.is_finite()).collect();
    known.iter().sum::<f64>() / known.len() as f64
}

/// `clip (category): mean IoU 61.2 %`; clips of several sources have no category.
fn title(first: &MaskPicture, mean_iou_percent: f64) -> String {
    let category = if first.category.is_empty() { String::new() } else { format!(" ({})", first.category) };
    format!("{}{category}: mean IoU {mean_iou_percent:.1} %", first.clip)
}

fn example(clip: &[MaskPicture], data: Option<&Data>) -> Example {
    let Some(first) = clip.first() else { return Example::default() };
    let strip = |label: &str, of: fn(&MaskPicture) -> &Vec<u8>| {
        let pictures: Vec<Vec<u8>> = clip.iter().map(|p| of(p).clone()).collect();
        pictures.iter().any(|p| !p.is_empty()).then(|| Strip { label: label.to_owned(), pictures })
    };
    let strips =
        [strip("frames", |p| &p.frame), strip("true masks", |p| &p.target), strip("predicted masks", |p| &p.predicted)];
    let mut out = Example {
        title: title(first, 100.0 * mean_iou(clip)),
        strips: strips.into_iter().flatten().collect(),
        ..Example::default()
    };
    if let Some((data, clip)) = data.and_then(|d| Some((d, d.clips.get(&first.clip)?))) {
        let path = match &clip.media {
            Media::Video(video) => video,
            Media::Frames { audio, .. } => audio,
        };
        match heard(data, path) {
            Ok(strip) => out.strips.extend(strip),
            Err(problem) => out.problem = Some(format!("The sound cannot be shown: {problem}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clip_without_a_category_is_called_by_its_name_alone() {
        let titled = |category: &str| {
            let [frame, predicted, target] = [(); 3].map(|()| Vec::new());
            let (clip, category) = ("c1".to_owned(), category.to_owned());
            example(&[MaskPicture { clip, segment: 0, category, frame, predicted, target, iou: 0.5 }], None).title
        };
        assert_eq!(titled("bell"), "c1 (bell): mean IoU 50.0 %");
        assert_eq!(titled(""), "c1: mean IoU 50.0 %");
    }
}
