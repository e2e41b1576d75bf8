//! Results of named cases: a row a case with each run's result, their mean and deviation, and the paper's where known.

use super::axis::Axis;
use super::palette::mark;
use super::svg::{WIDTH, escaped, fitted, frame, n, text_width};

/// A case.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// Name.
    pub name: String,
    /// Result of each run.
    pub values: Vec<f64>,
    /// Their mean; none while no run has ended.
    pub mean: Option<f64>,
    /// Their deviation; none for one run.
    pub deviation: Option<f64>,
}

/// The figure.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dots {
    /// Title.
    pub title: String,
    /// Name and unit of the axis.
    pub x: String,
    /// Cases, from above.
    pub rows: Vec<Row>,
}

const ROW: f64 = 44.0;
const TOP: f64 = 34.0;

impl Dots {
    /// The figure as SVG.
    pub fn svg(&self) -> String {
        let values = self.rows.iter().flat_map(|r| {
            let (mean, d) = (r.mean.unwrap_or(f64::NAN), r.deviation.unwrap_or(0.0));
            r.values.iter().copied().chain([mean - d, mean + d])
        });
        let axis = Axis::around(values, 5, (14.0, WIDTH - 62.0));
        let bottom = TOP + ROW * self.rows.len() as f64;
        let mut body = format!("<text class=\"title\" x=\"8\" y=\"18\">{}</text>\n", escaped(&self.title));
        for tick in &axis.ticks {
            let at = n(axis.at(*tick));
            body += &format!(
                "<path class=\"grid\" d=\"M{at} {}V{}\"/><text class=\"soft\" text-anchor=\"middle\" x=\"{at}\" y=\"{}\">{}</text>\n",
                n(TOP),
                n(bottom),
                n(bottom + 17.0),
                axis.label(*tick)
            );
        }
        for (i, row) in self.rows.iter().enumerate() {
            body += &one(row, TOP + ROW * i as f64, &axis);
        }
        body += &format!(
            "<text class=\"soft\" text-anchor=\"middle\" x=\"{}\" y=\"{}\">{}</text>\n",
            n(0.5 * WIDTH),
            n(bottom + 36.0),
            escaped(&self.x)
        );
        frame(bottom + 46.0, &self.title, &body)
    }
}

fn one(row: &Row, top: f64, axis: &Axis) -> String {
    let y = top + 31.0;
    let mut text =
        format!("<text x=\"8\" y=\"{}\">{}</text>", n(top + 16.0), escaped(&fitted(&row.name, WIDTH - 16.0)));
    for value in row.values.iter().filter(|v| v.is_finite()) {
        text += &format!("<circle class=\"hollow k0\" cx=\"{}\" cy=\"{}\" r=\"3\"/>", n(axis.at(*value)), n(y));
    }
    if let Some(mean) = row.mean {
        let mut words = format!("{mean:.1}");
        if let Some(d) = row.deviation {
            let (low, high) = (n(axis.at(mean - d)), n(axis.at(mean + d)));
            text += &format!("<path class=\"line thin k1\" d=\"M{low} {y}H{high}\"/>", y = n(y));
            words += &format!(" ±{d:.1}");
        }
        text += &mark(1, axis.at(mean), y, 4.5);
        text += &format!(
            "<text class=\"soft\" text-anchor=\"end\" x=\"{}\" y=\"{}\">{words}</text>",
            n(WIDTH.max(text_width(&words)) - 4.0),
            n(y + 4.5)
        );
    } else {
        text += &format!("<text class=\"soft\" x=\"14\" y=\"{}\">not run</text>", n(y + 4.5));
    }
    text + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_shows_its_runs_and_their_mean_and_one_without_runs_says_so() {
        let rows = vec![
            Row { name: "CoPL".into(), values: vec![54.0, 56.0], mean: Some(55.0), deviation: Some(1.4) },
            Row { name: "none".into(), ..Row::default() },
        ];
        let svg = Dots { title: "t".into(), x: "percent".into(), rows }.svg();
        assert_eq!(svg.matches("class=\"hollow k0\"").count(), 2);
        assert!(svg.contains(">55.0 ±1.4</text>") && svg.contains(">not run</text>"));
        assert!(!svg.contains("NaN"));
    }
}
