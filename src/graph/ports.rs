//! Sizes and places in pixels: boxes, columns, the gaps between them, and where edges touch boxes.
//!
//! A gap holds, from left to right: tracks of edges that leave a box sideways, room for curves, tracks of edges that enter
//! a box sideways, then the labels, each on the straight end of its edge. So no label meets a box or another label.

use super::flow::{Class, Flow, NodeBox};
use super::layers::Layers;

/// Font sizes of a box: id, kind, settings; and of labels.
pub(super) const ID_SIZE: f64 = 15.0;
pub(super) const KIND_SIZE: f64 = 12.0;
pub(super) const SETTING_SIZE: f64 = 11.5;
pub(super) const LABEL_SIZE: f64 = 12.0;
/// Space between a box's text and its border.
pub(super) const PADDING: f64 = 14.0;
/// Height of a line of settings.
pub(super) const SETTING_LINE: f64 = 16.0;
/// Height of a box's id and kind.
pub(super) const HEADER: f64 = 50.0;

const PORT_GAP: f64 = 28.0;
const TRACK_GAP: f64 = 9.0;
const CURVE: f64 = 64.0;
const ARROW: f64 = 14.0;
const MARGIN: f64 = 24.0;
const MIN_WIDTH: f64 = 110.0;

/// A box's place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) top: f64,
    pub(super) bottom: f64,
}

/// A column's place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub(super) left: f64,
    pub(super) right: f64,
    /// Where curves to this column end and labels begin.
    pub(super) labels: f64,
    /// Where curves to this column end.
    pub(super) curves: f64,
}

/// All places.
#[derive(Clone, Debug)]
pub(super) struct Ports {
    pub(super) layers: Layers,
    pub(super) frames: Vec<Frame>,
    pub(super) columns: Vec<Column>,
    /// Height at which each data edge leaves its box; 0 for other edges.
    pub(super) out_y: Vec<f64>,
    /// Height at which each data edge reaches its box; 0 for other edges.
    pub(super) in_y: Vec<f64>,
    pub(super) width: f64,
}

impl Ports {
    pub(super) fn new(flow: &Flow) -> Self {
        let heights: Vec<f64> = (0..flow.nodes.len()).map(|n| height(flow, n)).collect();
        let layers = Layers::new(flow, &heights);
        let (columns, width) = columns(flow, &layers);
        let frames = (0..flow.nodes.len())
            .map(|n| {
                let place = &layers.places[n];
                let Column { left, right, .. } = columns[place.column];
                Frame { left, right, top: place.y - place.height / 2.0, bottom: place.y + place.height / 2.0 }
            })
            .collect();
        let mut ports = Self {
            layers,
            frames,
            columns,
            out_y: vec![0.0; flow.edges.len()],
            in_y: vec![0.0; flow.edges.len()],
            width,
        };
        for node in 0..flow.nodes.len() {
            ports.attach(flow, node);
        }
        ports
    }

    /// Spreads a box's data edges over its sides, in the order of their other ends. Edges of one output leave together.
    fn attach(&mut self, flow: &Flow, node: usize) {
        let y = |place: usize| self.layers.places[place].y;
        let chain = |edge: usize| &self.layers.chains[edge];
        let mut inputs: Vec<(f64, usize)> = flow
            .of(Class::Data)
            .filter(|(_, e)| e.to == node)
            .map(|(i, _)| (y(chain(i)[chain(i).len() - 2]), i))
            .collect();
        inputs.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut outputs: Vec<(f64, &str, Vec<usize>)> = Vec::new();
        for (i, edge) in flow.of(Class::Data).filter(|(_, e)| e.from == node) {
            match outputs.iter_mut().find(|o| o.1 == edge.output) {
                Some(output) => output.2.push(i),
                None => outputs.push((y(chain(i)[1]), &edge.output, vec![i])),
            }
        }
        outputs.sort_by(|a, b| a.0.total_cmp(&b.0));
        let middle = y(node);
        let at = |i: usize, count: usize| middle + (i as f64 - (count as f64 - 1.0) / 2.0) * PORT_GAP;
        for (i, (_, edge)) in inputs.iter().enumerate() {
            self.in_y[*edge] = at(i, inputs.len());
        }
        for (i, (_, _, edges)) in outputs.iter().enumerate() {
            edges.iter().for_each(|edge| self.out_y[*edge] = at(i, outputs.len()));
        }
    }

