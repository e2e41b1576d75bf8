//! Nodes: an id each, and a program to run.

use std::collections::HashMap;

use super::flow::{Flow, Seen};
use crate::dataflow::diagnostic::Diagnostic;

pub(super) fn check(flow: &Flow<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut first: HashMap<&str, usize> = HashMap::new();
    for seen in &flow.nodes {
        let place = seen.node.place();
        match seen.node.id_text() {
            None => found.push(Diagnostic::error(place, "a node without an id").help("add `id: NAME`")),
            Some(id) => {
                found.extend(wrong_id(id).map(|problem| Diagnostic::error(place, problem)));
                match first.get(id) {
                    Some(line) => {
                        let help = format!("the first is in line {line}; give this one another id");
                        found.push(Diagnostic::error(place, format!("two nodes have the id `{id}`")).help(help));
                    }
                    None => {
                        first.insert(id, place.line);
                    }
                }
            }
        }
        found.extend(program(flow, seen));
    }
    found
}

/// As dora has it; there an id becomes part of a path.
fn wrong_id(id: &str) -> Option<String> {
    let is_odd = |c: &char| !c.is_ascii_alphanumeric() && !['_', '-', '.'].contains(c);
    if id.is_empty() {
        Some("an id cannot be empty".to_owned())
    } else if id == "dora" {
        Some("the id `dora` is kept for dora's own sources (`dora/timer/…`)".to_owned())
    } else if id.starts_with('.') {
        Some(format!("the id `{id}` begins with a dot"))
    } else {
        id.chars()
            .find(is_odd)
            .map(|c| format!("the id `{id}` holds `{c}`; letters, digits, `_`, `-` and `.` can be used"))
    }
}

/// A slip in `copl`: another program would hardly be called so and run a node of ours.
fn almost_ours(flow: &Flow<'_>, seen: &Seen<'_>) -> Option<Diagnostic> {
    let (path, args) = (seen.node.0.get("path")?, seen.text("args")?);
    let name = path.text()?;
    copl_contract::settings::nearest(name, ["copl"])?;
    let mut words = args.split_whitespace();
    let is_node =
        words.next() == Some("node") && words.next().is_some_and(|kind| flow.specs.iter().any(|s| s.name == kind));
    is_node.then(|| {
        Diagnostic::error(&path.place, format!("`{name}` is no program that runs `{args}`"))
            .help("did you mean `copl`?")
    })
}

fn program(flow: &Flow<'_>, seen: &Seen<'_>) -> Option<Diagnostic> {
    let names = flow.specs.iter().map(|s| s.name);
    let form = || format!("write `args: node NAME`; nodes: {}", names.clone().collect::<Vec<_>>().join(", "));
    let Some(path) = seen.node.0.get("path") else {
        let missing = Diagnostic::error(seen.node.place(), format!("node `{}` has no `path`", seen.label()));
        return (!seen.has_inner())
            .then(|| missing.help("write `path: copl` and `args: node NAME` for a node of this program"));
    };
    if !seen.node.is_ours() {
        return almost_ours(flow, seen);
    }
    let Some(args) = seen.node.0.get("args") else {
        return Some(Diagnostic::error(&path.place, "`path: copl` without `args: node NAME`").help(form()));
    };
    let text = args.text()?;
    let Some(kind) = seen.node.kind() else {
        return Some(Diagnostic::error(&args.place, format!("`{text}` names no node")).help(form()));
    };
    if !flow.specs.iter().any(|s| s.name == kind) {
        return Some(Diagnostic::error(&args.place, format!("there is no node `{kind}`")).nearest(kind, names));
    }
    let extra = text.split_whitespace().nth(2)?;
    let message = format!("`{extra}` after the node's name");
    Some(Diagnostic::error(&args.place, message).help("a node takes its settings from `env:`"))
}
