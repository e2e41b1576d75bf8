//! Accuracy of answers as the official MUSIC-AVQA code counts it: hits over questions of each kind; AQ, VQ and AVQ pool
//! the questions of their kinds, and Avg all questions, each question of the same weight.

use std::collections::BTreeMap;

use crate::accuracy::Confusion;

/// Right and wrong answers of a pass, by kind of question.
#[derive(Clone, Debug)]
pub(crate) struct Answers {
    answers: usize,
    /// By modality ("Audio-Visual") and subtype ("Counting").
    kinds: BTreeMap<(String, String), Confusion>,
}

impl Answers {
    /// None yet; `answers` to choose from.
    pub(crate) fn new(answers: usize) -> Self {
        Self { answers, kinds: BTreeMap::new() }
    }

    /// Adds a question.
    pub(crate) fn add(&mut self, modality: &str, subtype: &str, answer: usize, predicted: usize) {
        let answers = self.answers;
        let kind = self.kinds.entry((modality.to_owned(), subtype.to_owned()));
        kind.or_insert_with(|| Confusion::new(answers)).add(answer, predicted);
    }

    /// All questions together.
    pub(crate) fn all(&self) -> Confusion {
        self.pooled(|_| true)
    }

    /// Accuracy of each kind ("Audio-Visual Counting") and, before its kinds, of each group (AQ, VQ, AVQ).
    pub(crate) fn shares(&self) -> Vec<(String, f64)> {
        let groups = [("AQ", "Audio"), ("VQ", "Visual"), ("AVQ", "Audio-Visual")];
        let groups = groups.into_iter().filter_map(|(short, modality)| {
            Some((short.to_owned(), self.pooled(|kind| kind.0 == modality).accuracy()?))
        });
        let kinds = self.kinds.iter().filter_map(|((modality, subtype), counts)| {
            Some((format!("{modality} {subtype}"), counts.accuracy()?))
        });
        groups.chain(kinds).collect()
    }

    /// Each kind's name and its confusion of answers.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = (String, &Confusion)> {
        self.kinds.iter().map(|((modality, subtype), counts)| (format!("{modality} {subtype}"), counts))
    }

    fn pooled(&self, wanted: impl Fn(&(String, String)) -> bool) -> Confusion {
        let mut sum = Confusion::new(self.answers);
        for (_, counts) in self.kinds.iter().filter(|(kind, _)| wanted(kind)) {
            sum.merge(counts);
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(answers: &Answers, name: &str) -> f64 {
        answers.shares().into_iter().find(|(n, _)| n == name).unwrap().1
    }

    /// DG-SCT's published AQ 77.4, VQ 81.9, AVQ 70.7 over the 1623, 2427 and 5135 questions of the test file make its
    /// published average of 74.8: questions weigh the same, not kinds.
    #[test]
    fn every_question_weighs_the_same() {
        let mut answers = Answers::new(2);
        let kinds = [("Audio", "Counting", 1623, 0.774), ("Visual", "Location", 2427, 0.819), ("Audio-Visual", "Temporal", 5135, 0.707)];
        for (modality, subtype, questions, right) in kinds {
            for question in 0..questions {
                let hit = f64::from(question) < f64::from(questions) * right;
                answers.add(modality, subtype, 1, usize::from(hit));
            }
        }
        assert!((answers.all().accuracy().unwrap() - 0.7484).abs() < 2e-4, "{:?}", answers.all().accuracy());
    }

    #[test]
    fn groups_pool_the_questions_of_their_kinds() {
        let mut answers = Answers::new(3);
        for (subtype, answer, predicted) in [("Counting", 0, 0), ("Counting", 1, 1), ("Counting", 2, 0), ("Comparative", 2, 1)] {
            answers.add("Audio", subtype, answer, predicted);
        }
        assert_eq!(share(&answers, "Audio Counting"), 2.0 / 3.0);
        assert_eq!(share(&answers, "Audio Comparative"), 0.0);
        assert_eq!(share(&answers, "AQ"), 0.5);
        assert!(answers.shares().iter().all(|(name, _)| name != "VQ"), "no group without questions");
        let kinds: Vec<String> = answers.kinds().map(|(name, _)| name).collect();
        assert_eq!(kinds, ["Audio Comparative", "Audio Counting"]);
    }
}
