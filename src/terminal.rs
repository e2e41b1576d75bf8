//! Words of others on the user's terminal: names of files, lines of nodes, what ffmpeg says.
//!
//! A terminal obeys control characters: they move its cursor, rewrite what stands there, change its title. Whatever the command
//! prints and did not make up itself goes through [`shown`]. JSON does not: it has escapes of its own.

use std::borrow::Cow;

/// The text with its control characters written out, such as `\u{1b}` or `\r`, and those that turn the direction of writing.
/// Ends of lines and tabs stay.
pub(crate) fn shown(text: &str) -> Cow<'_, str> {
    if !text.contains(is_command) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_command(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// A word as a shell takes it, in a command that a user may copy.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./+:@%,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// Whether a terminal does something at this character instead of showing it. The marks of direction are those of Unicode's
/// Annex 9: embeddings, overrides and isolates.
fn is_command(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_written_out() {
        assert_eq!(shown("a\x1b[2Jb\rc\x07\x7f\u{9b}1m\u{202e}d"), "a\\u{1b}[2Jb\\rc\\u{7}\\u{7f}\\u{9b}1m\\u{202e}d");
    }

    #[test]
    fn a_shell_reads_a_quoted_word_back() {
        for word in ["runs/a-1", "model.NOTE=it's $HOME", "", "a b", "a\\'\"b"] {
            let output = std::process::Command::new("sh").args(["-c", &format!("printf %s {}", quoted(word))]).output();
            assert_eq!(String::from_utf8(output.unwrap().stdout).unwrap(), word);
        }
        assert_eq!(quoted("runs/a-1"), "runs/a-1");
    }

    #[test]
    fn text_lines_and_tabs_stay_and_nothing_is_written_out_twice() {
        for text in ["Größe 12 % · 影像\n\tnext", "a\\u{1b}b"] {
            assert!(matches!(shown(text), Cow::Borrowed(same) if same == text));
        }
    }
}
