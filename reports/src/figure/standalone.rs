//! A drawing as a file of its own.

use super::palette::STYLE;

/// The drawing as a file of its own: colours inside, on white.
pub fn standalone(svg: &str) -> String {
    // No text of a drawing holds a `>` of its own: the first one ends the head, whatever a title says in it.
    match svg.split_once('>') {
        Some((head, body)) => {
            format!("{head}>\n<style>{STYLE}</style><rect class=\"page\" width=\"100%\" height=\"100%\"/>{body}")
        }
        None => svg.to_owned(),
    }
}
