//! `data check`: what a dataset on disk counts, beside what its descriptor says a complete copy counts.

mod folders;
mod masks;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::{Path, PathBuf},
};

use serde::Serialize;

use crate::{
    dataset::{Clip, Dataset, FileKind, Split, Target, Task},
    descriptor::Descriptor,
    music_avqa::{QuestionCounts, counts::write_table},
};

pub use folders::FolderCount;
use masks::SHOWN;
pub use masks::{BadMask, MaskCounts};

/// A split, counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SplitCounts {
    pub split: Split,
    pub clips: usize,
    pub segments: usize,
    pub background_segments: usize,
    /// Clips by class (category, or answer).
    pub by_category: Vec<usize>,
    /// Of MUSIC-AVQA; empty for other datasets.
    pub questions: QuestionCounts,
}

impl SplitCounts {
    fn of(dataset: &Dataset, split: Split) -> Self {
        let clips = dataset.split(split);
        let mut by_category = vec![0; dataset.classes.len()];
        for clip in clips {
            if let Some(count) = clip.target.class().and_then(|class| by_category.get_mut(class as usize)) {
                *count += 1;
            }
        }
        let labels = || {
            clips.iter().flat_map(|clip| match &clip.target {
                Target::Events { labels, .. } => labels.as_slice(),
                Target::Masks { .. } | Target::Question { .. } => &[],
            })
        };
        Self {
            split,
            clips: clips.len(),
            segments: dataset.segments * clips.len(),
            background_segments: labels().filter(|label| Some(**label) == dataset.background).count(),
            by_category,
            questions: QuestionCounts::of(clips),
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
    pub task: Task,
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
    /// Sorted paths of files that are not there.
    pub missing: Vec<PathBuf>,
    /// How many of them, by what they hold.
    pub missing_by_kind: BTreeMap<FileKind, usize>,
    /// Of AVSBench: what is there of each folder of its layout; empty for other datasets.
    pub folders: Vec<FolderCount>,
    /// None where the task has no masks.
    pub masks: Option<MaskCounts>,
    /// Rows of the annotation file that no split lists.
    pub unassigned: Vec<usize>,
    pub mismatches: Vec<Mismatch>,
}

/// Counts the dataset, reads its masks if it has any, and compares it with the descriptor.
pub fn check(dataset: &Dataset, descriptor: &Descriptor) -> CheckReport {
    let mut by_video: BTreeMap<&str, Vec<&Clip>> = BTreeMap::new();
    for clip in &dataset.clips {
        by_video.entry(&clip.video_id).or_default().push(clip);
    }
    let videos_where = |condition: fn(&[&Clip]) -> bool| -> Vec<String> {
        by_video.iter().filter(|(_, clips)| condition(clips)).map(|(id, _)| (*id).to_owned()).collect()
    };
    let missing: BTreeSet<(&Path, FileKind)> =
        dataset.clips.iter().flat_map(Clip::missing).map(|(kind, path)| (path, kind)).collect();
    let mut missing_by_kind = BTreeMap::new();
    for (_, kind) in &missing {
        *missing_by_kind.entry(*kind).or_default() += 1;
    }
    let mut report = CheckReport {
        name: dataset.name.clone(),
        task: dataset.task,
        root: dataset.root.clone(),
        fingerprint: dataset.fingerprint.clone(),
        classes: dataset.classes.clone(),
        splits: Split::ALL.map(|split| SplitCounts::of(dataset, split)).to_vec(),
        clips: dataset.clips.len(),
        videos: by_video.len(),
        videos_in_several_splits: videos_where(|clips| clips.iter().any(|clip| clip.split != clips[0].split)),
        videos_with_several_annotations: videos_where(|clips| clips.len() > 1),
        missing: missing.into_iter().map(|(path, _)| path.to_owned()).collect(),
        missing_by_kind,
        folders: descriptor.reader.subset().map(|subset| folders::of(dataset, subset)).unwrap_or_default(),
        masks: dataset.task.has_masks().then(|| MaskCounts::of(dataset)),
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
    if let Some(masks) = report.masks.as_ref().filter(|masks| masks.read > 0) {
        compare("width and height of the masks", expect.mask_size.map(masks::size_text), masks.sizes_text());
    }
    compare("fingerprint of the annotation files", expect.fingerprint.clone(), report.fingerprint.clone());
    found
}

impl CheckReport {
    /// All files there, all masks readable and every count as expected.
    pub fn is_ok(&self) -> bool {
        let unreadable = self.masks.as_ref().is_some_and(|masks| !masks.unreadable.is_empty());
        self.missing.is_empty() && !unreadable && self.mismatches.is_empty()
    }
}

impl CheckReport {
    fn write_splits(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let events = self.task == Task::Ave;
        let classes = match self.task {
            Task::Ave => "classes and background",
            Task::AvsS4 | Task::AvsMs3 => "classes",
            Task::MusicAvqa => "answers",
        };
        write!(f, "{} clips of {} videos, ", self.clips, self.videos)?;
        match self.classes.len() {
            0 => writeln!(f, "no categories")?,
            count => writeln!(f, "{count} {classes}")?,
        }
        write!(f, "\n{:<8}{:>8}{:>10}", "split", "clips", "segments")?;
        writeln!(f, "{}", if events { "  background    share" } else { "" })?;
        for counts in &self.splits {
            write!(f, "{:<8}{:>8}{:>10}", counts.split, counts.clips, counts.segments)?;
            if events {
                write!(f, "{:>12}{:>7.1} %", counts.background_segments, 100.0 * counts.background_share())?;
            }
            writeln!(f)?;
        }
        if self.task == Task::MusicAvqa {
            write!(f, "\n{:<28}", "question")?;
            self.splits.iter().try_for_each(|counts| write!(f, "{:>7}", counts.split))?;
            writeln!(f)?;
            write_table(f, &self.splits.iter().map(|counts| &counts.questions).collect::<Vec<_>>())?;
        }
        Ok(())
    }
}

impl CheckReport {
    fn write_classes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.classes.is_empty() {
            return Ok(());
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
        Ok(())
    }
}

impl fmt::Display for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} at {}", self.name, self.root.display())?;
        self.write_splits(f)?;
        self.write_classes(f)?;
        writeln!(f, "\nvideos in several splits: {}", self.videos_in_several_splits.len())?;
        writeln!(f, "videos with several annotations: {}", self.videos_with_several_annotations.len())?;
        if !self.unassigned.is_empty() {
            writeln!(f, "annotations in no split: {}", self.unassigned.len())?;
        }
        match self.missing_by_kind.iter().next() {
            None => writeln!(f, "missing files: 0")?,
            Some(_) => {
                for (kind, count) in &self.missing_by_kind {
                    writeln!(f, "missing {} files: {count}", kind.as_str())?;
                }
            }
        }
        for path in self.missing.iter().take(SHOWN) {
            writeln!(f, "  {}", path.display())?;
        }
        if self.missing.len() > SHOWN {
            writeln!(f, "  and {} more", self.missing.len() - SHOWN)?;
        }
        for FolderCount { folder, there, all } in &self.folders {
            writeln!(f, "{there} of {all} files in {folder}")?;
        }
        if let Some(masks) = &self.masks {
            write!(f, "{masks}")?;
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
