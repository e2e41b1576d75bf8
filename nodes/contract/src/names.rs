//! Names of metrics: parts with a `/` between them, such as `accuracy/Church bell` or `confusion/TRUE/PREDICTED`.
//!
//! A class or an answer is called what its dataset says: a `/` or `\` within a part has a `\` before it.

/// The name of these parts.
pub fn joined<S: AsRef<str>>(parts: &[S]) -> String {
    let escaped = |part: &S| part.as_ref().replace('\\', "\\\\").replace('/', "\\/");
    parts.iter().map(escaped).collect::<Vec<_>>().join("/")
}

/// The parts of a name. A `\` that stands before another character stands for itself.
pub fn parts(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut letters = name.chars().peekable();
    while let Some(letter) = letters.next() {
        let letter = match letter {
            '/' => {
                parts.push(String::new());
                continue;
            }
            '\\' => letters.next_if(|next| matches!(next, '/' | '\\')).unwrap_or('\\'),
            plain => plain,
        };
        if let Some(part) = parts.last_mut() {
            part.push(letter);
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_slash_within_a_part_does_not_tear_it() {
        let name = joined(&["confusion", "AC/DC", r"back\slash"]);
        assert_eq!(name, r"confusion/AC\/DC/back\\slash");
        assert_eq!(parts(&name), ["confusion", "AC/DC", r"back\slash"]);
        assert_eq!(parts("accuracy/Church bell"), ["accuracy", "Church bell"], "plain names are what they were");
        assert_eq!(parts(r"a\b/c"), [r"a\b", "c"], "as an earlier build wrote it");
    }

    proptest! {
        #[test]
        fn parts_come_back(given in prop::collection::vec(r"[a/\\ ]{0,4}", 1..4)) {
            prop_assert_eq!(parts(&joined(&given)), given);
        }
    }
}
