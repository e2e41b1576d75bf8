//! The words questions are made of and the answers there are, each in the order of first appearance in the training file:
//! the indices every published model uses.
//!
//! Both lists are facts of the official avqa-train.json and shipped here, so a run needs no such file to know them;
//! [`words_of`] and [`answers_of`] compute them again from one.

use std::collections::HashSet;

use super::Question;

/// Words a question holds at most; shorter ones are filled with [`PAD`].
pub const QUESTION_LENGTH: usize = 14;
/// The filler, word 0.
pub const PAD: &str = "<pad>";

/// By index. Words as they are written: "How" and "how" would differ, "guzheng" is an instrument.
pub const WORDS: [&str; 93] = [
    PAD,
    "How",
    "many",
    "instruments",
    "are",
    "sounding",
    "in",
    "the",
    "video",
    "What",
    "kind",
    "of",
    "instrument",
    "is",
    "leftest",
    "musical",
    "it",
    "did",
    "not",
    "sound",
    "from",
    "beginning",
    "to",
    "end",
    "Is",
    "on",
    "left",
    "louder",
    "than",
    "right",
    "guzheng",
    "types",
    "accordion",
    "always",
    "playing",
    "clarinet",
    "there",
    "a",
    "voiceover",
    "this",
    "cello",
    "violin",
    "flute",
    "pipa",
    "piano",
    "Which",
    "that",
    "sounds",
    "at",
    "same",
    "time",
    "as",
    "acoustic_guitar",
    "Where",
    "first",
    "electric_bass",
    "drum",
    "more",
    "rhythmic",
    "ukulele",
    "banjo",
    "saxophone",
    "trumpet",
    "erhu",
    "middle",
    "congas",
    "entire",
    "tuba",
    "bagpipe",
    "loudest",
    "comes",
    "xylophone",
    "bassoon",
    "suona",
    "second",
    "appeared",
    "performance",
    "rightest",
    "coming",
    "third",
    "last",
    "Are",
    "and",
    "makes",
    "before",
    "after",
    "lowest",
    "fourth",
    "longer",
    "fifth",
    "were",
    "heard",
    "throughout",
];

/// By index: 22 instruments, 12 counts, 6 places and times, yes and no. There is no "background".
pub const ANSWERS: [&str; 42] = [
    "two",
    "cello",
    "congas",
    "zero",
    "no",
    "pipa",
    "six",
    "yes",
    "one",
    "four",
    "three",
    "seven",
    "five",
    "ukulele",
    "right",
    "piano",
    "left",
    "accordion",
    "clarinet",
    "guzheng",
    "more than ten",
    "nine",
    "indoor",
    "saxophone",
    "drum",
    "violin",
    "middle",
    "outdoor",
    "bagpipe",
    "bassoon",
    "acoustic_guitar",
    "banjo",
    "electric_bass",
    "ten",
    "eight",
    "flute",
    "simultaneously",
    "trumpet",
    "erhu",
    "xylophone",
    "tuba",
    "suona",
];

/// The index of a word, 0..93.
pub fn word_index(word: &str) -> Option<u32> {
    WORDS.iter().position(|known| *known == word).map(|index| index as u32)
}

/// The index of an answer, 0..42.
pub fn answer_index(answer: &str) -> Option<u32> {
    ANSWERS.iter().position(|known| *known == answer).map(|index| index as u32)
}

/// The word indices of a question, filled with 0 to [`QUESTION_LENGTH`]; none if a word is unknown or there are too many.
pub fn encode(words: &[String]) -> Option<[u32; QUESTION_LENGTH]> {
    let mut indices = [0; QUESTION_LENGTH];
    for (n, word) in words.iter().enumerate() {
        *indices.get_mut(n)? = word_index(word)?;
    }
    Some(indices)
}

/// The words of a training file: the filler, then every word by first appearance.
pub fn words_of(train: &[Question]) -> Vec<String> {
    let pad = PAD.to_owned();
    by_first_appearance(std::iter::once(&pad).chain(train.iter().flat_map(|question| &question.words)))
}

/// The answers of a training file by first appearance.
pub fn answers_of(train: &[Question]) -> Vec<String> {
    by_first_appearance(train.iter().map(|question| &question.answer))
}

fn by_first_appearance<'a>(texts: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut seen = HashSet::new();
    texts.filter(|text| seen.insert(*text)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_hold_each_entry_once() {
        assert_eq!(WORDS.iter().collect::<HashSet<_>>().len(), 93);
        assert_eq!(ANSWERS.iter().collect::<HashSet<_>>().len(), 42);
        assert_eq!((word_index(PAD), word_index("How"), word_index("throughout")), (Some(0), Some(1), Some(92)));
        assert_eq!((answer_index("two"), answer_index("suona"), answer_index("many")), (Some(0), Some(41), None));
    }

    #[test]
    fn questions_are_filled_up_and_unknown_words_are_not_guessed() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let mut expected = [0; QUESTION_LENGTH];
        expected[..3].copy_from_slice(&[53, 13, 7]);
        assert_eq!(encode(&words("Where is the")), Some(expected));
        assert_eq!(encode(&words("Where is Waldo")), None);
        assert_eq!(encode(&words("the ".repeat(15).trim_end())), None);
    }
}
