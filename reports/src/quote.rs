//! Texts of others inside Markdown: names of classes, clips and runs, settings, error messages. What they hold is shown as it
//! is, and never becomes markup (CommonMark 0.31, with the tables and strikethrough of GitHub's dialect).

/// Text in a line or a cell of a table. Line breaks become blanks; an underscore between letters or digits is none of markup.
pub(crate) fn text(given: &str) -> String {
    let letters: Vec<char> = one_line(given).chars().collect();
    let mut out = String::with_capacity(letters.len());
    for (i, letter) in letters.iter().enumerate() {
        let within = |at: Option<usize>| at.and_then(|at| letters.get(at)).is_some_and(|c| c.is_alphanumeric());
        let markup = match letter {
            '\\' | '`' | '*' | '[' | ']' | '<' | '>' | '|' | '~' | '$' | '&' => true,
            '_' => !(within(i.checked_sub(1)) && within(Some(i + 1))),
            // What makes a heading or a list begins a line.
            '#' | '-' | '+' | '=' => i == 0,
            _ => false,
        };
        if markup {
            out.push('\\');
        }
        out.push(*letter);
    }
    out
}

/// Text in a code span, behind which no backtick of its own can end it. In a cell of a table a `|` ends even that: use
/// [`text`] there.
pub(crate) fn code(given: &str) -> String {
    let given = one_line(given);
    let longest = given.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    // A blank on either side is taken off again, and keeps a backtick from the fence.
    let pad = if given.starts_with('`') || given.ends_with('`') || given.trim().is_empty() { " " } else { "" };
    format!("{fence}{pad}{given}{pad}{fence}")
}

/// The text in one line, without control characters.
pub(crate) fn one_line(given: &str) -> String {
    let kept = |c: char| match c {
        '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => ' ',
        c if c.is_control() => '\u{fffd}',
        c => c,
    };
    given.chars().map(kept).collect()
}

/// Markdown read back by a reader of its own, for the tests of all that write it.
#[cfg(test)]
pub(crate) mod reading {
    use pulldown_cmark::{Event, Options, Parser, Tag};

    /// What a page holds.
    #[derive(Debug, Default)]
    pub(crate) struct Read {
        /// Links, emphasis and tags that are not the page's own.
        pub(crate) markup: Vec<String>,
        pub(crate) headings: usize,
        /// Texts of headings, lines and cells.
        pub(crate) texts: Vec<String>,
    }

    /// Reads a page. Pictures, bold numbers and tables are its own.
    pub(crate) fn read(page: &str) -> Read {
        let mut read = Read::default();
        for event in Parser::new_ext(page, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH) {
            match event {
                Event::Html(tag) | Event::InlineHtml(tag) => read.markup.push(tag.to_string()),
                Event::Start(Tag::Link { dest_url, .. }) => read.markup.push(dest_url.to_string()),
                Event::Start(tag @ (Tag::Emphasis | Tag::Strikethrough | Tag::CodeBlock(_))) => {
                    read.markup.push(format!("{tag:?}"));
                }
                Event::Start(Tag::Heading { .. } | Tag::Paragraph | Tag::Item | Tag::TableCell) => {
                    read.headings += usize::from(matches!(event, Event::Start(Tag::Heading { .. })));
                    read.texts.push(String::new());
                }
                Event::Text(text) | Event::Code(text) => {
                    if let Some(last) = read.texts.last_mut() {
                        last.push_str(&text);
                    }
                }
                _ => {}
            }
        }
        read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_shown_and_not_made() {
        assert_eq!(text("a|b `c` <d> *e* [f](g) ~h~ &lt; \\"), r"a\|b \`c\` \<d\> \*e\* \[f\](g) \~h\~ \&lt; \\");
        assert_eq!(text("two\nlines\u{1b}[31m"), "two lines\u{fffd}\\[31m");
        assert_eq!(text("model.VISUAL_ENCODER _x_ a_"), r"model.VISUAL_ENCODER \_x\_ a\_");
        assert_eq!((text("# no heading"), text("C# -1")), (r"\# no heading".into(), "C# -1".into()));
    }

    #[test]
    fn a_code_span_ends_where_it_should() {
        assert_eq!(code("plain"), "`plain`");
        assert_eq!(code("a`b``c"), "```a`b``c```");
        assert_eq!(code("`"), "`` ` ``");
        assert_eq!(code("two\nlines"), "`two lines`");
    }
}
