//! Segmentation: where in the frame of each segment the sounding object is.

use copl_learning::infer::{SoundingMasks, sounding_masks};
use copl_reports::figure::Word;
use copl_reports::page::pictures;

use super::asked::{Asked, Said, labelled, shape, usage};
use crate::outcome::Failure;
use crate::report::write;

/// Probability beyond which a pixel is of the sounding object, as in the metrics.
const THRESHOLD: f32 = 0.5;

/// The mask of a segment in numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Covered {
    /// Share of the picture.
    share: f64,
    /// Mean probability of its pixels; 0 of an empty one.
    probability: f64,
}

/// What is said of a clip. Masks go to the folder that `--masks` names, a PNG file a segment.
pub(super) fn said(asked: &Asked<'_>) -> Result<Said, Failure> {
    let masks = sounding_masks(&asked.model, asked.clip(), &asked.device).map_err(usage)?;
    let [segments, height, width] = masks.shape;
    let on: Vec<bool> = masks.probabilities.iter().map(|p| *p > THRESHOLD).collect();
    if let Some(folder) = &asked.args.masks {
        std::fs::create_dir_all(folder).map_err(|e| usage(format!("{}: {e}", folder.display())))?;
        for (segment, mask) in on.chunks_exact(height * width).enumerate() {
            let png = pictures::mask(mask, [height, width]).map_err(usage)?;
            write(&folder.join(format!("{segment:02}.png")), &png)?;
        }
    }
    // Masks are square; frames may have another size than they.
    let frames = asked.frames_of(width)?;
    let covered = covered(&masks);
    let words = covered.iter().enumerate().map(|(segment, covered)| {
        let (start_secs, end_secs) = asked.span(segment);
        Word {
            start_secs,
            end_secs,
            name: name(*covered),
            class: (covered.share > 0.0).then_some(0),
            probability: covered.probability,
        }
    });
    let words: Vec<Word> = words.collect();
    let lines = words.iter().map(|w| {
        let sure = if w.class.is_some() { format!("  ({:.0} %)", 100.0 * w.probability) } else { String::new() };
        format!("{:5.1} – {:5.1} s  {}{sure}", w.start_secs, w.end_secs, w.name)
    });
    let segment = |(word, covered): (&Word, &Covered)| {
        serde_json::json!({
            "start_secs": word.start_secs, "end_secs": word.end_secs, "covered": covered.share,
            "probability": covered.probability,
        })
    };
    let of_segments: Vec<_> = words.iter().zip(&covered).map(segment).collect();
    Ok(Said {
        pictures: vec![
            labelled("frames", pictures::frames(&frames.rgb, shape(&frames)))?,
            labelled("the sounding object", pictures::overlaid(&frames.rgb, shape(&frames), &on))?,
            asked.heard()?,
        ],
        lines: lines.collect(),
        json: serde_json::json!({ "segments": of_segments, "mask_shape": [segments, height, width] }),
        words,
    })
}

fn name(covered: Covered) -> String {
    match covered.share {
        0.0 => "nothing".to_owned(),
        share => format!("{:.1} % of the frame", 100.0 * share),
    }
}

fn covered(masks: &SoundingMasks) -> Vec<Covered> {
    let [_, height, width] = masks.shape;
    let of = |mask: &[f32]| {
        let inside: Vec<f64> = mask.iter().filter(|p| **p > THRESHOLD).map(|p| f64::from(*p)).collect();
        let sum: f64 = inside.iter().sum();
        Covered {
            share: inside.len() as f64 / mask.len() as f64,
            probability: if inside.is_empty() { 0.0 } else { sum / inside.len() as f64 },
        }
    };
    masks.probabilities.chunks_exact(height * width).map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_is_its_share_of_the_frame_and_how_sure_it_is() {
        let masks = SoundingMasks { probabilities: vec![0.75, 1.0, 0.5, 0.0, 0.1, 0.1, 0.1, 0.1], shape: [2, 2, 2] };
        let found = covered(&masks);
        assert_eq!(found, [Covered { share: 0.5, probability: 0.875 }, Covered { share: 0.0, probability: 0.0 }]);
        let names: Vec<String> = found.into_iter().map(name).collect();
        assert_eq!(names, ["50.0 % of the frame", "nothing"]);
    }
}
