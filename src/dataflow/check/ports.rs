//! Inputs and outputs of each node, against what the node has and needs.

use copl_contract::{EdgeSpec, NodeSpec};

use super::flow::{Flow, Seen};
use crate::dataflow::diagnostic::Diagnostic;

pub(super) fn check(flow: &Flow<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for seen in &flow.nodes {
        let outputs = seen.node.outputs();
        for (i, output) in outputs.iter().enumerate() {
            if outputs.iter().take(i).any(|o| o.text() == output.text()) {
                let message = format!("the output `{}` is declared twice", output.text().unwrap_or_default());
                found.push(Diagnostic::warning(&output.place, message));
            }
        }
        if let Some(spec) = seen.spec {
            names(seen, spec, &mut found);
            inputs(flow, seen, spec, &mut found);
            outputs_needed(seen, spec, &mut found);
            useless(seen, spec, &mut found);
        }
    }
    found
}

fn names(seen: &Seen<'_>, spec: &NodeSpec, found: &mut Vec<Diagnostic>) {
    for input in seen.node.inputs() {
        let name = input.name.text().unwrap_or_default();
        if spec.input(name).is_none() {
            let message = format!("{} has no input `{name}`", spec.name);
            found.push(Diagnostic::error(&input.name.place, message).nearest(name, spec.inputs.iter().map(|e| e.name)));
        }
    }
    // dora itself sends these, where they are wanted.
    let logs = [seen.text("send_stdout_as"), seen.text("send_logs_as")];
    for output in seen.node.outputs().iter().filter(|o| !logs.contains(&o.text())) {
        let name = output.text().unwrap_or_default();
        if spec.output(name).is_none() {
            let message = format!("{} has no output `{name}`", spec.name);
            found.push(Diagnostic::error(&output.place, message).nearest(name, spec.outputs.iter().map(|e| e.name)));
        }
    }
}

fn inputs(flow: &Flow<'_>, seen: &Seen<'_>, spec: &NodeSpec, found: &mut Vec<Diagnostic>) {
    let connected = seen.node.inputs();
    let answers = |edge: &EdgeSpec| connected.iter().any(|i| i.name.text().is_some_and(|name| edge.answers_to(name)));
    for edge in spec.inputs.iter().filter(|e| is_needed(seen, spec, e) && !answers(e)) {
        let (name, label, place) = (edge.name, seen.label(), seen.at_key("inputs"));
        let source = source(flow, edge).unwrap_or_else(|| "NODE/OUTPUT".to_owned());
        let connect = format!("connect `{name}: {{ source: {source}, queue_size: NUMBER }}`");
        let bounds = edge.feedback && spec.settings.iter().any(|s| s.key == "WINDOW");
        found.push(if bounds {
            let why = format!("`{label}` sends WINDOW clips and then waits for credits, without which the run stalls");
            Diagnostic::error(
                place,
                format!("a cycle without credits: the input `{name}` of `{label}` is not connected"),
            )
            .help(format!("{connect}: {why}"))
        } else {
            Diagnostic::error(place, format!("the input `{name}` of `{label}` is not connected{}", because(edge)))
                .help(format!("{connect}: {}", edge.meaning))
        });
    }
}

fn outputs_needed(seen: &Seen<'_>, spec: &NodeSpec, found: &mut Vec<Diagnostic>) {
    let answers =
        |edge: &EdgeSpec| seen.node.outputs().iter().any(|o| o.text().is_some_and(|name| edge.answers_to(name)));
    for edge in spec.outputs.iter().filter(|e| is_needed(seen, spec, e) && !answers(e)) {
        let message = format!("`{}` does not declare its output `{}`{}", seen.label(), edge.name, because(edge));
        let help = format!("add `{}` to `outputs`: {}", edge.name, edge.meaning);
        found.push(Diagnostic::error(seen.at_key("outputs"), message).help(help));
    }
}

/// Whether a node cannot do without an edge.
fn is_needed(seen: &Seen<'_>, spec: &NodeSpec, edge: &EdgeSpec) -> bool {
    !edge.optional || (edge.with.is_some() && spec.uses(edge, &seen.node.settings()))
}

/// The setting that makes an edge needed.
fn because(edge: &EdgeSpec) -> String {
    edge.with.map_or_else(String::new, |(key, value)| format!(", which {key}: {value} needs"))
}

/// Edges that are connected though a setting has no use for them: what stands behind them would wait for ever.
fn useless(seen: &Seen<'_>, spec: &NodeSpec, found: &mut Vec<Diagnostic>) {
    let env = seen.node.settings();
    let inputs = seen.node.inputs().into_iter().map(|i| (i.name, spec.inputs.as_slice()));
    let outputs = seen.node.outputs().iter().map(|o| (o, spec.outputs.as_slice()));
    for (item, edges) in inputs.chain(outputs) {
        let edge = item.text().and_then(|name| edges.iter().find(|e| e.answers_to(name)));
        let Some((edge, (key, value))) = edge.and_then(|e| Some((e, e.with?))) else { continue };
        if !spec.uses(edge, &env) {
            let message = format!("`{}` has no use for `{}` unless {key} is {value}", seen.label(), edge.name);
            let help = format!("write `{key}: {value}`, or take the edge and the node behind it away");
            found.push(Diagnostic::error(&item.place, message).help(help));
        }
    }
}

/// An output of the dataflow all of whose messages an input takes.
fn source(flow: &Flow<'_>, edge: &EdgeSpec) -> Option<String> {
    flow.nodes.iter().find_map(|seen| {
        let fits = |e: &&EdgeSpec| e.schemas.iter().all(|s| edge.schemas.contains(s));
        let output = seen.spec?.outputs.iter().find(fits)?;
        Some(format!("{}/{}", seen.node.id_text()?, output.name))
    })
}
