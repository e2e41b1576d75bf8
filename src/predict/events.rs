//! Event localisation: the likeliest class of every segment.

use copl_datasets::Descriptor;
use copl_learning::infer::segment_probabilities;
use copl_reports::figure::Word;
use copl_reports::page::pictures;

use super::asked::{Asked, Said, labelled, shape, usage};
use crate::outcome::Failure;

/// What is said of a clip.
pub(super) fn said(asked: &Asked<'_>) -> Result<Said, Failure> {
    let probabilities = segment_probabilities(&asked.model, asked.clip(), &asked.device).map_err(usage)?;
    let source = asked.nodes.iter().find(|n| n.kind == "clip-source");
    let dataset = source.and_then(|s| s.value("DATASET")).unwrap_or_default();
    let classes = Descriptor::load(dataset).map(|d| d.classes).unwrap_or_default();
    let words = words(&probabilities, &classes, asked.video.segment_secs);
    Ok(Said {
        pictures: vec![labelled("frames", pictures::frames(&asked.frames.rgb, shape(&asked.frames)))?, asked.heard()?],
        lines: spans(&words),
        json: json(&words, &probabilities, &classes),
        words,
    })
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
