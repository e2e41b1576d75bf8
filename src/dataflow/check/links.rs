//! Links: every source is an output of a node, carries what its reader takes, and every output is read.

use copl_contract::EdgeSpec;

use super::flow::{Flow, Link};
use crate::dataflow::diagnostic::Diagnostic;
use crate::dataflow::document::Item;

const UNITS: [&str; 5] = ["secs", "millis", "micros", "nanos", "hz"];

pub(super) fn check(flow: &Flow<'_>) -> Vec<Diagnostic> {
    let inputs = flow.nodes.iter().flat_map(|s| s.node.inputs());
    let mut found: Vec<Diagnostic> = inputs.filter_map(|input| source(flow, input.source()?)).collect();
    let links = flow.links();
    found.extend(links.iter().filter_map(|link| schemas(flow, link)));
    // What operators and the like read is not seen here.
    if !flow.nodes.iter().any(super::flow::Seen::has_inner) {
        found.extend(unread(flow, &links));
    }
    found
}

/// Every `node/output` that is declared.
fn declared(flow: &Flow<'_>) -> Vec<String> {
    let outputs = flow
        .nodes
        .iter()
        .flat_map(|s| s.node.outputs().iter().filter_map(|o| Some(format!("{}/{}", s.node.id_text()?, o.text()?))));
    outputs.collect()
}

fn source(flow: &Flow<'_>, item: &Item) -> Option<Diagnostic> {
    let text = item.text()?;
    let malformed = || Diagnostic::error(&item.place, format!("`{text}` is no source: NODE/OUTPUT is expected"));
    let Some((node, output)) = text.split_once('/') else {
        let all = declared(flow);
        let same = all.iter().find(|s| s.split('/').any(|part| part == text));
        return Some(match same {
            Some(source) => malformed().help(format!("did you mean `{source}`?")),
            None => malformed().nearest(text, all.iter().map(String::as_str)),
        });
    };
    if node == "dora" {
        return dora(item, output);
    }
    if node.is_empty() || output.is_empty() {
        return Some(malformed().nearest(text, declared(flow).iter().map(String::as_str)));
    }
    let Some(seen) = flow.index(node).and_then(|i| flow.nodes.get(i)) else {
        let ids = flow.nodes.iter().filter_map(|s| s.node.id_text());
        return Some(Diagnostic::error(&item.place, format!("the dataflow has no node `{node}`")).nearest(node, ids));
    };
    if seen.has_inner() || seen.node.outputs().iter().any(|o| o.text() == Some(output)) {
        return None;
    }
    let found = Diagnostic::error(&item.place, format!("node `{node}` declares no output `{output}`"));
    Some(if seen.spec.is_some_and(|s| s.output(output).is_some()) {
        found.help(format!("add `{output}` to the `outputs` of `{node}`"))
    } else {
        found.nearest(output, seen.node.outputs().iter().filter_map(Item::text))
    })
}

fn dora(item: &Item, rest: &str) -> Option<Diagnostic> {
    let parts: Vec<&str> = rest.split('/').collect();
    let is_good = match parts.as_slice() {
        ["logs", ..] => true,
        ["timer", "hz", number] => number.parse::<f64>().is_ok_and(|n| n.is_finite() && n > 0.0),
        ["timer", unit, number] => UNITS.contains(unit) && number.parse::<u64>().is_ok_and(|n| n > 0),
        _ => false,
    };
    let help = format!("write `dora/timer/UNIT/NUMBER`, UNIT one of {}", UNITS.join(", "));
    (!is_good).then(|| Diagnostic::error(&item.place, format!("`dora/{rest}` is no source of dora")).help(help))
}

fn carries(edge: &EdgeSpec, input: &EdgeSpec) -> bool {
    edge.schemas.iter().any(|s| input.schemas.contains(s))
}

fn schemas(flow: &Flow<'_>, link: &Link<'_>) -> Option<Diagnostic> {
    let (from, to) = (flow.nodes.get(link.from)?, flow.nodes.get(link.to)?);
    let output = from.spec?.output(link.output)?;
    let input = to.spec?.input(link.name())?;
    if carries(output, input) {
        return None;
    }
    let others = flow.nodes.iter().filter_map(|s| Some((s.label(), s.spec?, s.node.outputs())));
    let fitting = others.flat_map(|(label, spec, outputs)| {
        let names = outputs.iter().filter_map(Item::text);
        names.filter(|n| spec.output(n).is_some_and(|e| carries(e, input))).map(move |n| format!("{label}/{n}"))
    });
    let fitting: Vec<String> = fitting.collect();
    let names = |edge: &EdgeSpec| edge.schemas.iter().map(|s| s.name()).collect::<Vec<_>>().join(" or ");
    let message = format!(
        "`{}/{}` carries {}, but the input `{}` of `{}` takes {}",
        from.label(),
        link.output,
        names(output),
        link.name(),
        to.label(),
        names(input)
    );
    let found = Diagnostic::error(link.place(), message);
    Some(if fitting.is_empty() { found } else { found.help(format!("it could read {}", fitting.join(", "))) })
}

fn unread(flow: &Flow<'_>, links: &[Link<'_>]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (index, seen) in flow.nodes.iter().enumerate() {
        for (output, name) in seen.node.outputs().iter().filter_map(|o| Some((o, o.text()?))) {
            if links.iter().any(|l| l.from == index && l.output == name) {
                continue;
            }
            let message = format!("nobody reads `{}/{name}`", seen.label());
            found.extend(match seen.spec.map(|spec| spec.output(name)) {
                Some(Some(edge)) if !edge.optional => Some(
                    Diagnostic::error(&output.place, message).help(format!("connect it to an input: {}", edge.meaning)),
                ),
                // Neither kind of node nor output is known, and that is said elsewhere.
                Some(None) => None,
                None if seen.node.is_ours() => None,
                _ => Some(Diagnostic::warning(&output.place, message)),
            });
        }
    }
    found
}
