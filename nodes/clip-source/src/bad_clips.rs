//! How many clips could not be decoded, and when that is too many.

use std::collections::BTreeSet;

/// Distinct clips in quarantine, against the size of the dataset.
#[derive(Debug)]
pub(crate) struct BadClips {
    seen: BTreeSet<String>,
    total: u64,
    max_fraction: f64,
}

impl BadClips {
    pub(crate) fn new(total: u64, max_fraction: f64) -> Self {
        Self { seen: BTreeSet::new(), total, max_fraction }
    }

    /// With clips that were in quarantine before the run was cut.
    pub(crate) fn known(mut self, clips: impl IntoIterator<Item = String>) -> Self {
        self.seen.extend(clips);
        self
    }

    /// One more clip in quarantine; a clip that fails again in a later epoch counts once.
    ///
    /// # Errors
    /// If there are now more than the share that is allowed.
    pub(crate) fn add(&mut self, clip: &str) -> Result<(), String> {
        self.seen.insert(clip.to_owned());
        let fraction = self.seen.len() as f64 / self.total as f64;
        if fraction <= self.max_fraction {
            return Ok(());
        }
        Err(format!(
            "{} of {} clips ({:.1} %) could not be decoded, more than MAX_BAD_FRACTION ({:.1} %) allows; the quarantine \
             table of the report names each with its reason",
            self.seen.len(),
            self.total,
            100.0 * fraction,
            100.0 * self.max_fraction
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clip_counts_once_and_the_share_is_inclusive() {
        let mut bad = BadClips::new(100, 0.02);
        bad.add("a").unwrap();
        bad.add("a").unwrap();
        bad.add("b").unwrap();
        assert!(bad.add("c").is_err_and(|e| e.starts_with("3 of 100 clips (3.0 %)")));
        let mut resumed = BadClips::new(100, 0.02).known(["a".to_owned(), "b".to_owned()]);
        resumed.add("b").unwrap();
        assert!(resumed.add("c").is_err());
    }
}
