//! A picture of one clip: frames, spectrogram, and what is said of each segment with its time.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::palette::COLOURS;
use super::standalone::standalone;
use super::svg::{TEXT, escaped, fitted, n};

const WIDTH: f64 = 920.0;
const MARGIN: f64 = 10.0;

/// Pictures side by side over the length of the clip.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// What they show.
    pub label: String,
    /// One PNG file.
    pub png: Vec<u8>,
    /// Height by width.
    pub aspect: f64,
}

/// What is said of a segment.
#[derive(Clone, Debug, PartialEq)]
pub struct Word {
    /// Start in seconds.
    pub start_secs: f64,
    /// End in seconds.
    pub end_secs: f64,
    /// The class.
    pub name: String,
    /// Its number, for the colour; none for background.
    pub class: Option<usize>,
    /// Its probability.
    pub probability: f64,
}

/// The picture.
#[derive(Clone, Debug, PartialEq)]
pub struct ClipPicture {
    /// Name of the clip.
    pub title: String,
    /// Frames, spectrogram.
    pub pictures: Vec<Picture>,
    /// Words in the order of time.
    pub words: Vec<Word>,
}

impl ClipPicture {
    /// The picture as an SVG file that needs no other.
    pub fn svg(&self) -> String {
        let inner = WIDTH - 2.0 * MARGIN;
        let mut body = format!("<text class=\"title\" x=\"{MARGIN}\" y=\"22\">{}</text>\n", escaped(&self.title));
        let mut y = 34.0;
        for picture in &self.pictures {
            let height = inner * picture.aspect;
            body += &format!(
                "<text class=\"soft\" x=\"{MARGIN}\" y=\"{}\">{}</text><image x=\"{MARGIN}\" y=\"{}\" width=\"{}\" height=\"{}\" \
                 preserveAspectRatio=\"none\" href=\"data:image/png;base64,{}\"/>\n",
                n(y + TEXT),
                escaped(&picture.label),
                n(y + 20.0),
                n(inner),
                n(height),
                STANDARD.encode(&picture.png)
            );
            y += height + 26.0;
        }
        let length = self.words.last().map_or(1.0, |w| w.end_secs).max(1e-9);
        let at = |secs: f64| MARGIN + secs / length * inner;
        for word in &self.words {
            let (left, wide) = (at(word.start_secs), at(word.end_secs) - at(word.start_secs) - 2.0);
            let class = word.class.map_or_else(|| "idle".to_owned(), |c| format!("f{}", c % COLOURS));
            body += &format!(
                "<rect class=\"{class}\" x=\"{l}\" y=\"{}\" width=\"{}\" height=\"6\"/><text x=\"{l}\" y=\"{}\">{}</text>\
                 <text class=\"soft\" x=\"{l}\" y=\"{}\">{:.0} %</text><text class=\"soft\" x=\"{l}\" y=\"{}\">{} s</text>\n",
                n(y),
                n(wide),
                n(y + 22.0),
                escaped(&fitted(&word.name, wide)),
                n(y + 39.0),
                100.0 * word.probability,
                n(y + 56.0),
                n(word.start_secs),
                l = n(left),
            );
        }
        let height = y + 66.0;
        let svg = format!(
            "<svg class=\"figure\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">\n{body}</svg>\n",
            n(WIDTH),
            n(height),
            escaped(&self.title)
        );
        standalone(&svg)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_segment_stands_at_its_time() {
        let word = |start: f64, name: &str| Word {
            start_secs: start,
            end_secs: start + 1.0,
            name: name.into(),
            class: Some(0),
            probability: 0.5,
        };
        let picture = Picture { label: "frames".into(), png: vec![1, 2, 3], aspect: 0.1 };
        let words = vec![word(0.0, "Bell"), word(1.0, "Drum")];
        let svg = ClipPicture { title: "a & b".into(), pictures: vec![picture], words }.svg();
        assert!(svg.contains("a &amp; b") && svg.contains("base64,AQID"));
        assert!(svg.contains("x=\"10\" y=") && svg.contains("x=\"460\" y="), "{svg}");
    }
}
