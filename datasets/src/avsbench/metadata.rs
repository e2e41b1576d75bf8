//! Rows of s4_meta_data.csv (name, start, category, split) and ms3_meta_data.csv (name, split), each under a header.
//!
//! Columns are taken by position, since copies differ in the names of the header; but MS3's split is the column that the
//! header calls so, as the official loader takes it, and the second one where it calls none so.

use std::{collections::HashMap, path::Path};

use super::subset::Subset;
use crate::{
    csv_lines::Lines,
    dataset::Split,
    problem::{Field, Problem, Problems},
    read::name_fault,
};

pub const NAME: Field = Field::column(1, "name");
/// Of S4.
pub const START: Field = Field::column(2, "start");
/// Of S4.
pub const CATEGORY: Field = Field::column(3, "category");
/// Of S4; that of MS3 may stand elsewhere.
pub const SPLIT: Field = Field::column(4, "split");

/// One row, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub name: String,
    /// Of S4.
    pub category: Option<String>,
    pub split: Split,
    /// 1-based.
    pub line: usize,
    /// 0-based, without the header.
    pub row: usize,
}

/// Which columns a file has.
struct Columns {
    /// Start and category, of S4.
    has_category: bool,
    split: Field,
    /// How many there are at least.
    least: usize,
    /// What a row should read.
    expected: &'static str,
}

impl Columns {
    fn of(subset: Subset, header: &[&str]) -> Self {
        match subset {
            Subset::S4 => Self { has_category: true, split: SPLIT, least: 4, expected: "name,start,category,split" },
            Subset::Ms3 => {
                let named = header.iter().skip(1).position(|column| column.eq_ignore_ascii_case("split"));
                let number = named.map_or(2, |index| index + 2);
                Self {
                    has_category: false,
                    split: Field::column(number, "split"),
                    least: number,
                    expected: "name,split",
                }
            }
        }
    }

    /// The split a row names.
    fn split<'a>(&self, fields: &[&'a str]) -> &'a str {
        self.split.number.and_then(|number| fields.get(number - 1)).copied().unwrap_or_default()
    }
}

/// All rows; what is wrong goes to `problems`, and those rows are left out. Empty lines are none.
pub(super) fn parse(subset: Subset, path: &Path, bytes: &[u8], problems: &mut Problems) -> Vec<Row> {
    let mut report = |line: Option<usize>, field: Option<Field>, what: String| {
        problems.0.push(Problem { file: path.to_owned(), line, field, what });
    };
    let mut columns = Columns::of(subset, &[]);
    let mut rows = Vec::new();
    let mut first: HashMap<(Split, String, String), usize> = HashMap::new();
    for (index, (line, fields)) in Lines::new(bytes).enumerate() {
        let fields = match &fields {
            Ok(fields) => fields.iter().map(String::as_str).collect::<Vec<_>>(),
            Err(problem) => {
                report(Some(line), None, problem.clone());
                continue;
            }
        };
        if index == 0 {
            columns = Columns::of(subset, &fields);
        }
        if fields.len() < columns.least {
            let (found, least, expected) = (fields.len(), columns.least, columns.expected);
            report(Some(line), None, format!("{found} fields parted by ',' where {least} are expected: {expected}"));
            continue;
        }
        let split = columns.split(&fields);
        let known = split.parse::<Split>();
        if index == 0 {
            if known.is_ok() {
                let what = "a row where the header is expected; the official loader skips this line";
                report(Some(line), None, what.to_owned());
            }
            continue;
        }
        let mut fault = |field: Field, what: String| report(Some(line), Some(field), what);
        let mut fine = true;
        let name = fields[0];
        let category = columns.has_category.then(|| fields[2]);
        for (field, text) in [(NAME, Some(name)), (CATEGORY, category)] {
            if let Some(what) = text.and_then(name_fault) {
                fault(field, what);
                fine = false;
            }
        }
        if columns.has_category && !fields[1].parse::<u8>().is_ok_and(|start| start < 10) {
            fault(START, format!("'{}' is no whole second from 0 to 9", fields[1].escape_debug()));
            fine = false;
        }
        let Ok(split) = known else {
            let what = format!("'{}' is no split; there are train, val and test", split.escape_debug());
            fault(columns.split, what);
            continue;
        };
        let key = (split, category.unwrap_or_default().to_owned(), name.to_owned());
        if let Some(before) = first.insert(key, line) {
            fault(NAME, format!("the same clip as line {before}"));
            fine = false;
        }
        if fine {
            let category = category.map(str::to_owned);
            rows.push(Row { name: name.to_owned(), category, split, line, row: index - 1 });
        }
    }
    if first.is_empty() {
        report(None, None, format!("the file holds no clip; each row should read {}", columns.expected));
    }
    rows
}
