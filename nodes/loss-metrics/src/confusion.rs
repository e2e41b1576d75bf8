//! Counts of true and predicted classes, and accuracy as the AVE task counts it: the share of right segments among all
//! segments of the split, background included, every segment of the same weight whatever batch it came in. Answers are counted
//! in the same way.

use serde::{Deserialize, Serialize};

/// Counts of true and predicted classes, C x C.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Confusion {
    classes: usize,
    counts: Vec<u64>,
}

impl Confusion {
    /// No segments yet.
    pub fn new(classes: usize) -> Self {
        Self { classes, counts: vec![0; classes * classes] }
    }

    /// Number of classes, background included.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Adds a segment; classes out of range are the caller's error and change nothing.
    pub fn add(&mut self, target: usize, prediction: usize) {
        if target < self.classes && prediction < self.classes {
            self.counts[target * self.classes + prediction] += 1;
        }
    }

    /// Adds the segments of another count of as many classes.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
    }

    /// Segments of a true class predicted as another.
    pub fn count(&self, target: usize, prediction: usize) -> u64 {
        self.counts[target * self.classes + prediction]
    }

    /// All segments.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Share of right segments; `None` if there are none.
    pub fn accuracy(&self) -> Option<f64> {
        let right: u64 = (0..self.classes).map(|c| self.count(c, c)).sum();
        ratio(right, self.total())
    }

    /// Share of right segments among those of a true class; `None` if there are none.
    pub fn class_accuracy(&self, class: usize) -> Option<f64> {
        ratio(self.count(class, class), self.of_class(class))
    }

    /// Segments of a true class.
    pub fn of_class(&self, class: usize) -> u64 {
        (0..self.classes).map(|p| self.count(class, p)).sum()
    }

    /// Share of the most frequent class: what a constant answer scores.
    pub fn majority(&self) -> Option<f64> {
        ratio((0..self.classes).map(|c| self.of_class(c)).max().unwrap_or(0), self.total())
    }

    /// Every cell that is not zero: (true class, predicted class, segments).
    pub fn cells(&self) -> impl Iterator<Item = (usize, usize, u64)> + '_ {
        (0..self.classes)
            .flat_map(move |t| (0..self.classes).map(move |p| (t, p, self.count(t, p))))
            .filter(|(_, _, n)| *n > 0)
    }
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// The class of the largest logit of each row of [segments, classes]; the first one of equals.
pub fn argmax(logits: &[f32], classes: usize) -> Vec<usize> {
    logits
        .chunks_exact(classes.max(1))
        .map(|row| {
            row.iter()
                .enumerate()
                .fold((0, f32::NEG_INFINITY), |best, (i, x)| if *x > best.1 { (i, *x) } else { best })
                .0
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_segment_weighs_the_same() {
        let mut c = Confusion::new(3);
        for (t, p) in [(0, 0), (0, 1), (1, 1), (2, 2), (2, 2), (2, 0)] {
            c.add(t, p);
        }
        assert_eq!(c.accuracy(), Some(4.0 / 6.0));
        assert_eq!(c.class_accuracy(2), Some(2.0 / 3.0));
        assert_eq!(c.majority(), Some(0.5));
        assert_eq!(c.cells().count(), 5);
        assert_eq!(Confusion::new(2).accuracy(), None);
    }

    #[test]
    fn argmax_takes_the_first_of_equals() {
        assert_eq!(argmax(&[0.0, 1.0, 1.0, 5.0, 1.0, 2.0], 3), vec![1, 0]);
    }
}
