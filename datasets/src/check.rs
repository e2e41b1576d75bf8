//! `data check`: what a dataset on disk counts, beside what its descriptor says a complete copy counts.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::PathBuf,
};

use serde::Serialize;

use crate::{
    dataset::{Clip, Dataset, Split},
    descriptor::Descriptor,
};

/// Names shown of a long list.
const SHOWN: usize = 8;

/// A split, counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SplitCounts {
    pub split: Split,
    pub clips: usize,
    pub segments: usize,
    pub background_segments: usize,
    /// Clips by class.
    pub by_category: Vec<usize>,
}

impl SplitCounts {
    fn of(dataset: &Dataset, split: Split) -> Self {
        let clips = dataset.split(split);
        let mut by_category = vec![0; dataset.classes.len()];
        for clip in clips {
            by_category[clip.category as usize] += 1;
        }
        let labels = || clips.iter().flat_map(|clip| &clip.labels);
        Self {
            split,
            clips: clips.len(),
            segments: labels().count(),
            background_segments: labels().filter(|label| **label == dataset.background).count(),
            by_category,
        }
    }

    /// What always saying "background" scores.
    pub fn background_share(&self) -> f64 {
        self.background_segments as f64 / self.segments.max(1) as f64
    }
}

/// A count that is not what the descriptor expects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mismatch {
    pub what: String,
    pub expected: String,
    pub found: String,
}

/// What a dataset counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    pub name: String,
    pub root: PathBuf,
    pub fingerprint: String,
    pub classes: Vec<String>,
    pub splits: Vec<SplitCounts>,
    pub clips: usize,
    pub videos: usize,
    /// Sorted ids.
    pub videos_in_several_splits: Vec<String>,
    /// Sorted ids.
    pub videos_with_several_annotations: Vec<String>,
    /// Sorted paths of videos that are not there.
    pub missing: Vec<PathBuf>,
    /// Rows of the annotation file that no split lists.
    pub unassigned: Vec<usize>,
    pub mismatches: Vec<Mismatch>,
}

/// Counts the dataset and compares it with the descriptor.
pub fn check(dataset: &Dataset, descriptor: &Descriptor) -> CheckReport {
    let mut by_video: BTreeMap<&str, Vec<&Clip>> = BTreeMap::new();
    for clip in &dataset.clips {
        by_video.entry(&clip.video_id).or_default().push(clip);
    }
    let videos_where = |condition: fn(&[&Clip]) -> bool| -> Vec<String> {
        by_video.iter().filter(|(_, clips)| condition(clips)).map(|(id, _)| (*id).to_owned()).collect()
    };
    let missing: BTreeSet<PathBuf> = dataset.missing().into_iter().map(|clip| clip.video.clone()).collect();
    let mut report = CheckReport {
        name: dataset.name.clone(),
        root: dataset.root.clone(),
        fingerprint: dataset.fingerprint.clone(),
        classes: dataset.classes.clone(),
        splits: Split::ALL.map(|split| SplitCounts::of(dataset, split)).to_vec(),
        clips: dataset.clips.len(),
        videos: by_video.len(),
        videos_in_several_splits: videos_where(|clips| clips.iter().any(|clip| clip.split != clips[0].split)),
        videos_with_several_annotations: videos_where(|clips| clips.len() > 1),
        missing: missing.into_iter().collect(),
        unassigned: dataset.unassigned.clone(),
        mismatches: Vec::new(),
    };
    report.mismatches = mismatches(&report, descriptor);
    report
}

fn mismatches(report: &CheckReport, descriptor: &Descriptor) -> Vec<Mismatch> {
    let expect = &descriptor.expect;
    let mut found = Vec::new();
    let mut compare = |what: &str, expected: Option<String>, actual: String| {
        if let Some(expected) = expected.filter(|expected| *expected != actual) {
            found.push(Mismatch { what: what.to_owned(), expected, found: actual });
        }
    };
    let text = |count: Option<usize>| count.map(|count| count.to_string());
    compare("classes", Some(descriptor.classes.join(" | ")), report.classes.join(" | "));
    compare("clips", text(expect.clips), report.clips.to_string());
    compare("videos", text(expect.videos), report.videos.to_string());
    compare(
        "videos in several splits",
        text(expect.videos_in_several_splits),
        report.videos_in_several_splits.len().to_string(),
    );
    compare(
        "videos with several annotations",
        text(expect.videos_with_several_annotations),
        report.videos_with_several_annotations.len().to_string(),
    );
    for counts in &report.splits {
        let split = counts.split;
        compare(&format!("clips in {split}"), text(expect.split_clips.get(&split).copied()), counts.clips.to_string());
        compare(
            &format!("background segments in {split}"),
            text(expect.split_background_segments.get(&split).copied()),
            counts.background_segments.to_string(),
        );
    }
    compare("fingerprint of the annotation files", expect.fingerprint.clone(), report.fingerprint.clone());
    found
}

impl CheckReport {
    /// All videos there and every count as expected.
    pub fn is_ok(&self) -> bool {
        self.missing.is_empty() && self.mismatches.is_empty()
    }
}

impl fmt::Display for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} at {}", self.name, self.root.display())?;
        writeln!(f, "{} clips of {} videos, {} classes and background", self.clips, self.videos, self.classes.len())?;
        writeln!(f, "\n{:<8}{:>8}{:>10}{:>12}{:>9}", "split", "clips", "segments", "background", "share")?;
        for counts in &self.splits {
            let share = 100.0 * counts.background_share();
            let (clips, segments, background) = (counts.clips, counts.segments, counts.background_segments);
            writeln!(f, "{:<8}{clips:>8}{segments:>10}{background:>12}{share:>7.1} %", counts.split)?;
        }
        let width = self.classes.iter().map(|class| class.chars().count()).max().unwrap_or(0).max(8);
        write!(f, "\n{:<4}{:<width$}", "", "category")?;
        for counts in &self.splits {
            write!(f, "{:>7}", counts.split)?;
        }
        writeln!(f)?;
        for (index, class) in self.classes.iter().enumerate() {
            write!(f, "{index:>2}  {class:<width$}")?;
            for counts in &self.splits {
                write!(f, "{:>7}", counts.by_category[index])?;
            }
            writeln!(f)?;
        }
        writeln!(f, "\nvideos in several splits: {}", self.videos_in_several_splits.len())?;
        writeln!(f, "videos with several annotations: {}", self.videos_with_several_annotations.len())?;
        if !self.unassigned.is_empty() {
            writeln!(f, "annotations in no split: {}", self.unassigned.len())?;
        }
        writeln!(f, "missing video files: {}", self.missing.len())?;
        for path in self.missing.iter().take(SHOWN) {
            writeln!(f, "  {}", path.display())?;
        }
        if self.missing.len() > SHOWN {
            writeln!(f, "  and {} more", self.missing.len() - SHOWN)?;
        }
        if self.mismatches.is_empty() {
            writeln!(f, "every count is as the descriptor expects")?;
        } else {
            writeln!(f, "not as the descriptor expects:")?;
            for Mismatch { what, expected, found } in &self.mismatches {
                writeln!(f, "  {what}: expected {expected}, found {found}")?;
            }
        }
        write!(f, "fingerprint {}", self.fingerprint)
    }
}
