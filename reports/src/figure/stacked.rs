//! Bars of parts: where the time of each node went.

use super::palette::COLOURS;
use super::svg::{WIDTH, escaped, fitted, frame, n, text_width};

/// A part of every bar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// In a colour of the palette.
    Coloured(String),
    /// In the colour of what does not matter.
    Idle(String),
}

/// A bar.
#[derive(Clone, Debug, PartialEq)]
pub struct Stack {
    /// Name.
    pub name: String,
    /// Amount of each part.
    pub amounts: Vec<f64>,
    /// Said behind the name.
    pub note: String,
}

/// The figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Stacked {
    /// Title.
    pub title: String,
    /// The parts, in the order of every bar.
    pub parts: Vec<Part>,
    /// The bars.
    pub stacks: Vec<Stack>,
}

const ROW: f64 = 42.0;

fn class(index: usize, part: &Part) -> String {
    match part {
        Part::Coloured(_) => format!("f{}", index % COLOURS),
        Part::Idle(_) => "idle".to_owned(),
    }
}

impl Stacked {
    /// The figure as SVG.
    pub fn svg(&self) -> String {
        let longest = self.stacks.iter().map(|s| s.amounts.iter().sum::<f64>()).fold(0.0, f64::max).max(1e-9);
        let scale = (WIDTH - 16.0) / longest;
        let mut body = format!("<text class=\"title\" x=\"8\" y=\"18\">{}</text>\n", escaped(&self.title));
        let mut x = 8.0;
        for (i, part) in self.parts.iter().enumerate() {
            let (Part::Coloured(name) | Part::Idle(name)) = part;
            body += &format!(
                "<rect class=\"{}\" x=\"{}\" y=\"30\" width=\"14\" height=\"14\"/><text x=\"{}\" y=\"42\">{}</text>\n",
                class(i, part),
                n(x),
                n(x + 19.0),
                escaped(name)
            );
            x += 34.0 + text_width(name);
        }
        for (row, stack) in self.stacks.iter().enumerate() {
            let y = 56.0 + ROW * row as f64;
            body += &format!(
                "<text x=\"8\" y=\"{}\">{}</text><text class=\"soft\" text-anchor=\"end\" x=\"{}\" y=\"{}\">{}</text>",
                n(y + 13.0),
                escaped(&fitted(&stack.name, 180.0)),
                n(WIDTH - 8.0),
                n(y + 13.0),
                escaped(&stack.note)
            );
            let mut from = 8.0;
            for (i, (part, amount)) in self.parts.iter().zip(&stack.amounts).enumerate() {
                let wide = amount.max(0.0) * scale;
                let (Part::Coloured(name) | Part::Idle(name)) = part;
                body += &format!(
                    "<rect class=\"{}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"15\"><title>{}: {amount:.2}</title></rect>",
                    class(i, part),
                    n(from),
                    n(y + 18.0),
                    n(wide),
                    escaped(name)
                );
                from += wide;
            }
            body.push('\n');
        }
        frame(60.0 + ROW * self.stacks.len() as f64, &self.title, &body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_bar_fills_the_width() {
        let stack =
            |name: &str, amounts: [f64; 2]| Stack { name: name.into(), amounts: amounts.into(), note: "n".into() };
        let parts = vec![Part::Coloured("work".into()), Part::Idle("waiting".into())];
        let stacks = vec![stack("model", [3.0, 1.0]), stack("video", [1.0, 1.0])];
        let svg = Stacked { title: "Time".into(), parts, stacks }.svg();
        assert!(svg.contains("width=\"333\"") && svg.contains("width=\"111\""), "{svg}");
    }
}
