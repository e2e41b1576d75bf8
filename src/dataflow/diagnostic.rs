//! What is wrong with a dataflow, and where.

use std::fmt::Write;
use std::rc::Rc;

use serde::Serialize;

use crate::terminal::shown;

/// A stretch of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file; `--set` for an override.
    pub file: Rc<str>,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1, in characters.
    pub column: usize,
    /// Number of characters, at least 1.
    pub width: usize,
    /// The whole line.
    pub text: Rc<str>,
}

/// Whether a dataflow can be run nevertheless.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It cannot.
    Error,
    /// It can.
    Warning,
}

/// Something that is wrong with a dataflow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// The file; `--set` for an override.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1, in characters.
    pub column: usize,
    /// Number of characters that are meant.
    pub width: usize,
    /// Whether the dataflow can be run nevertheless.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
    /// The line in the file.
    pub source: String,
}

impl Diagnostic {
    fn new(severity: Severity, place: &Place, message: impl Into<String>) -> Self {
        Self {
            file: place.file.to_string(),
            line: place.line,
            column: place.column,
            width: place.width,
            severity,
            message: message.into(),
            help: None,
            source: place.text.to_string(),
        }
    }

    /// Something that keeps the dataflow from being run.
    pub fn error(place: &Place, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, place, message)
    }

    /// Something that is probably not meant.
    pub fn warning(place: &Place, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, place, message)
    }

    /// The same with what to do.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same with the name nearest to `given`, or all names where none is near.
    pub fn nearest<'a>(self, given: &str, names: impl IntoIterator<Item = &'a str>) -> Self {
        let names: Vec<&str> = names.into_iter().collect();
        match copl_contract::settings::nearest(given, names.iter().copied()) {
            Some(name) => self.help(format!("did you mean `{name}`?")),
            None if names.is_empty() => self,
            None => self.help(format!("known: {}", names.join(", "))),
        }
    }

    /// The same with a message that may end in a question: the question becomes the help.
    pub fn from_problem(place: &Place, problem: &str) -> Self {
        match problem.split_once("; did you mean ") {
            Some((message, name)) => {
                Self::error(place, message).help(format!("did you mean `{}`?", name.trim_end_matches('?')))
            }
            None => Self::error(place, problem),
        }
    }

    /// `file:line:column: error: message`, the line with a mark beneath, and what to do.
    pub fn render(&self, colour: bool) -> String {
        let paint =
            |code: &str, text: &str| if colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() };
        let (word, code) = match self.severity {
            Severity::Error => ("error", "1;31"),
            Severity::Warning => ("warning", "1;33"),
        };
        let (file, message) = (shown(&self.file), shown(&self.message));
        let mut text = format!("{file}:{}:{}: {}: {message}", self.line, self.column, paint(code, word));
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        // Tabs stay tabs, so the mark stands where the terminal puts the text.
        let before: String = self.source.chars().take(self.column - 1).collect();
        let before: String = shown(&before).chars().map(|c| if c == '\t' { c } else { ' ' }).collect();
        let mark = paint(code, &"^".repeat(self.width));
        // Writing to a string cannot fail.
        let _ = write!(text, "\n {number} | {}\n {margin} | {before}{mark}", shown(&self.source));
        if let Some(help) = &self.help {
            let _ = write!(text, "\n {margin} {} {}", paint("1;36", "help:"), shown(help));
        }
        text
    }
}

/// Whether any of them keeps the dataflow from being run.
pub fn has_errors(found: &[Diagnostic]) -> bool {
    found.iter().any(|d| d.severity == Severity::Error)
}
