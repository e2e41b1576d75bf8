//! What `data check` tells of a split's questions: how many of each kind, how many ids are used again, how many videos.

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
};

use serde::Serialize;

use super::QuestionKind;
use crate::dataset::{Clip, Target};

/// A split's questions, counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct QuestionCounts {
    pub by_kind: BTreeMap<QuestionKind, usize>,
    /// Questions whose id another one before them in the split has.
    pub repeated_ids: usize,
    /// Videos asked about.
    pub videos: usize,
}

impl QuestionCounts {
    /// Of clips; those that are no questions are not counted.
    pub fn of(clips: &[Clip]) -> Self {
        let mut counts = Self::default();
        let (mut ids, mut videos) = (HashSet::new(), HashSet::new());
        for clip in clips {
            if let Target::Question { question_id, kind, .. } = &clip.target {
                *counts.by_kind.entry(*kind).or_default() += 1;
                counts.repeated_ids += usize::from(!ids.insert(question_id));
                videos.insert(&clip.video_id);
            }
        }
        counts.videos = videos.len();
        counts
    }
}

/// Writes the counts of several splits side by side, under a head line of their names.
pub(crate) fn write_table(f: &mut fmt::Formatter<'_>, splits: &[&QuestionCounts]) -> fmt::Result {
    let mut line = |what: &str, count: &dyn Fn(&QuestionCounts) -> usize| {
        write!(f, "{what:<28}")?;
        splits.iter().try_for_each(|counts| write!(f, "{:>7}", count(counts)))?;
        writeln!(f)
    };
    for kind in QuestionKind::ALL {
        line(&kind.to_string(), &|counts| counts.by_kind.get(&kind).copied().unwrap_or(0))?;
    }
    line("videos", &|counts| counts.videos)?;
    line("question ids used again", &|counts| counts.repeated_ids)
}
