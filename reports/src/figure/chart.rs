//! A chart of lines: curves over epochs or steps, and results over a setting with their deviation.

use super::axis::Axis;
use super::palette::{COLOURS, dash, mark};
use super::svg::{TEXT, WIDTH, escaped, fitted, frame, n, text_width};

/// One line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// Name in the legend.
    pub name: String,
    /// (x, y).
    pub points: Vec<(f64, f64)>,
    /// Deviation of each point, drawn as a whisker up and down; empty for none.
    pub deviations: Vec<f64>,
    /// Whether points are marked: for few points.
    pub marks: bool,
}

/// A chart.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chart {
    /// Title.
    pub title: String,
    /// Name and unit of the horizontal axis.
    pub x: String,
    /// Name and unit of the vertical axis.
    pub y: String,
    /// Its lines.
    pub series: Vec<Series>,
    /// Places of the horizontal ticks where they are not to be chosen.
    pub ticks: Vec<f64>,
}

const HEIGHT: f64 = 210.0;
const TOP: f64 = 52.0;
const LEGEND_LINE: f64 = 20.0;

impl Chart {
    /// The chart as SVG.
    pub fn svg(&self) -> String {
        let points = || self.series.iter().flat_map(|s| s.points.iter().copied());
        let spans = self.series.iter().flat_map(|s| {
            s.points.iter().enumerate().flat_map(|(i, p)| {
                let d = s.deviations.get(i).copied().unwrap_or(0.0);
                [p.1 - d, p.1 + d]
            })
        });
        let bottom = TOP + HEIGHT;
        let y = Axis::around(spans, 5, (bottom, TOP));
        let widest = y.ticks.iter().map(|t| text_width(&y.label(*t))).fold(0.0, f64::max);
        let left = widest + 16.0;
        let x = Axis::tight(points().map(|p| p.0).collect::<Vec<_>>().into_iter(), 6, (left + 8.0, WIDTH - 18.0));
        let mut body = format!("<text class=\"title\" x=\"8\" y=\"18\">{}</text>\n", escaped(&self.title));
        body += &format!("<text class=\"soft\" x=\"8\" y=\"36\">{}</text>\n", escaped(&self.y));
        for tick in &y.ticks {
            let at = y.at(*tick);
            body += &format!(
                "<path class=\"grid\" d=\"M{} {at}H{}\"/><text class=\"soft\" text-anchor=\"end\" x=\"{}\" y=\"{}\">{}</text>\n",
                n(left),
                n(WIDTH - 8.0),
                n(left - 6.0),
                n(at + 4.5),
                y.label(*tick),
                at = n(at),
            );
        }
        let ticks = if self.ticks.is_empty() { &x.ticks } else { &self.ticks };
        for tick in ticks {
            let label = if self.ticks.is_empty() { x.label(*tick) } else { n(*tick) };
            body += &format!(
                "<text class=\"soft\" text-anchor=\"middle\" x=\"{}\" y=\"{}\">{label}</text>\n",
                n(x.at(*tick)),
                n(bottom + 18.0)
            );
        }
        body += &format!(
            "<text class=\"soft\" text-anchor=\"middle\" x=\"{}\" y=\"{}\">{}</text>\n",
            n(0.5 * (left + WIDTH)),
            n(bottom + 36.0),
            escaped(&self.x)
        );
        for (i, series) in self.series.iter().enumerate() {
            body += &line(i, series, &x, &y);
        }
        let (legend, lines) = self.legend(bottom + 56.0);
        frame(bottom + 50.0 + LEGEND_LINE * lines as f64, &self.title, &(body + &legend))
    }

