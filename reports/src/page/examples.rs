//! Clips with what was said of them: frames, spectrograms, masks, questions.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::html::section as section_of;
use crate::figure::escaped;

/// A row of pictures over the length of a clip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strip {
    /// What it shows.
    pub label: String,
    /// PNG files from left to right: one of all pictures, or one each; empty where there is none.
    pub pictures: Vec<Vec<u8>>,
}

/// What is said of the clip's segments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Class of each segment, and its number for the colour; none for background.
    pub truth: Vec<(String, Option<usize>)>,
    /// The same as predicted.
    pub predicted: Vec<(String, Option<usize>)>,
}

/// A clip.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Example {
    /// Id and result.
    pub title: String,
    /// Pictures and sound.
    pub strips: Vec<Strip>,
    /// Segments, where the task has them.
    pub said: Option<Said>,
    /// Question, answer, prediction: name and text.
    pub lines: Vec<(String, String)>,
    /// Why there is nothing to see.
    pub problem: Option<String>,
}

/// A class's edge: the palette, over and over.
fn edge(class: Option<usize>) -> String {
    class.map_or_else(String::new, |c| format!("--edge:var(--c{})", c % 6))
}

fn cells(label: &str, row: &[(String, Option<usize>)], truth: &[(String, Option<usize>)]) -> String {
    let cell = |(i, (name, class)): (usize, &(String, Option<usize>))| {
        let wrong = truth.get(i).is_some_and(|t| t.1 != *class || t.0 != *name);
        let (class_of, mark) = if wrong { (" class=\"wrong\"", "✗ ") } else { ("", "") };
        format!("<span{class_of} style=\"{}\" title=\"{n}\">{mark}{n}</span>", edge(*class), n = escaped(name))
    };
    let cells: String = row.iter().enumerate().map(cell).collect();
    format!("<div class=\"label\">{label}</div><div class=\"cells\">{cells}</div>\n")
}

fn example(example: &Example) -> String {
    let mut out = format!("<div class=\"example\">\n<h3>{}</h3>\n", escaped(&example.title));
    for (name, value) in &example.lines {
        out += &format!("<p><span class=\"soft\">{}:</span> {}</p>\n", escaped(name), escaped(value));
    }
    if let Some(problem) = &example.problem {
        out += &format!("<p class=\"soft\">{}</p>\n", escaped(problem));
    }
    out += "<div class=\"strips\"><div>\n";
    for strip in &example.strips {
        let label = escaped(&strip.label);
        let picture = |png: &Vec<u8>| match png.is_empty() {
            true => "<span>–</span>".to_owned(),
            false => format!(
                "<img alt=\"{label} of {}\" src=\"data:image/png;base64,{}\">",
                escaped(&example.title),
                STANDARD.encode(png)
            ),
        };
        let pictures: String = strip.pictures.iter().map(picture).collect();
        out += &format!("<div class=\"label\">{label}</div><div class=\"cells pictures\">{pictures}</div>\n");
    }
    if let Some(said) = &example.said {
        out += &cells("truth", &said.truth, &said.truth);
        out += &cells("prediction (✗: wrong)", &said.predicted, &said.truth);
    }
    out + "</div></div>\n</div>\n"
}

/// The section.
pub(super) fn section(examples: &[Example], note: Option<&str>) -> String {
    if examples.is_empty() && note.is_none() {
        return String::new();
    }
    let mut body = note.map(|n| format!("<p>{}</p>\n", escaped(n))).unwrap_or_default();
    body += &examples.iter().map(example).collect::<String>();
    section_of("Examples", &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_segment_is_told_in_words_not_by_colour_alone() {
        let of = |names: &[&str]| names.iter().map(|n| ((*n).to_owned(), Some(n.len()))).collect::<Vec<_>>();
        let said = Said { truth: of(&["Bell", "Bell"]), predicted: of(&["Bell", "Clock"]) };
        let out = example(&Example { title: "x".into(), said: Some(said), ..Example::default() });
        assert!(out.contains(">✗ Clock</span>") && !out.contains("✗ Bell"));
    }
}
