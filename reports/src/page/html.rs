//! Small pieces of HTML. Every text goes through [`escaped`].

use crate::figure::escaped;

/// A cell of a table.
#[derive(Clone, Debug)]
pub(super) enum Cell {
    /// Text, broken anywhere if it is long.
    Text(String),
    /// A number, or a dash, on the right.
    Number(String),
    /// The best number of its row.
    Best(String),
}

/// A cell of text.
pub(super) fn text(text: impl Into<String>) -> Cell {
    Cell::Text(text.into())
}

/// A cell of a number with so many digits; a dash where there is none.
pub(super) fn number(value: Option<f64>, digits: usize) -> Cell {
    Cell::Number(shown(value, digits))
}

/// A number with so many digits; a dash where there is none.
pub(super) fn shown(value: Option<f64>, digits: usize) -> String {
    value.filter(|v| v.is_finite()).map_or_else(|| "–".to_owned(), |v| format!("{v:.digits$}"))
}

/// A whole number with thin spaces between thousands.
pub(super) fn whole(value: i64) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    if value < 0 { format!("−{out}") } else { out }
}

/// A table in a box that scrolls sideways. Rows are marked as ours or not.
pub(super) fn table(head: &[Cell], rows: &[(bool, Vec<Cell>)]) -> String {
    let cell = |tag: &str, cell: &Cell| match cell {
        Cell::Text(t) => format!("<{tag} class=\"wide\">{}</{tag}>", escaped(t)),
        Cell::Number(t) => format!("<{tag} class=\"n\">{}</{tag}>", escaped(t)),
        Cell::Best(t) => format!("<{tag} class=\"n best\">{}</{tag}>", escaped(t)),
    };
    let row = |tag: &str, cells: &[Cell]| cells.iter().map(|c| cell(tag, c)).collect::<String>();
    let mut out = format!("<div class=\"scroll\"><table>\n<thead><tr>{}</tr></thead>\n<tbody>\n", row("th", head));
    for (ours, cells) in rows {
        let class = if *ours { " class=\"ours\"" } else { "" };
        out += &format!("<tr{class}>{}</tr>\n", row("td", cells));
    }
    out + "</tbody></table></div>\n"
}

/// A section with its heading.
pub(super) fn section(title: &str, body: &str) -> String {
    format!("<section>\n<h2>{}</h2>\n{body}</section>\n", escaped(title))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        assert_eq!(whole(-1_234_567), "−1\u{202f}234\u{202f}567");
        assert_eq!((whole(0), whole(999)), ("0".into(), "999".into()));
        assert_eq!(
            (shown(None, 2), shown(Some(f64::NAN), 2), shown(Some(1.005), 1)),
            ("–".into(), "–".into(), "1.0".into())
        );
    }

    #[test]
    fn a_table_escapes_its_cells() {
        let out = table(&[text("<b>")], &[(true, vec![Cell::Best("1 & 2".into())])]);
        assert!(out.contains("&lt;b&gt;") && out.contains("<tr class=\"ours\"><td class=\"n best\">1 &amp; 2</td>"));
    }
}
