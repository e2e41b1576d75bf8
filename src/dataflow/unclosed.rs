//! Brackets and quotes that are never closed: a YAML parser complains where the next thing cannot be, often many lines
//! further down; what a user has to mend is where they open.

/// What is open, and where: its character, line and column, from 1.
pub(super) type Open = (char, usize, usize);

/// The innermost bracket or quote that is open after the first `characters` of a text.
pub(super) fn unclosed(text: &str, characters: usize) -> Option<Open> {
    let mut open: Vec<Open> = Vec::new();
    let (mut line, mut column) = (1, 0);
    // The last character that is no blank, on this line; a new value can begin behind these.
    let mut before = '\n';
    let mut is_escaped = false;
    let mut in_comment = false;
    let mut after_blank = true;
    for c in text.chars().take(characters) {
        column += 1;
        let begins = after_blank && matches!(before, '\n' | ':' | '-' | ',' | '[' | '{') || matches!(before, '[' | '{');
        match (open.last().map(|o| o.0), c) {
            (_, '\n') => {
                (line, column, before, in_comment, after_blank) = (line + 1, 0, '\n', false, true);
                continue;
            }
            _ if in_comment => continue,
            (Some('"'), '\\') if !is_escaped => {
                is_escaped = true;
                continue;
            }
            (Some('"'), '"') if !is_escaped => drop(open.pop()),
            (Some('\''), '\'') => drop(open.pop()),
            (Some('"' | '\''), _) => {}
            (_, '#') if after_blank => in_comment = true,
            (Some('['), ']') | (Some('{'), '}') => drop(open.pop()),
            (_, '"' | '\'') if begins => open.push((c, line, column)),
            (inside, '[' | '{') if begins || inside.is_some() => open.push((c, line, column)),
            _ => {}
        }
        is_escaped = false;
        after_blank = c.is_whitespace();
        if !after_blank {
            before = c;
        }
    }
    open.pop()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(text: &str) -> Option<Open> {
        unclosed(text, text.chars().count())
    }

    #[test]
    fn the_innermost_that_is_open_is_found() {
        assert_eq!(open("a: [b, {c: d\n  e"), Some(('{', 1, 8)));
        assert_eq!(open("a: [b, {c: d}\nnext: 1\n"), Some(('[', 1, 4)));
        assert_eq!(open("a: 1\nb: \"it is\nc: 2\n"), Some(('"', 2, 4)));
        assert_eq!(open("a: 'it''s' # [\nb: {c: \"}\\\"\"}\n"), None);
    }

    #[test]
    fn what_only_looks_like_one_is_passed_over() {
        for text in ["a: it's [here\n", "a: b{c\n", "# [\na: 1\n", "a: \"[\"\n", "a: x # it's {\nb: 2\n"] {
            assert_eq!(open(text), None, "{text}");
        }
    }
}
