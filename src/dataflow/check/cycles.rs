//! Cycles. A node waits for all inputs that are no feedback to end; a cycle of such inputs never ends.

use std::collections::VecDeque;

use super::flow::{Flow, Link};
use crate::dataflow::diagnostic::Diagnostic;

pub(super) fn check(flow: &Flow<'_>) -> Vec<Diagnostic> {
    let links: Vec<Link<'_>> = flow.links().into_iter().filter(|l| !is_feedback(flow, l)).collect();
    let mut told: Vec<usize> = Vec::new();
    let mut found = Vec::new();
    for start in 0..flow.nodes.len() {
        if told.contains(&start) {
            continue;
        }
        let Some(cycle) = shortest(&links, start, flow.nodes.len()) else { continue };
        told.extend(cycle.iter().map(|l| l.to));
        found.extend(tell(flow, &cycle));
    }
    found
}

fn is_feedback(flow: &Flow<'_>, link: &Link<'_>) -> bool {
    let spec = flow.nodes.get(link.to).and_then(|seen| seen.spec);
    spec.and_then(|spec| spec.input(link.name())).is_some_and(|edge| edge.feedback)
}

/// The shortest way from a node back to itself.
fn shortest<'l, 'a>(links: &'l [Link<'a>], start: usize, nodes: usize) -> Option<Vec<&'l Link<'a>>> {
    let mut came: Vec<Option<&Link<'a>>> = (0..nodes).map(|_| None).collect();
    let mut queue = VecDeque::from([start]);
    while let Some(node) = queue.pop_front() {
        for link in links.iter().filter(|l| l.from == node) {
            let reached = came.get_mut(link.to)?;
            if reached.is_none() {
                *reached = Some(link);
                queue.push_back(link.to);
            }
        }
    }
    let mut way = Vec::new();
    let mut node = start;
    loop {
        let link = (*came.get(node)?)?;
        way.push(link);
        node = link.from;
        if node == start {
            way.reverse();
            return Some(way);
        }
    }
}

fn tell(flow: &Flow<'_>, cycle: &[&Link<'_>]) -> Option<Diagnostic> {
    let label = |i: usize| flow.nodes.get(i).map_or("?", |s| s.label());
    let last = cycle.last()?;
    let names: Vec<&str> = cycle.iter().map(|l| label(l.from)).chain([label(last.to)]).collect();
    let names = names.join(" -> ");
    // What a node of another program does with its inputs is not known here.
    if cycle.iter().any(|l| flow.nodes.get(l.to).is_some_and(|s| s.spec.is_none())) {
        let help = "one node of the cycle must not wait for its input to end";
        return Some(Diagnostic::warning(last.place(), format!("a cycle: {names}")).help(help));
    }
    let help = "each of these nodes waits for the one before it to end; only feedback inputs (credits, gradients) may close a cycle";
    Some(Diagnostic::error(last.place(), format!("a cycle without feedback: {names}")).help(help))
}
