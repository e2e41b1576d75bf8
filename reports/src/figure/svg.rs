//! Pieces of SVG that all figures share: sizes, numbers, texts, the element around a drawing.

/// Width of every drawing in its own units; a phone shows them nearly one to one.
pub(crate) const WIDTH: f64 = 460.0;
/// Size of the text.
pub(crate) const TEXT: f64 = 13.0;

/// A number with at most two decimals, for coordinates.
pub(crate) fn n(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Text inside SVG or HTML.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() && c != '\n' && c != '\t' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// Width of a text, about: sans-serif letters are a little more than half as wide as they are high.
pub(crate) fn text_width(text: &str) -> f64 {
    text.chars().count() as f64 * TEXT * 0.56
}

/// Cuts a text to a width and says so with an ellipsis.
pub(crate) fn fitted(text: &str, width: f64) -> String {
    if text_width(text) <= width {
        return text.to_owned();
    }
    let letters = (width / (TEXT * 0.56)).floor() as usize;
    let kept: String = text.chars().take(letters.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// The `<svg>` element around a drawing.
pub(crate) fn frame(height: f64, title: &str, body: &str) -> String {
    let (w, h) = (n(WIDTH), n(height));
    format!(
        "<svg class=\"figure\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {w} {h}\" role=\"img\" \
         aria-label=\"{}\">\n{body}</svg>\n",
        escaped(title)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_break_out_of_its_element() {
        assert_eq!(escaped("a<b>&\"'\u{1}"), "a&lt;b&gt;&amp;&quot;&#39;\u{fffd}");
    }

    #[test]
    fn coordinates_have_few_digits() {
        assert_eq!([n(1.0), n(0.333_33), n(-2.50)], ["1", "0.33", "-2.5"]);
    }

    #[test]
    fn a_long_text_is_cut_and_says_so() {
        assert_eq!(fitted("short", 100.0), "short");
        assert_eq!(fitted("a much too long name", 60.0), "a much …");
    }
}
