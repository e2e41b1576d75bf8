//! Which of an ensemble's questions are asked. As far as ensembles have such questions the nine kinds come about equally
//! often (of two players there is less to compare than to count), so do the templates of a kind, and
//! within a template no answer much more often than the others: who knows only the question should not know the answer.

use std::collections::BTreeMap;

use copl_datasets::music_avqa::{QuestionKind, templates::TEMPLATES};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::questions::Asked;

/// What was asked so far, in one split.
#[derive(Debug, Default)]
pub(super) struct Quiz {
    kinds: BTreeMap<QuestionKind, usize>,
    templates: BTreeMap<usize, usize>,
    answers: BTreeMap<(usize, &'static str), usize>,
    filled: BTreeMap<(usize, Vec<&'static str>, &'static str), usize>,
}

impl Quiz {
    /// Chooses `count` questions, no two of one template as long as there are templates enough.
    pub fn choose(&mut self, rng: &mut ChaCha8Rng, all: &[Asked], count: usize) -> Vec<Asked> {
        let mut chosen: Vec<Asked> = Vec::new();
        while chosen.len() < count.min(all.len()) {
            let free = all.iter().filter(|asked| !chosen.contains(asked));
            let best = free.min_by_key(|asked| {
                let again = chosen.iter().any(|other| other.template == asked.template);
                (again, self.is_common(asked), self.standing(asked), rng.random::<u32>())
            });
            let Some(best) = best.cloned() else { break };
            self.note(&best);
            chosen.push(best);
        }
        chosen
    }

    /// Smaller is rarer.
    fn standing(&self, asked: &Asked) -> [usize; 4] {
        let count = |count: Option<&usize>| count.copied().unwrap_or(0);
        [
            count(self.kinds.get(&TEMPLATES[asked.template].kind)),
            count(self.templates.get(&asked.template)),
            count(self.answers.get(&(asked.template, asked.answer))),
            count(self.filled.get(&(asked.template, asked.values.clone(), asked.answer))),
        ]
    }

    /// The answer already is more than one ahead of all others of its template together.
    fn is_common(&self, asked: &Asked) -> bool {
        let [_, template, answer, _] = self.standing(asked);
        answer > template - answer + 1
    }

    fn note(&mut self, asked: &Asked) {
        *self.kinds.entry(TEMPLATES[asked.template].kind).or_default() += 1;
        *self.templates.entry(asked.template).or_default() += 1;
        *self.answers.entry((asked.template, asked.answer)).or_default() += 1;
        *self.filled.entry((asked.template, asked.values.clone(), asked.answer)).or_default() += 1;
    }
}
