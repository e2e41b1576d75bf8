//! A question, and how its text becomes words.
//!
//! Every published code tokenises alike, and so is done here: strip blanks on the right; part at single blanks; drop the
//! last character of the last word, which is a question mark, full-width in some; put the next value in the place of each
//! word that holds a `<`.

use super::kind::QuestionKind;

/// One entry of an annotation file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    pub video_id: String,
    /// Not unique in the original files: 55 ids of the test file stand there twice, with different answers.
    pub question_id: u64,
    pub kind: QuestionKind,
    /// `question_content` as it stands, placeholders and all.
    pub template: String,
    /// What fills the placeholders, from left to right.
    pub values: Vec<String>,
    /// The filled question, at most [`super::vocabulary::QUESTION_LENGTH`] words, without question mark or filler.
    pub words: Vec<String>,
    /// One of [`super::vocabulary::ANSWERS`].
    pub answer: String,
    /// 1-based, in its file.
    pub entry: usize,
}

/// The words of a template whose placeholders are filled with `values`; else what does not fit.
pub fn fill(template: &str, values: &[String]) -> Result<Vec<String>, String> {
    let mut words: Vec<&str> = template.trim_end().split(' ').collect();
    if let Some(last) = words.last_mut() {
        let mut kept = last.chars();
        kept.next_back();
        *last = kept.as_str();
    }
    let places = words.iter().filter(|word| word.contains('<')).count();
    if places != values.len() {
        return Err(format!("'{}' has {places} placeholders but {} values", template.escape_debug(), values.len()));
    }
    let mut next = values.iter();
    Ok(words
        .into_iter()
        .map(|word| match word.contains('<') {
            true => next.next().cloned().unwrap_or_default(),
            false => word.to_owned(),
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(template: &str, values: &[&str]) -> Result<String, String> {
        fill(template, &values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>()).map(|words| words.join(" "))
    }

    #[test]
    fn values_fill_from_left_to_right_and_the_question_mark_goes() {
        let template = "Is the <Object> on the <LR> louder than the <Object> on the <LR>?";
        let words = filled(template, &["violin", "left", "piano", "right"]).unwrap();
        assert_eq!(words, "Is the violin on the left louder than the piano on the right");
    }

    #[test]
    fn trailing_blanks_and_full_width_question_marks_go() {
        assert_eq!(
            filled("Are there <Object> and <Object> sound? ", &["tuba", "drum"]).unwrap(),
            "Are there tuba and drum sound"
        );
        assert_eq!(
            filled("How many sounding <Object> in the video\u{ff1f}", &["erhu"]).unwrap(),
            "How many sounding erhu in the video"
        );
    }

    #[test]
    fn a_wrong_number_of_values_is_told() {
        let error = filled("Is there a <Object> sound?", &[]).unwrap_err();
        assert!(error.contains("1 placeholders but 0 values"), "{error}");
        assert!(filled("Is there a voiceover?", &["piano"]).is_err());
    }
}
