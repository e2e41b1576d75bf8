//! Everything about a dataflow that can be refused before a process is started.
//!
//! One file a question: its [`shape`], [`keys`] that nobody knows, [`nodes`] and their kinds, their [`mod@env`] settings, their
//! [`ports`], the [`links`] between them, [`cycles`], whether the [`queues`] hold what is under way, whether the [`tensors`]
//! of a link have the same shape at both ends, and whether dataset and model are of one [`task`]. Nodes of other
//! programs (`path` other than `copl`) are checked for keys and links only.

mod cycles;
mod env;
mod flow;
mod keys;
mod links;
mod nodes;
mod ports;
mod queues;
mod shape;
mod task;
mod tensors;

use copl_contract::NodeSpec;

use super::diagnostic::Diagnostic;
use super::document::Document;
use super::overrides;
use flow::Flow;

/// Checks a dataflow with its changes against the nodes this program holds; findings in the order of the file.
pub fn check(file: &str, text: &str, overrides: &[String], specs: &[NodeSpec]) -> Vec<Diagnostic> {
    let mut document = match Document::parse(file, text) {
        Ok(document) => document,
        Err(found) => return found,
    };
    let changes = match overrides::parse_all(overrides) {
        Ok(changes) => changes,
        Err(found) => return found,
    };
    // Without its shape nothing more can be said of a dataflow.
    let wrong = shape::check(&document);
    if !wrong.is_empty() {
        return wrong;
    }
    let (mut found, _) = overrides::apply(&mut document, &changes);
    let flow = Flow::new(&document, specs);
    let parts: [fn(&Flow<'_>) -> Vec<Diagnostic>; 9] = [
        keys::check,
        nodes::check,
        env::check,
        ports::check,
        links::check,
        cycles::check,
        queues::check,
        tensors::check,
        task::check,
    ];
    for part in parts {
        found.extend(part(&flow));
    }
    found.sort_by_key(|d| (d.file != file, d.line, d.column));
    found.dedup();
    found
}
