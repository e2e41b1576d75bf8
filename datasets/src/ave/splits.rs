//! Which rows belong to which split. Split files repeat the annotation lines, so membership is a row's, not a video's:
//! 18 videos of the official set stand in two splits with different annotations.

use std::{collections::HashMap, path::Path};

use super::{
    annotations::{Annotation, describe},
    layout::{ANNOTATIONS, split_file},
};
use crate::{
    dataset::Split,
    problem::{Problem, Problems},
};

pub(super) struct Memberships<'a> {
    by_key: HashMap<(&'a str, &'a str, u32, u32), usize>,
    /// Where each row was listed: split and line.
    listed: Vec<Option<(Split, usize)>>,
    members: Vec<(Split, usize)>,
}

impl<'a> Memberships<'a> {
    pub fn new(rows: &'a [Annotation]) -> Self {
        let by_key = rows.iter().enumerate().map(|(row, annotation)| (annotation.key(), row)).collect();
        Self { by_key, listed: vec![None; rows.len()], members: Vec::with_capacity(rows.len()) }
    }

    /// Finds the rows that a split file lists.
    pub fn add(&mut self, split: Split, path: &Path, lines: &[Annotation], problems: &mut Problems) {
        for line in lines {
            let what = match self.by_key.get(&line.key()) {
                None => format!("{} has no such row in {}", describe(line), ANNOTATIONS),
                Some(&row) => match self.listed[row].replace((split, line.line)) {
                    None => {
                        self.members.push((split, row));
                        continue;
                    }
                    Some((other, number)) => {
                        format!("{} is listed twice, first in {} line {number}", describe(line), split_file(other))
                    }
                },
            };
            problems.0.push(Problem { file: path.to_owned(), line: Some(line.line), field: None, what });
        }
    }

    /// The members in order of listing, and the rows listed nowhere.
    pub fn finish(self) -> (Vec<(Split, usize)>, Vec<usize>) {
        let unassigned =
            self.listed.iter().enumerate().filter(|(_, place)| place.is_none()).map(|(row, _)| row).collect();
        (self.members, unassigned)
    }
}
