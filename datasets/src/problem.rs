//! What is wrong with an annotation file: file, line, field, and what was expected. A reader collects all problems it
//! finds, so one run tells a user everything there is to mend.

use std::{fmt, path::PathBuf};

/// Problems shown in full; the rest are counted.
const SHOWN: usize = 20;

/// A field of an annotation: a column of a line, or a key of a JSON object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// 1-based position in the line; none for a key.
    pub number: Option<usize>,
    pub name: &'static str,
}

impl Field {
    pub const fn column(number: usize, name: &'static str) -> Self {
        Self { number: Some(number), name }
    }

    pub const fn key(name: &'static str) -> Self {
        Self { number: None, name }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            Some(number) => write!(f, "field {number} ({})", self.name),
            None => write!(f, "field {}", self.name),
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub file: PathBuf,
    /// 1-based; none if the problem is the file's.
    pub line: Option<usize>,
    pub field: Option<Field>,
    /// What was found and what was expected.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if let Some(field) = self.field {
            write!(f, ": {field}")?;
        }
        write!(f, ": {}", self.what)
    }
}

/// Everything that is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => write!(f, "the annotations have a problem:")?,
            n => write!(f, "the annotations have {n} problems:")?,
        }
        for problem in self.0.iter().take(SHOWN) {
            write!(f, "\n  {problem}")?;
        }
        if self.0.len() > SHOWN {
            write!(f, "\n  and {} more", self.0.len() - SHOWN)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
