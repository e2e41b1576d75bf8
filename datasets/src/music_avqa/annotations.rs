//! Entries of avqa-train.json and its kin: an array of objects, of which `type` and `templ_values` are JSON inside strings
//! and the answer's key is `anser`.

use std::path::Path;

use serde_json::{Map, Value};

use super::{
    kind::QuestionKind,
    question::{Question, fill},
    vocabulary::{ANSWERS, QUESTION_LENGTH, answer_index, word_index},
};
use crate::{
    problem::{Problem, Problems},
    read::name_fault,
};

/// All questions of a file; what is wrong goes to `problems`, and those entries are left out.
pub(super) fn parse(path: &Path, bytes: &[u8], problems: &mut Problems) -> Vec<Question> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut report = |entry: Option<usize>, what: String| {
        let what = entry.map_or(what.clone(), |entry| format!("entry {entry}: {what}"));
        problems.0.push(Problem { file: path.to_owned(), line: None, field: None, what });
    };
    let entries: Vec<Value> = match serde_json::from_slice(bytes) {
        Ok(entries) => entries,
        Err(error) => {
            report(None, format!("no JSON array of questions: {error}"));
            return Vec::new();
        }
    };
    if entries.is_empty() {
        report(None, "the file holds no question".to_owned());
    }
    let mut questions = Vec::with_capacity(entries.len());
    for (index, entry) in entries.iter().enumerate() {
        let mut faults = Vec::new();
        let question = parse_entry(entry, index + 1, &mut faults);
        match question {
            Some(question) if faults.is_empty() => questions.push(question),
            _ => faults.into_iter().for_each(|fault| report(Some(index + 1), fault)),
        }
    }
    questions
}

fn parse_entry(entry: &Value, number: usize, faults: &mut Vec<String>) -> Option<Question> {
    let Some(fields) = entry.as_object() else {
        faults.push(format!("{} where an object is expected", shown(entry)));
        return None;
    };
    let video_id = text(fields, "video_id", faults).filter(|id| match name_fault(id) {
        Some(fault) => {
            faults.push(format!("video_id: {fault}"));
            false
        }
        None => true,
    });
    let question_id = whole_number(fields, "question_id", faults);
    let kind = list(fields, "type", faults).and_then(|names| match names.as_slice() {
        [group, subtype] if QuestionKind::of(group, subtype).is_some() => QuestionKind::of(group, subtype),
        _ => {
            faults.push(format!("type: {names:?} is none of the nine kinds, such as [\"Audio\", \"Counting\"]"));
            None
        }
    });
    let template = text(fields, "question_content", faults);
    let values = list(fields, "templ_values", faults);
    let words = template.zip(values.as_ref()).and_then(|(template, values)| tokenise(template, values, faults));
    if fields.get("question_deleted").is_some_and(|deleted| deleted.as_u64() != Some(0)) {
        faults.push("question_deleted: 0 is expected; a deleted question should not be listed".to_owned());
    }
    let answer = text(fields, "anser", faults).filter(|answer| {
        let known = answer_index(answer).is_some();
        if !known {
            faults.push(format!("anser: '{}' is none of the {} answers", answer.escape_debug(), ANSWERS.len()));
        }
        known
    });
    Some(Question {
        video_id: video_id?.to_owned(),
        question_id: question_id?,
        kind: kind?,
        template: template?.to_owned(),
        values: values?,
        words: words?,
        answer: answer?.to_owned(),
        entry: number,
    })
}

/// The words of a question, if the vocabulary has them all and they are not too many.
fn tokenise(template: &str, values: &[String], faults: &mut Vec<String>) -> Option<Vec<String>> {
    let words = match fill(template, values) {
        Ok(words) => words,
        Err(fault) => {
            faults.push(format!("question_content: {fault}"));
            return None;
        }
    };
    let unknown: Vec<&String> = words.iter().filter(|word| word_index(word).is_none()).collect();
    if !unknown.is_empty() {
        faults.push(format!("question_content: {unknown:?} are not in the vocabulary of the training questions"));
    }
    if words.len() > QUESTION_LENGTH {
        faults.push(format!("question_content: {} words; {QUESTION_LENGTH} are the most", words.len()));
    }
    (unknown.is_empty() && words.len() <= QUESTION_LENGTH).then_some(words)
}

fn text<'a>(fields: &'a Map<String, Value>, name: &str, faults: &mut Vec<String>) -> Option<&'a str> {
    let found = fields.get(name);
    let text = found.and_then(Value::as_str);
    if text.is_none() {
        faults.push(format!("{name}: {} where a text is expected", found.map_or("nothing".to_owned(), shown)));
    }
    text
}

fn whole_number(fields: &Map<String, Value>, name: &str, faults: &mut Vec<String>) -> Option<u64> {
    let found = fields.get(name);
    let number = found.and_then(Value::as_u64);
    if number.is_none() {
        faults.push(format!("{name}: {} where a whole number is expected", found.map_or("nothing".to_owned(), shown)));
    }
    number
}

/// A list of texts, written as JSON inside a text.
fn list(fields: &Map<String, Value>, name: &str, faults: &mut Vec<String>) -> Option<Vec<String>> {
    let text = text(fields, name, faults)?;
    match serde_json::from_str(text) {
        Ok(list) => Some(list),
        Err(_) => {
            faults.push(format!("{name}: '{}' is no JSON list of texts", text.escape_debug()));
            None
        }
    }
}

/// A value, shortened for a message.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}
