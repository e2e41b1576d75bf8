//! How many clips could not be decoded, and when that is too many: in each split by itself, since a validation or test split
//! is small beside the training split and a score over what is left of it would say little.

use std::collections::{BTreeSet, HashMap};

use copl_datasets::{Clip, Split};

/// Distinct clips in quarantine, against the clips of their split.
#[derive(Debug)]
pub(crate) struct BadClips {
    /// Of every clip of the run.
    split_of: HashMap<String, Split>,
    /// By split, in the order of [`Split::ALL`].
    seen: [BTreeSet<String>; 3],
    total: [usize; 3],
    max_fraction: f64,
}

/// Why the run cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadClipsError {
    #[error("clip {0} is none of the run's")]
    Unknown(String),
    #[error(
        "{bad} of {total} clips ({:.1} %) of the split {split} could not be decoded, more than MAX_BAD_FRACTION ({:.1} %) \
         allows of each split; the quarantine table of the report names each with its reason",
        100.0 * *bad as f64 / *total as f64,
        100.0 * max_fraction
    )]
    TooMany { split: Split, bad: usize, total: usize, max_fraction: f64 },
}

impl BadClips {
    /// `clips` are those of the run, each once.
    pub(crate) fn new<'a>(clips: impl Iterator<Item = &'a Clip>, max_fraction: f64) -> Self {
        let split_of: HashMap<String, Split> = clips.map(|clip| (clip.id.clone(), clip.split)).collect();
        let total = Split::ALL.map(|split| split_of.values().filter(|of| **of == split).count());
        Self { split_of, seen: Default::default(), total, max_fraction }
    }

    /// With clips that were in quarantine before the run was cut.
    ///
    /// # Errors
    /// If one of them is not the run's.
    pub(crate) fn known(mut self, clips: &[String]) -> Result<Self, BadClipsError> {
        clips.iter().try_for_each(|clip| self.note(clip).map(|_| ()))?;
        Ok(self)
    }

    /// One more clip in quarantine; a clip that fails again in a later epoch counts once.
    ///
    /// # Errors
    /// If it is not the run's, or its split has now more than the share that is allowed.
    pub(crate) fn add(&mut self, clip: &str) -> Result<(), BadClipsError> {
        let split = self.note(clip)?;
        let (bad, total) = (self.seen[split as usize].len(), self.total[split as usize]);
        if bad as f64 / total as f64 <= self.max_fraction {
            return Ok(());
        }
        Err(BadClipsError::TooMany { split, bad, total, max_fraction: self.max_fraction })
    }

    fn note(&mut self, clip: &str) -> Result<Split, BadClipsError> {
        let split = *self.split_of.get(clip).ok_or_else(|| BadClipsError::Unknown(clip.to_owned()))?;
        self.seen[split as usize].insert(clip.to_owned());
        Ok(split)
    }
}

#[cfg(test)]
mod tests {
    use copl_datasets::{Media, Target};

    use super::*;

    /// Clips `train#0`, `train#1`, ... of the splits.
    fn clips(counts: [usize; 3]) -> Vec<Clip> {
        let clip = |split: Split, row| Clip {
            id: format!("{split}#{row}"),
            video_id: format!("{split}{row}"),
            media: Media::Video("v.mp4".into()),
            split,
            target: Target::Events { labels: Vec::new(), category: 0, start_secs: 0, end_secs: 0 },
            row,
        };
        Split::ALL.into_iter().zip(counts).flat_map(|(split, n)| (0..n).map(move |row| clip(split, row))).collect()
    }

    fn bad(counts: [usize; 3], max_fraction: f64) -> BadClips {
        BadClips::new(clips(counts).iter(), max_fraction)
    }

    #[test]
    fn a_clip_counts_once_and_the_share_is_inclusive() {
        let mut bad = bad([100, 0, 0], 0.02);
        bad.add("train#0").unwrap();
        bad.add("train#0").unwrap();
        bad.add("train#1").unwrap();
        let said = bad.add("train#2").unwrap_err().to_string();
        assert!(said.starts_with("3 of 100 clips (3.0 %) of the split train could not be decoded"), "{said}");
        assert!(said.contains("MAX_BAD_FRACTION (2.0 %)"), "{said}");
    }

    #[test]
    fn the_share_is_that_of_each_split_whatever_the_others_have() {
        let mut bad = bad([1000, 50, 50], 0.02);
        bad.add("val#0").unwrap();
        bad.add("test#7").unwrap();
        bad.add("train#3").unwrap();
        let said = bad.add("val#1").unwrap_err().to_string();
        assert!(said.starts_with("2 of 50 clips (4.0 %) of the split val"), "{said}");
    }

    #[test]
    fn what_was_quarantined_before_a_cut_counts_in_its_split() {
        let before = ["val#0".to_owned(), "train#1".to_owned()];
        let mut resumed = bad([100, 50, 0], 0.02).known(&before).unwrap();
        resumed.add("val#0").unwrap();
        resumed.add("train#2").unwrap();
        assert!(matches!(resumed.add("val#1"), Err(BadClipsError::TooMany { split: Split::Val, bad: 2, .. })));
        let unknown = bad([1, 0, 0], 0.02).known(&before).unwrap_err().to_string();
        assert_eq!(unknown, "clip val#0 is none of the run's");
    }
}
