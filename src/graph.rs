//! Pictures of a dataflow for `copl graph`: Mermaid text, and SVG with a layout of its own.
//!
//! - [`mod@flow`]: the dataflow as boxes and edges of three classes: data, feedback, reports;
//! - [`layers`]: which box stands in which column and at which height (layered drawing after Sugiyama et al. 1981);
//! - [`ports`], [`lanes`], [`route`]: where the edges run;
//! - [`draw`], [`mod@mermaid`]: the text of the picture.

mod draw;
mod flow;
mod lanes;
mod layers;
mod mermaid;
mod ports;
mod route;

use copl_contract::NodeSpec;
use copl_contract::spec::REPORT_TABLES;

use crate::catalog;
use crate::dataflow::document::{Document, Input, Node};
use flow::{Class, Edge, Flow, NodeBox};

/// Settings a box shows.
const SETTINGS_SHOWN: usize = 4;
/// Settings that are shown before all others, where they are set.
const TELLING: [&str; 15] = [
    "METHOD",
    "VISUAL_ENCODER",
    "AUDIO_ENCODER",
    "DATASET",
    "EPOCHS",
    "SIZE",
    "PRESET",
    "MELS",
    "FRAMES",
    "BATCH",
    "LOSS",
    "CONSISTENCY",
    "LR_PROMPTS",
    "SEED",
    "LIMIT_CLIPS",
];

/// The dataflow as Mermaid text, which GitHub and many editors draw.
pub(crate) fn mermaid(document: &Document) -> String {
    mermaid::text(&flow(document, &catalog::specs()))
}

/// The dataflow as a picture that follows the reader's light or dark theme.
pub(crate) fn svg(document: &Document, specs: &[NodeSpec]) -> String {
    let flow = flow(document, specs);
    draw::svg(&flow, &route::route(&flow))
}

fn flow(document: &Document, specs: &[NodeSpec]) -> Flow {
    let nodes = document.nodes();
    let mut flow = Flow::default();
    for node in &nodes {
        let kind = node.program().to_owned();
        flow.nodes.push(NodeBox { id: node.id_text().unwrap_or("?").to_owned(), kind, settings: settings(*node) });
    }
    for (to, node) in nodes.iter().enumerate() {
        for input in node.inputs() {
            edge(&mut flow, &nodes, to, input, specs);
        }
    }
    flow.break_cycles();
    flow
}

/// The most telling of the settings a dataflow gives a node.
fn settings(node: Node<'_>) -> Vec<(String, String)> {
    let rank = |key: &str| TELLING.iter().position(|t| *t == key).unwrap_or(TELLING.len());
    let mut set: Vec<(String, String)> =
        node.variables().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    // Stable: settings of no rank stay in the file's order.
    set.sort_by_key(|(key, _)| rank(key));
    set.truncate(SETTINGS_SHOWN);
    set
}

/// Adds the edge of an input; one whose source does not exist is left out, `copl check` tells of it.
fn edge(flow: &mut Flow, nodes: &[Node<'_>], to: usize, input: Input<'_>, specs: &[NodeSpec]) {
    let Some(source) = input.source().and_then(|s| s.text()) else { return };
    let name = input.name.text().unwrap_or_default();
    let Some((from, output)) = input.from() else {
        let from = flow.nodes.iter().position(|n| n.id == source).unwrap_or_else(|| {
            flow.nodes.push(NodeBox { id: source.to_owned(), kind: "engine".to_owned(), settings: Vec::new() });
            flow.nodes.len() - 1
        });
        flow.edges.push(Edge {
            from,
            to,
            output: name.to_owned(),
            class: Class::Data,
            title: format!("{source} to {name}"),
        });
        return;
    };
    let Some(from) = nodes.iter().position(|n| n.id_text() == Some(from)) else { return };
    let spec = |node: usize| nodes[node].kind().and_then(|kind| specs.iter().find(|s| s.name == kind));
    let sides = [spec(to).and_then(|s| s.input(name)), spec(from).and_then(|s| s.output(output))];
    let class = if sides.iter().flatten().any(|e| e.feedback) {
        Class::Feedback
    } else if sides.iter().flatten().any(|e| e.schemas == REPORT_TABLES) {
        Class::Report
    } else {
        Class::Data
    };
    let title = format!("{source} to {}/{name}", flow.nodes[to].id);
    flow.edges.push(Edge { from, to, output: output.to_owned(), class, title });
}

#[cfg(test)]
mod tests;