    /// Where an edge that leaves (or enters) sideways runs up or down: the `index`th track beside the node's column.
    pub(super) fn track(&self, node: usize, index: usize, leaves: bool) -> f64 {
        let column = self.columns[self.layers.places[node].column];
        let step = TRACK_GAP * (index as f64 + 1.0);
        if leaves { column.right + 4.0 + step } else { column.curves + step }
    }

    /// Whether no other box of the column stands on this side of the node.
    pub(super) fn is_outermost(&self, node: usize, below: bool) -> bool {
        is_outermost(&self.layers, node, below)
    }
}

fn is_outermost(layers: &Layers, node: usize, below: bool) -> bool {
    let mut boxes = layers.columns[layers.places[node].column].iter().filter(|p| layers.places[**p].node.is_some());
    let end = if below { boxes.next_back() } else { boxes.next() };
    end == Some(&node)
}

/// The columns from left to right, and the width of the picture.
fn columns(flow: &Flow, layers: &Layers) -> (Vec<Column>, f64) {
    let count = layers.columns.len();
    let (mut leaving, mut entering) = (vec![0.0; count], vec![0.0; count]);
    for edge in flow.edges.iter().filter(|e| e.class != Class::Data) {
        let below = edge.class == Class::Feedback;
        for (node, tracks) in [(edge.from, &mut leaving), (edge.to, &mut entering)] {
            if !is_outermost(layers, node, below) {
                tracks[layers.places[node].column] += TRACK_GAP;
            }
        }
    }
    let mut columns = Vec::new();
    let mut x = MARGIN;
    for (column, entering) in entering.into_iter().enumerate() {
        let labels = flow.of(Class::Data).filter(|(_, e)| layers.places[e.to].column == column);
        let labels = labels.map(|(_, e)| text_width(&e.output, LABEL_SIZE) + ARROW).fold(0.0, f64::max);
        let curves = if column == 0 { x } else { x + leaving[column - 1] + CURVE };
        let label_left = curves + entering + if entering > 0.0 { TRACK_GAP } else { 0.0 };
        let left = label_left + labels + if column == 0 { 0.0 } else { 6.0 };
        let boxes = layers.columns[column].iter().filter_map(|p| layers.places[*p].node);
        let right = left + boxes.map(|n| box_width(&flow.nodes[n])).fold(0.0, f64::max);
        columns.push(Column { left, right, labels: label_left, curves });
        x = right;
    }
    (columns, x + leaving.last().copied().unwrap_or(0.0) + MARGIN)
}

fn height(flow: &Flow, node: usize) -> f64 {
    let settings = flow.nodes[node].settings.len() as f64;
    let text = HEADER + if settings > 0.0 { 12.0 + settings * SETTING_LINE } else { 4.0 };
    let inputs = flow.of(Class::Data).filter(|(_, e)| e.to == node).count() as f64;
    text.max((inputs - 1.0) * PORT_GAP + 56.0)
}

fn box_width(node: &NodeBox) -> f64 {
    let settings = node.settings.iter().map(|(key, value)| text_width(&setting(key, value), SETTING_SIZE));
    let text =
        settings.fold(0.0, f64::max).max(text_width(&node.id, ID_SIZE) * 1.1).max(text_width(&node.kind, KIND_SIZE));
    (text + 2.0 * PADDING).max(MIN_WIDTH)
}

/// A setting as the box shows it.
pub(super) fn setting(key: &str, value: &str) -> String {
    format!("{key} {}", shortened(value))
}

/// Long values, mostly paths, by their end.
pub(super) fn shortened(value: &str) -> String {
    const LONGEST: usize = 26;
    let count = value.chars().count();
    if count <= LONGEST {
        return value.to_owned();
    }
    std::iter::once('…').chain(value.chars().skip(count - LONGEST + 1)).collect()
}

/// Width of a text in DejaVu Sans, the widest of the fonts a reader may have.
pub(super) fn text_width(text: &str, size: f64) -> f64 {
    let em = |c: char| match c {
        'i' | 'j' | 'l' | '|' | '\'' => 0.28,
        ' ' | '.' | ',' | ':' | '/' | '-' | 'I' | '(' | ')' => 0.37,
        'f' | 'r' | 't' => 0.41,
        'm' | 'M' | 'W' | '…' => 1.0,
        'w' | 'O' | 'Q' | 'G' => 0.82,
        'A'..='Z' => 0.71,
        _ => 0.64,
    };
    text.chars().map(em).sum::<f64>() * size
}
