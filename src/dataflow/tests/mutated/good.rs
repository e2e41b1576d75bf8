//! A shipped dataflow, and changes to it at places that are known.

use super::super::super::diagnostic::Place;
use super::super::super::document::{Document, Input, Item, Node};

/// A dataflow as it is shipped.
pub(super) struct Good {
    pub(super) file: String,
    pub(super) text: String,
    pub(super) document: Document,
}

/// What a mistake is made in.
pub(super) struct Inside<'a> {
    pub(super) node: Node<'a>,
    pub(super) id: &'a str,
}

impl Good {
    /// All shipped dataflows, in the order of their names.
    pub(super) fn all() -> Vec<Self> {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("dataflows");
        let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.extension().is_some_and(|end| end == "yml"));
        paths.sort();
        let read = |path: std::path::PathBuf| {
            let text = std::fs::read_to_string(&path).unwrap();
            let file = path.file_name().unwrap().to_string_lossy().into_owned();
            Self { document: Document::parse(&file, &text).unwrap(), file, text }
        };
        paths.into_iter().map(read).collect()
    }

    pub(super) fn nodes(&self) -> Vec<Inside<'_>> {
        self.document.nodes().into_iter().map(|node| Inside { node, id: node.id_text().unwrap() }).collect()
    }

    /// Every input of every node, with the node.
    pub(super) fn inputs(&self) -> Vec<(Node<'_>, Input<'_>)> {
        self.document.nodes().into_iter().flat_map(|n| n.inputs().into_iter().map(move |i| (n, i))).collect()
    }

    /// Every setting, with its node: name and value.
    pub(super) fn settings(&self) -> Vec<(Node<'_>, &Item, &Item)> {
        self.document.nodes().into_iter().flat_map(|n| n.env().iter().map(move |(k, v)| (n, k, v))).collect()
    }

    fn lines(&self) -> Vec<String> {
        self.text.lines().map(str::to_owned).collect()
    }

    fn joined(lines: &[String]) -> String {
        lines.iter().map(|line| format!("{line}\n")).collect()
    }

    /// The text with what stands at `place`, which must be `old`, replaced.
    pub(super) fn replaced(&self, place: &Place, old: &str, new: &str) -> String {
        self.rewritten(place.line, |line| {
            let start = line.char_indices().nth(place.column - 1).map_or(line.len(), |(at, _)| at);
            assert_eq!(line.get(start..start + old.len()), Some(old), "{}:{}", self.file, place.line);
            format!("{}{new}{}", &line[..start], &line[start + old.len()..])
        })
    }

    /// The text with one line rewritten.
    pub(super) fn rewritten(&self, line: usize, change: impl FnOnce(&str) -> String) -> String {
        let mut lines = self.lines();
        lines[line - 1] = change(&lines[line - 1]);
        Self::joined(&lines)
    }

    /// The text without some lines.
    pub(super) fn without(&self, gone: std::ops::RangeInclusive<usize>) -> String {
        let kept: Vec<String> =
            self.lines().into_iter().enumerate().filter(|(i, _)| !gone.contains(&(i + 1))).map(|(_, l)| l).collect();
        Self::joined(&kept)
    }

    /// The text with further lines behind a line.
    pub(super) fn with_behind(&self, line: usize, more: &[String]) -> String {
        let mut lines = self.lines();
        lines.splice(line..line, more.iter().cloned());
        Self::joined(&lines)
    }

    pub(super) fn line(&self, number: usize) -> String {
        self.lines()[number - 1].clone()
    }

    /// First and last line of a node, without the empty lines and comments behind it.
    pub(super) fn extent(&self, node: Node<'_>) -> std::ops::RangeInclusive<usize> {
        let first = node.place().line;
        let next = self.document.nodes().iter().map(|n| n.place().line).filter(|l| *l > first).min();
        let lines = self.lines();
        let end = next.map_or(lines.len(), |next| next - 1);
        let is_part = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
        let last = (first..=end).rev().find(|l| is_part(&lines[l - 1])).unwrap();
        first..=last
    }

    /// Lines of the inputs that read a node, or one of its outputs.
    pub(super) fn readers(&self, node: &str, output: Option<&str>) -> Vec<usize> {
        let reads = |input: &Input<'_>| {
            input.from().is_some_and(|(from, name)| from == node && output.is_none_or(|output| output == name))
        };
        self.inputs().iter().filter(|(_, i)| reads(i)).map(|(_, i)| i.name.place.line).collect()
    }

    /// The line of a node's key, or the node's own.
    pub(super) fn key_line(node: Node<'_>, key: &str) -> usize {
        node.0.entry(key).map_or(node.place().line, |(key, _)| key.place.line)
    }
}
