//! The dataflow under check: its nodes with their descriptions, and the links between them.

use copl_contract::NodeSpec;

use crate::dataflow::diagnostic::Place;
use crate::dataflow::document::{Document, Input, Item, Node};

/// Keys that give a node a program in place of `path`.
pub(super) const PROGRAMS: [&str; 5] = ["operator", "operators", "ros2", "hub", "module"];

/// A node with its description; foreign nodes and nodes of an unknown kind have none.
pub(super) struct Seen<'a> {
    pub(super) node: Node<'a>,
    pub(super) spec: Option<&'a NodeSpec>,
}

impl<'a> Seen<'a> {
    /// Its id as messages show it.
    pub(super) fn label(&self) -> &'a str {
        self.node.id_text().unwrap_or("(no id)")
    }

    /// The text of one of its keys.
    pub(super) fn text(&self, key: &str) -> Option<&'a str> {
        self.node.0.get(key)?.text()
    }

    /// The place of one of its keys, or of the node where it lacks the key.
    pub(super) fn at_key(&self, key: &str) -> &'a Place {
        self.node.0.entry(key).map_or_else(|| self.node.place(), |(key, _)| &key.place)
    }

    /// A setting: its name and value.
    pub(super) fn variable(&self, key: &str) -> Option<(&'a Item, &'a str)> {
        let (_, value) = self.node.env().iter().find(|(k, _)| k.text() == Some(key))?;
        Some((value, value.text()?))
    }

    /// The value a setting has, given or by default, with its place. None where the node has no such setting, or its value
    /// is known only at the start of a run or is no whole number.
    pub(super) fn whole_number(&self, key: &str) -> Option<(usize, &'a Place)> {
        let setting = self.spec?.settings.iter().find(|s| s.key == key)?;
        match self.variable(key) {
            Some((item, text)) => Some((text.trim().parse().ok()?, &item.place)),
            None => Some((setting.default_in(&self.node.settings())?.parse().ok()?, self.node.place())),
        }
    }

    /// Whether it has inputs and outputs that only dora knows of: those of operators, of a hub's or a module's nodes.
    pub(super) fn has_inner(&self) -> bool {
        PROGRAMS.iter().any(|key| self.node.0.get(key).is_some())
    }
}

/// The dataflow under check.
pub(super) struct Flow<'a> {
    pub(super) document: &'a Document,
    pub(super) specs: &'a [NodeSpec],
    pub(super) nodes: Vec<Seen<'a>>,
}

/// An input that reads an output of a node of the dataflow.
pub(super) struct Link<'a> {
    /// Index of the node that is read.
    pub(super) from: usize,
    /// Name of its output.
    pub(super) output: &'a str,
    /// Index of the reader.
    pub(super) to: usize,
    pub(super) input: Input<'a>,
}

impl Link<'_> {
    /// The input's name.
    pub(super) fn name(&self) -> &str {
        self.input.name.text().unwrap_or_default()
    }

    /// Where its source stands.
    pub(super) fn place(&self) -> &Place {
        &self.input.source().unwrap_or(self.input.name).place
    }
}

impl<'a> Flow<'a> {
    pub(super) fn new(document: &'a Document, specs: &'a [NodeSpec]) -> Self {
        let spec = |node: Node<'_>| node.kind().and_then(|kind| specs.iter().find(|s| s.name == kind));
        let nodes = document.nodes().into_iter().map(|node| Seen { node, spec: spec(node) }).collect();
        Self { document, specs, nodes }
    }

    /// Index of the node of this id.
    pub(super) fn index(&self, id: &str) -> Option<usize> {
        self.nodes.iter().position(|s| s.node.id_text() == Some(id))
    }

    /// Every input that names a node of the dataflow, whether or not that has the output.
    pub(super) fn links(&self) -> Vec<Link<'a>> {
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
