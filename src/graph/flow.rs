//! A dataflow as boxes and edges.

/// What an edge is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Clips and what becomes of them.
    Data,
    /// Credits and gradients, which flow back.
    Feedback,
    /// Rows for the report.
    Report,
}

/// A node.
#[derive(Clone, Debug)]
pub(super) struct NodeBox {
    pub(super) id: String,
    /// Kind of the node, or the program that runs it.
    pub(super) kind: String,
    /// The settings that tell most: key and value.
    pub(super) settings: Vec<(String, String)>,
}

/// From an output to an input.
#[derive(Clone, Debug)]
pub(super) struct Edge {
    /// Index of the sending node.
    pub(super) from: usize,
    /// Index of the receiving node.
    pub(super) to: usize,
    /// Name of the output.
    pub(super) output: String,
    pub(super) class: Class,
    /// Both ends in full.
    pub(super) title: String,
}

/// A dataflow.
#[derive(Clone, Debug, Default)]
pub(super) struct Flow {
    pub(super) nodes: Vec<NodeBox>,
    pub(super) edges: Vec<Edge>,
}

impl Flow {
    /// Makes feedback of every edge that closes a cycle and is not feedback by its description: what is left has an order.
    pub(super) fn break_cycles(&mut self) {
        let mut state = vec![Visit::Ahead; self.nodes.len()];
        for node in 0..self.nodes.len() {
            self.visit(node, &mut state);
        }
    }

    fn visit(&mut self, node: usize, state: &mut [Visit]) {
        if state[node] != Visit::Ahead {
            return;
        }
        state[node] = Visit::Open;
        for edge in 0..self.edges.len() {
            if self.edges[edge].from != node || self.edges[edge].class == Class::Feedback {
                continue;
            }
            let to = self.edges[edge].to;
            if state[to] == Visit::Open {
                self.edges[edge].class = Class::Feedback;
            } else {
                self.visit(to, state);
            }
        }
        state[node] = Visit::Done;
    }

    /// The edges of a class.
    pub(super) fn of(&self, class: Class) -> impl Iterator<Item = (usize, &Edge)> {
        self.edges.iter().enumerate().filter(move |(_, e)| e.class == class)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Visit {
    Ahead,
    Open,
    Done,
}
