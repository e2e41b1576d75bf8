//! Rows of s4_meta_data.csv: a header, then name, start, category, split.

use std::{collections::HashMap, path::Path};

use crate::{
    csv_lines::Lines,
    dataset::Split,
    problem::{Field, Problem, Problems},
    read::name_fault,
};

pub const NAME: Field = Field::column(1, "name");
pub const START: Field = Field::column(2, "start");
pub const CATEGORY: Field = Field::column(3, "category");
pub const SPLIT: Field = Field::column(4, "split");

/// One row, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub name: String,
    pub category: String,
    pub split: Split,
    /// 1-based.
    pub line: usize,
    /// 0-based, without the header.
    pub row: usize,
}

/// All rows; what is wrong goes to `problems`, and those rows are left out. Empty lines are none.
pub(super) fn parse(path: &Path, bytes: &[u8], problems: &mut Problems) -> Vec<Row> {
    let mut report = |line: Option<usize>, field: Option<Field>, what: String| {
        problems.0.push(Problem { file: path.to_owned(), line, field, what });
    };
    let mut rows = Vec::new();
    let mut first: HashMap<(Split, String, String), usize> = HashMap::new();
    for (index, (number, fields)) in Lines::new(bytes).enumerate() {
        let line = Some(number);
        let fields = match &fields {
            Ok(fields) => fields.iter().map(String::as_str).collect::<Vec<_>>(),
            Err(problem) => {
                report(line, None, problem.clone());
                continue;
            }
        };
        let [name, start, category, split, ..] = fields.as_slice() else {
            report(
                line,
                None,
                format!("{} fields parted by ',' where 4 are expected: name,start,category,split", fields.len()),
            );
            continue;
        };
        let known = split.parse::<Split>();
        if index == 0 {
            if known.is_ok() {
                report(
                    line,
                    None,
                    "a row where the header is expected; the official loader skips this line".to_owned(),
                );
            }
            continue;
        }
        let faults = [(NAME, name_fault(name)), (CATEGORY, name_fault(category))];
        let mut fine = true;
        for (field, fault) in faults {
            if let Some(fault) = fault {
                report(line, Some(field), fault);
                fine = false;
            }
        }
        if !start.parse::<u8>().is_ok_and(|start| start < 10) {
            report(line, Some(START), format!("'{}' is no whole second from 0 to 9", start.escape_debug()));
            fine = false;
        }
        let Ok(split) = known else {
            report(line, Some(SPLIT), format!("'{}' is no split; there are train, val and test", split.escape_debug()));
            continue;
        };
        if let Some(before) = first.insert((split, (*category).to_owned(), (*name).to_owned()), number) {
            report(line, Some(NAME), format!("the same clip as line {before}"));
            fine = false;
        }
        if fine {
            let (name, category) = ((*name).to_owned(), (*category).to_owned());
            rows.push(Row { name, category, split, line: number, row: index - 1 });
        }
    }
    if first.is_empty() {
        report(None, None, "the file holds no clip; each row should read name,start,category,split".to_owned());
    }
    rows
}
