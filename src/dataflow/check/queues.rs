//! Queues: dora drops the oldest message of a full queue, so every queue must hold all clips under way, and the
//! boundaries between them.

use copl_contract::EdgeSpec;
use copl_contract::credits::BOUNDARIES;

use super::flow::{Flow, Link, Seen};
use crate::dataflow::diagnostic::{Diagnostic, Place};
use crate::dataflow::document::{Input, Item};

/// dora's queue where no size is given.
const DEFAULT_SIZE: usize = 10;

/// The node that bounds the clips under way.
struct Source<'a> {
    label: &'a str,
    window: usize,
    place: &'a Place,
}

pub(super) fn check(flow: &Flow<'_>) -> Vec<Diagnostic> {
    let sources = flow.nodes.iter().filter_map(|seen| {
        let (window, place) = seen.whole_number("WINDOW")?;
        Some(Source { label: seen.label(), window, place })
    });
    let sources: Vec<Source<'_>> = sources.collect();
    let mut found = batches(flow, &sources);
    if let Some(source) = sources.iter().max_by_key(|s| s.window) {
        found.extend(flow.links().iter().filter_map(|link| queue(flow, link, source)));
    }
    found
}

/// A batch that is never full stalls the run: its clips wait for it, and no credit comes back for more.
fn batches(flow: &Flow<'_>, sources: &[Source<'_>]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for seen in &flow.nodes {
        let Some((batch, _)) = seen.whole_number("BATCH") else { continue };
        for Source { label, window, place } in sources.iter().filter(|s| s.window < batch) {
            let model = seen.label();
            let message = format!(
                "WINDOW {window} of `{label}` is smaller than BATCH {batch} of `{model}`: the run would stall, waiting for a full batch"
            );
            found.push(
                Diagnostic::error(place, message)
                    .help(format!("set WINDOW to {batch} or more; twice as many keep all nodes at work")),
            );
        }
    }
    found
}

fn queue(flow: &Flow<'_>, link: &Link<'_>, source: &Source<'_>) -> Option<Diagnostic> {
    let (from, to) = (flow.nodes.get(link.from)?, flow.nodes.get(link.to)?);
    if from.spec.is_none() && to.spec.is_none() {
        return None;
    }
    let given = link.input.queue_size();
    // A size that is no number is refused with the keys.
    let size = given.map_or(Some(DEFAULT_SIZE), |item| item.text()?.parse().ok())?;
    let (window, label, name) = (source.window, source.label, link.name());
    let output = from.spec.and_then(|spec| spec.output(link.output));
    let (per_clip, per_boundary) = output.map_or((1, 1), |edge| edge.messages);
    let needed = window.saturating_mul(per_clip).saturating_add(BOUNDARIES * per_boundary);
    if let Some(messages) = exchange(from, to, link).filter(|n| *n > needed && holds(link.input, size) < *n) {
        let place = &given.unwrap_or(link.input.name).place;
        let message =
            format!("the input `{name}` may have {messages} messages waiting and holds {size}: one would be dropped");
        return Some(Diagnostic::error(place, message).help(format!("write `queue_size: {messages}` or more")));
    }
    if holds(link.input, size) >= needed {
        return None;
    }
    let has = match given {
        Some(_) => format!("queue_size {size} of the input `{name}`"),
        None => format!("the input `{name}` has no queue_size, and dora's {DEFAULT_SIZE}"),
    };
    let place = &given.unwrap_or(link.input.name).place;
    let times = match (per_clip, per_boundary) {
        (1, 1) => String::new(),
        _ => format!(", {per_clip} messages a clip and {per_boundary} a boundary"),
    };
    let message = format!(
        "{has} is less than WINDOW {window} of `{label}` and {BOUNDARIES} boundaries{times}: messages would be dropped"
    );
    // A node of another program may be one that wants the latest messages only.
    let found = if to.spec.is_some() { Diagnostic::error(place, message) } else { Diagnostic::warning(place, message) };
    Some(found.help(format!("write `queue_size: {needed}` or more: as many messages can wait here at once")))
}

/// Messages that may be under way on a link for another reason than the window's clips, as either end knows.
fn exchange(from: &Seen<'_>, to: &Seen<'_>, link: &Link<'_>) -> Option<usize> {
    let of = |seen: &Seen<'_>, edge: Option<&EdgeSpec>| edge?.holding?(&seen.node.settings());
    let given = of(from, from.spec.and_then(|spec| spec.output(link.output)));
    given.max(of(to, to.spec.and_then(|spec| spec.input(link.name()))))
}

/// Messages a queue holds before it drops any, as dora has it.
fn holds(input: Input<'_>, size: usize) -> usize {
    let is_wide = input.value.get("queue_policy").and_then(Item::text) == Some("backpressure");
    if is_wide { size.saturating_mul(10).max(100) } else { size }
}
