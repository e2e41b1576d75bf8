//! Everything about a dataflow that can be refused before a process is started.
//!
//! One file a question: its [`shape`], [`keys`] that nobody knows, [`nodes`] and their kinds, their [`mod@env`] settings, their
//! [`ports`], the [`links`] between them, [`cycles`], whether the [`queues`] hold what is under way, whether the [`tensors`]
//! of a link have the same shape at both ends, and whether dataset and model are of one [`task`]. Nodes of other
//! programs (`path` other than `copl`) are checked for keys and links only.

mod cycles;
mod env;
mod keys;
mod links;
mod nodes;
mod ports;
mod queues;
mod shape;
mod task;
mod tensors;

use copl_contract::NodeSpec;

use super::diagnostic::{Diagnostic, Place};
use super::document::{Document, Input, Item, Node};
use super::overrides;

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

/// A node with its description; foreign nodes and nodes of an unknown kind have none.
struct Seen<'a> {
    node: Node<'a>,
    spec: Option<&'a NodeSpec>,
}

impl<'a> Seen<'a> {
    /// Its id as messages show it.
    fn label(&self) -> &'a str {
        self.node.id_text().unwrap_or("(no id)")
    }

    /// The text of one of its keys.
    fn text(&self, key: &str) -> Option<&'a str> {
        self.node.0.get(key)?.text()
    }

    /// The place of one of its keys, or of the node where it lacks the key.
    fn at_key(&self, key: &str) -> &'a Place {
        self.node.0.entry(key).map_or_else(|| self.node.place(), |(key, _)| &key.place)
    }

    /// A setting: its name and value.
    fn variable(&self, key: &str) -> Option<(&'a Item, &'a str)> {
        let (_, value) = self.node.env().iter().find(|(k, _)| k.text() == Some(key))?;
        Some((value, value.text()?))
    }

    /// The value a setting has, given or by default, with its place. None where the node has no such setting, or its value
    /// is known only at the start of a run or is no whole number.
    fn whole_number(&self, key: &str) -> Option<(usize, &'a Place)> {
        let setting = self.spec?.settings.iter().find(|s| s.key == key)?;
        match self.variable(key) {
            Some((item, text)) => Some((text.trim().parse().ok()?, &item.place)),
            None => Some((setting.default.as_ref()?.parse().ok()?, self.node.place())),
        }
    }

    /// Whether it has inputs and outputs that only dora knows of: those of operators, of a hub's or a module's nodes.
    fn has_inner(&self) -> bool {
        nodes::PROGRAMS.iter().any(|key| self.node.0.get(key).is_some())
    }
}

/// The dataflow under check.
struct Flow<'a> {
    document: &'a Document,
    specs: &'a [NodeSpec],
    nodes: Vec<Seen<'a>>,
}

/// An input that reads an output of a node of the dataflow.
struct Link<'a> {
    /// Index of the node that is read.
    from: usize,
    /// Name of its output.
    output: &'a str,
    /// Index of the reader.
    to: usize,
    input: Input<'a>,
}

impl Link<'_> {
    /// The input's name.
    fn name(&self) -> &str {
        self.input.name.text().unwrap_or_default()
    }

    /// Where its source stands.
    fn place(&self) -> &Place {
        &self.input.source().unwrap_or(self.input.name).place
    }
}

impl<'a> Flow<'a> {
    fn new(document: &'a Document, specs: &'a [NodeSpec]) -> Self {
        let spec = |node: Node<'_>| node.kind().and_then(|kind| specs.iter().find(|s| s.name == kind));
        let nodes = document.nodes().into_iter().map(|node| Seen { node, spec: spec(node) }).collect();
        Self { document, specs, nodes }
    }

    /// Index of the node of this id.
    fn index(&self, id: &str) -> Option<usize> {
        self.nodes.iter().position(|s| s.node.id_text() == Some(id))
    }

    /// Every input that names a node of the dataflow, whether or not that has the output.
    fn links(&self) -> Vec<Link<'a>> {
        let inputs =
            self.nodes.iter().enumerate().flat_map(|(to, seen)| seen.node.inputs().into_iter().map(move |i| (to, i)));
        inputs
            .filter_map(|(to, input)| {
                let (node, output) = input.from()?;
                Some(Link { from: self.index(node)?, output, to, input })
            })
            .collect()
    }
}
