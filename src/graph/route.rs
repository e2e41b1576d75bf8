//! The ways of all edges as SVG paths, with their labels.

use super::flow::{Class, Flow};
use super::lanes::{Point, lanes};
use super::ports::Ports;

const CORNER: f64 = 8.0;

/// An edge ready to be drawn.
#[derive(Clone, Debug)]
pub(super) struct Path {
    pub(super) edge: usize,
    /// The `d` of a path.
    pub(super) d: String,
    /// Base line of the label.
    pub(super) label: Option<Label>,
}

/// Where a label stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Label {
    pub(super) at: Point,
    /// Whether `at` is its middle, not its beginning.
    pub(super) centred: bool,
}

/// The whole picture.
#[derive(Clone, Debug)]
pub(super) struct Picture {
    pub(super) ports: Ports,
    pub(super) paths: Vec<Path>,
    pub(super) top: f64,
    pub(super) bottom: f64,
}

/// Lays out a dataflow.
pub(super) fn route(flow: &Flow) -> Picture {
    let ports = Ports::new(flow);
    let mut paths: Vec<Path> = Vec::new();
    let mut top = ports.layers.places.iter().map(|p| p.y - p.height / 2.0).fold(0.0, f64::min);
    let mut bottom = ports.layers.places.iter().map(|p| p.y + p.height / 2.0).fold(0.0, f64::max);
    for lane in lanes(flow, &ports) {
        for (_, y) in &lane.points {
            (top, bottom) = (top.min(*y - 12.0), bottom.max(*y));
        }
        let label = lane.label.map(|at| Label { at, centred: true });
        paths.push(Path { edge: lane.edge, d: rounded(&lane.points), label });
    }
    for (edge, _) in flow.of(Class::Data) {
        paths.push(data(edge, flow, &ports));
    }
    Picture { ports, paths, top, bottom }
}

/// A data edge: curves in the gaps, straight past boxes and beneath its label.
fn data(edge: usize, flow: &Flow, ports: &Ports) -> Path {
    let chain = &ports.layers.chains[edge];
    let from = ports.frames[flow.edges[edge].from];
    let (mut x, mut y) = (from.right, ports.out_y[edge]);
    let mut d = format!("M{} {}", number(x), number(y));
    for place in &chain[1..] {
        let place = &ports.layers.places[*place];
        let column = ports.columns[place.column];
        let to = if place.node.is_some() { ports.in_y[edge] } else { place.y };
        let end = if place.node.is_some() { column.left } else { column.right };
        let bend = (x + column.curves) / 2.0;
        if (to - y).abs() > 0.5 {
            let [x1, y0, y1, x2] = [bend, y, to, column.curves].map(number);
            d += &format!("C{x1} {y0} {x1} {y1} {x2} {y1}");
        }
        d += &format!("H{}", number(end));
        (x, y) = (end, to);
    }
    let column = ports.columns[ports.layers.places[flow.edges[edge].to].column];
    Path { edge, d, label: Some(Label { at: (column.labels, y - 5.0), centred: false }) }
}

/// A way with round corners.
fn rounded(points: &[Point]) -> String {
    let mut d = String::new();
    for (i, (x, y)) in points.iter().enumerate() {
        let towards = |other: Option<&Point>| {
            let (ox, oy) = *other?;
            let length = (ox - x).hypot(oy - y);
            let step = CORNER.min(length / 2.0) / length.max(1e-9);
            Some((x + (ox - x) * step, y + (oy - y) * step))
        };
        let before = i.checked_sub(1).and_then(|b| towards(points.get(b)));
        match (before, towards(points.get(i + 1))) {
            (Some((bx, by)), Some((ax, ay))) => {
                let [bx, by, x, y, ax, ay] = [bx, by, *x, *y, ax, ay].map(number);
                d += &format!("L{bx} {by}Q{x} {y} {ax} {ay}");
            }
            _ => d += &format!("{}{} {}", if i == 0 { 'M' } else { 'L' }, number(*x), number(*y)),
        }
    }
    d
}

/// A number with at most one decimal.
pub(super) fn number(value: f64) -> String {
    let tenths = (value * 10.0).round() / 10.0;
    if tenths == 0.0 { "0".to_owned() } else { tenths.to_string() }
}
