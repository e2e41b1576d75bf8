//! Lines of Annotations.txt and the split files: five fields parted by `&`.
//!
//! Copies in use differ in small ways, all accepted: with a header line or without, with or without a line end after the
//! last line, with Windows line ends, with a byte-order mark.

use std::{collections::HashMap, path::Path};

use super::{field, layout::SEGMENTS};
use crate::{
    problem::{Field, Problem, Problems},
    read::name_fault,
};

/// One line, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Annotation {
    pub category: String,
    pub video_id: String,
    pub start_secs: u32,
    pub end_secs: u32,
    /// 1-based, in its file.
    pub line: usize,
}

impl Annotation {
    /// What a split file repeats to name a row.
    pub fn key(&self) -> (&str, &str, u32, u32) {
        (&self.category, &self.video_id, self.start_secs, self.end_secs)
    }
}

/// All lines of a file; what is wrong goes to `problems`, and those lines are left out.
pub(super) fn parse(path: &Path, bytes: &[u8], problems: &mut Problems) -> Vec<Annotation> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let lines: Vec<&[u8]> =
        bytes.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)).collect();
    let used = lines.iter().rposition(|line| !line.trim_ascii().is_empty()).map_or(0, |last| last + 1);
    let mut annotations = Vec::with_capacity(used);
    let mut seen_data = false;
    for (index, line) in lines[..used].iter().enumerate() {
        let mut report = |field: Option<Field>, what: String| {
            problems.0.push(Problem { file: path.to_owned(), line: Some(index + 1), field, what });
        };
        let Ok(text) = std::str::from_utf8(line) else {
            report(None, "the line is no UTF-8 text".to_owned());
            continue;
        };
        if index == 0 && is_header(text) {
            continue;
        }
        seen_data = true;
        if let Some(mut annotation) = parse_line(text, &mut report) {
            annotation.line = index + 1;
            annotations.push(annotation);
        }
    }
    if !seen_data {
        let what =
            "the file holds no annotation; each line should read Category&VideoID&Quality&StartTime&EndTime".to_owned();
        problems.0.push(Problem { file: path.to_owned(), line: None, field: None, what });
    }
    annotations
}

/// A header names its columns: the last two speak of start and end.
fn is_header(line: &str) -> bool {
    let fields: Vec<String> = line.split('&').map(|field| field.trim().to_ascii_lowercase()).collect();
    matches!(fields.as_slice(), [.., start, end] if start.contains("start") && end.contains("end"))
}

fn parse_line(line: &str, report: &mut impl FnMut(Option<Field>, String)) -> Option<Annotation> {
    let fields: Vec<&str> = line.split('&').collect();
    let [category, video_id, _quality, start, end] = fields.as_slice() else {
        let what = match line.trim() {
            "" => "an empty line between annotations; remove it, rows are counted by line".to_owned(),
            _ => format!(
                "{} fields parted by '&' where 5 are expected: Category&VideoID&Quality&StartTime&EndTime",
                fields.len()
            ),
        };
        report(None, what);
        return None;
    };
    let category = category.trim();
    if category.is_empty() {
        report(Some(field::CATEGORY), "empty; the name of the event's category is expected".to_owned());
    }
    let id_fault = name_fault(video_id);
    if let Some(fault) = &id_fault {
        report(Some(field::VIDEO_ID), fault.clone());
    }
    let start_secs = seconds(start, field::START, report);
    let end_secs = seconds(end, field::END, report);
    let (Some(start_secs), Some(end_secs)) = (start_secs, end_secs) else { return None };
    if start_secs > end_secs {
        report(Some(field::START), format!("the event starts at {start_secs} s, after its end at {end_secs} s"));
        return None;
    }
    if category.is_empty() || id_fault.is_some() {
        return None;
    }
    Some(Annotation { category: category.to_owned(), video_id: (*video_id).to_owned(), start_secs, end_secs, line: 0 })
}

fn seconds(text: &str, field: Field, report: &mut impl FnMut(Option<Field>, String)) -> Option<u32> {
    match text.trim().parse::<u32>() {
        Ok(value) if value as usize <= SEGMENTS => Some(value),
        _ => {
            report(
                Some(field),
                format!("'{}' is no whole number of seconds from 0 to {SEGMENTS}", text.trim().escape_debug()),
            );
            None
        }
    }
}

/// The same category, video and times twice would be one sample counted twice.
pub(super) fn refuse_repeated(path: &Path, rows: &[Annotation], problems: &mut Problems) {
    let mut first: HashMap<_, usize> = HashMap::new();
    for row in rows {
        if let Some(line) = first.insert(row.key(), row.line) {
            let what = format!("the same annotation as line {line}: {}", describe(row));
            problems.0.push(Problem { file: path.to_owned(), line: Some(row.line), field: None, what });
        }
    }
}

/// For messages.
pub(super) fn describe(row: &Annotation) -> String {
    format!("'{}' in {} from {} s to {} s", row.category, row.video_id, row.start_secs, row.end_secs)
}
