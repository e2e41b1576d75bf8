//! What is wrong with an annotation file: file, line, field, and what was expected. A reader collects all problems it
//! finds, so one run tells a user everything there is to mend.

use std::{fmt, path::PathBuf};

/// Problems shown in full; the rest are counted.
const SHOWN: usize = 20;

/// A field of an AVE annotation line, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    Category,
    VideoId,
    Quality,
    Start,
    End,
}

impl Field {
    pub const ALL: [Self; 5] = [Self::Category, Self::VideoId, Self::Quality, Self::Start, Self::End];

    /// 1-based position in the line.
    pub fn number(self) -> usize {
        self as usize + 1
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Category => "Category",
            Self::VideoId => "VideoID",
            Self::Quality => "Quality",
            Self::Start => "StartTime",
            Self::End => "EndTime",
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
            write!(f, ": field {} ({})", field.number(), field.as_str())?;
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
