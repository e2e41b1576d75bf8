//! Keys and options. dora passes over an input option it does not know in silence, and names no line for the rest.

use super::flow::Flow;
use crate::dataflow::diagnostic::Diagnostic;
use crate::dataflow::document::{Input, Item};

/// `struct Descriptor` of dora-message 1.1.
const TOP: [&str; 8] = [
    "nodes",
    "env",
    "debug",
    "deploy",
    "health_check_interval",
    "strict_types",
    "exit_when_nodes_finish",
    "type_rules",
];

/// `struct Node` of dora-message 1.1.
const NODE: [&str; 41] = [
    "id",
    "path",
    "args",
    "env",
    "inputs",
    "outputs",
    "name",
    "description",
    "path_sha256",
    "operators",
    "operator",
    "ros2",
    "output_types",
    "output_framing",
    "input_types",
    "output_metadata",
    "pattern",
    "send_stdout_as",
    "send_logs_as",
    "min_log_level",
    "max_log_size",
    "max_rotated_files",
    "build",
    "git",
    "hub",
    "branch",
    "tag",
    "rev",
    "restart_policy",
    "shared_memory_pool_size",
    "max_restarts",
    "restart_delay",
    "max_restart_delay",
    "restart_window",
    "health_check_timeout",
    "finish_grace_secs",
    "module",
    "params",
    "cpu_affinity",
    "deploy",
    "startup_timeout",
];

/// `enum InputDef` of dora-message 1.1.
const INPUT: [&str; 4] = ["source", "queue_size", "queue_policy", "input_timeout"];

/// `enum RestartPolicy` of dora-message 1.1.
const RESTARTS: [&str; 3] = ["never", "on-failure", "always"];

const POLICIES: [&str; 2] = ["drop_oldest", "backpressure"];

pub(super) fn check(flow: &Flow<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    unknown(&flow.document.root, &TOP, "a dataflow", &mut found);
    for seen in &flow.nodes {
        unknown(seen.node.0, &NODE, "a node", &mut found);
        values(seen.node.0, &mut found);
        for input in seen.node.inputs() {
            unknown(input.value, &INPUT, "an input", &mut found);
            options(input, &mut found);
        }
    }
    found
}

fn unknown(map: &Item, known: &[&str], what: &str, found: &mut Vec<Diagnostic>) {
    for (key, text) in map.entries().iter().filter_map(|(k, _)| Some((k, k.text()?))) {
        if !known.contains(&text) {
            found.push(
                Diagnostic::error(&key.place, format!("{what} has no key `{text}`"))
                    .nearest(text, known.iter().copied()),
            );
        }
    }
}

/// What is wrong with the value of a key, and the value.
fn wrong<'a>(map: &'a Item, key: &str, is_good: fn(&str) -> bool, expected: &str) -> Option<(Diagnostic, &'a str)> {
    let (name, value) = map.entry(key)?;
    match value.text() {
        Some(text) if is_good(text) => None,
        Some(text) => Some((Diagnostic::error(&value.place, format!("{key}: `{text}` is no {expected}")), text)),
        None => Some((Diagnostic::error(&name.place, format!("{key}: a {expected} is expected")), "")),
    }
}

/// Values of a node's keys that dora reads, and refuses without a line.
fn values(node: &Item, found: &mut Vec<Diagnostic>) {
    let size = wrong(node, "shared_memory_pool_size", is_size, "size such as 64MB");
    let policy = wrong(node, "restart_policy", |t| RESTARTS.contains(&t), "restart policy");
    let count = wrong(node, "max_restarts", |t| t.parse::<u32>().is_ok(), "whole number");
    found.extend(size.into_iter().chain(count).map(|(d, _)| d));
    found.extend(policy.map(|(d, text)| d.nearest(text, RESTARTS)));
    for key in ["restart_delay", "max_restart_delay", "restart_window", "health_check_timeout", "startup_timeout"] {
        found.extend(wrong(node, key, is_amount, "number of seconds").map(|(d, _)| d));
    }
}

fn is_amount(text: &str) -> bool {
    text.parse::<f64>().is_ok_and(|number| number.is_finite() && number >= 0.0)
}

/// A number of bytes as dora has it; without a unit a whole one.
fn is_size(text: &str) -> bool {
    let text = text.trim();
    let (number, unit) = text.split_at(text.find(char::is_alphabetic).unwrap_or(text.len()));
    match unit.to_uppercase().as_str() {
        "" => number.parse::<u64>().is_ok(),
        "B" | "K" | "KB" | "M" | "MB" | "G" | "GB" => is_amount(number.trim()),
        _ => false,
    }
}

fn options(input: Input<'_>, found: &mut Vec<Diagnostic>) {
    let wrong = |key: &str, is_good: fn(&str) -> bool, expected: &str| wrong(input.value, key, is_good, expected);
    let size = wrong("queue_size", |t| t.parse::<usize>().is_ok_and(|n| n > 0), "whole number above 0");
    let timeout = wrong(
        "input_timeout",
        |t| t.parse::<f64>().is_ok_and(|s| s.is_finite() && s > 0.0),
        "number of seconds above 0",
    );
    let policy = wrong("queue_policy", |t| POLICIES.contains(&t), "queue policy");
    found.extend(size.into_iter().chain(timeout).map(|(d, _)| d));
    found.extend(policy.map(|(d, text)| d.nearest(text, POLICIES)));
}