    /// The legend and the number of its lines; none for one line without a name.
    fn legend(&self, top: f64) -> (String, usize) {
        if self.series.iter().all(|s| s.name.is_empty()) {
            return (String::new(), 0);
        }
        let (mut text, mut x, mut line) = (String::new(), 8.0, 0);
        for (i, series) in self.series.iter().enumerate() {
            let name = fitted(&series.name, WIDTH - 60.0);
            let wide = 40.0 + text_width(&name);
            if x > 8.0 && x + wide > WIDTH {
                (x, line) = (8.0, line + 1);
            }
            let y = top + LEGEND_LINE * f64::from(line);
            text += &format!(
                "<path class=\"line k{}\" stroke-dasharray=\"{}\" d=\"M{} {y}h26\"/>{}<text x=\"{}\" y=\"{}\">{}</text>\n",
                i % COLOURS,
                dash(i),
                n(x),
                if series.marks { mark(i, x + 13.0, y, 4.0) } else { String::new() },
                n(x + 31.0),
                n(y + TEXT * 0.35),
                escaped(&name),
                y = n(y),
            );
            x += wide + 8.0;
        }
        (text, usize::try_from(line).unwrap_or(0) + 1)
    }
}

fn line(index: usize, series: &Series, x: &Axis, y: &Axis) -> String {
    let mut path = String::new();
    let mut marks = String::new();
    let mut pen_down = false;
    for (i, &(px, py)) in series.points.iter().enumerate() {
        if !py.is_finite() {
            pen_down = false;
            continue;
        }
        let (cx, cy) = (x.at(px), y.at(py));
        path += &format!("{}{} {}", if pen_down { 'L' } else { 'M' }, n(cx), n(cy));
        pen_down = true;
        if let Some(d) = series.deviations.get(i).filter(|d| **d > 0.0) {
            let (top, bottom) = (n(y.at(py + d)), n(y.at(py - d)));
            marks += &format!(
                "<path class=\"line thin k{}\" d=\"M{cx} {top}V{bottom}M{l} {top}h8M{l} {bottom}h8\"/>",
                index % COLOURS,
                l = n(cx - 4.0),
                cx = n(cx),
            );
        }
        if series.marks {
            let title = escaped(&format!("{}: {}, {:.4}", series.name, n(px), py));
            marks += &format!("<g><title>{title}</title>{}</g>", mark(index, cx, cy, 3.6));
        }
    }
    format!("<path class=\"line k{}\" stroke-dasharray=\"{}\" d=\"{path}\"/>{marks}\n", index % COLOURS, dash(index))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart() -> Chart {
        let points = |y: f64| vec![(1.0, y), (2.0, f64::NAN), (3.0, y + 2.0)];
        let series = |name: &str, y| Series { name: name.into(), points: points(y), marks: true, ..Series::default() };
        Chart {
            title: "Accuracy <of> A & B".into(),
            x: "epoch".into(),
            y: "percent".into(),
            series: vec![series("train", 50.0), series("val", 40.0)],
            ticks: Vec::new(),
        }
    }

    #[test]
    fn every_series_has_a_line_and_a_name_and_a_gap_where_a_value_is_missing() {
        let svg = chart().svg();
        assert!(svg.contains("Accuracy &lt;of&gt; A &amp; B"));
        for name in ["train", "val", "epoch", "percent"] {
            assert!(svg.contains(&format!(">{name}</text>")), "{name}");
        }
        let line = svg.lines().find(|l| l.contains("class=\"line k1\"") && l.contains('M')).unwrap();
        let path = line.split(" d=\"").nth(1).unwrap().split('"').next().unwrap();
        assert_eq!(path.matches('M').count(), 2, "{path}");
        assert!(!svg.contains("NaN"));
    }

    #[test]
    fn deviations_widen_the_axis() {
        let mut chart = chart();
        chart.series[0].deviations = vec![30.0, 0.0, 1.0];
        assert!(chart.svg().contains(">80</text>"));
    }

    #[test]
    fn a_chart_without_points_is_drawn_too() {
        assert!(Chart { title: "nothing".into(), ..Chart::default() }.svg().contains("nothing"));
    }
}
