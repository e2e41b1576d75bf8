//! A dataflow file as a tree that knows where each key and value stands, and a view of its nodes.

use std::rc::Rc;

use copl_contract::settings::Env;
use saphyr::{LoadableYamlNode, MarkedYaml, Marker, Scalar, YamlData};
use saphyr_parser::{Event, Parser};

use super::diagnostic::{Diagnostic, Place};
use super::unclosed::unclosed;

/// A value with its place.
#[derive(Clone, Debug)]
pub struct Item {
    /// Where it stands.
    pub place: Place,
    /// What it is.
    pub value: Value,
}

/// A YAML value. Scalars are kept as they are written.
#[derive(Clone, Debug)]
pub enum Value {
    /// Nothing after a key.
    Null,
    /// Text, number or truth value.
    Scalar(String),
    /// A list.
    Sequence(Vec<Item>),
    /// Keys with values, in order.
    Mapping(Vec<(Item, Item)>),
}

impl Item {
    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(text) => Some(text),
            _ => None,
        }
    }

    /// The entries of a mapping; none for anything else.
    pub fn entries(&self) -> &[(Item, Item)] {
        match &self.value {
            Value::Mapping(entries) => entries,
            _ => &[],
        }
    }

    /// The elements of a list; none for anything else.
    pub fn elements(&self) -> &[Item] {
        match &self.value {
            Value::Sequence(items) => items,
            _ => &[],
        }
    }

    /// Key and value of a mapping's entry.
    pub fn entry(&self, key: &str) -> Option<&(Item, Item)> {
        self.entries().iter().find(|(k, _)| k.text() == Some(key))
    }

    /// A mapping's value.
    pub fn get(&self, key: &str) -> Option<&Item> {
        self.entry(key).map(|(_, value)| value)
    }

    /// Name of the kind of value.
    pub fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Scalar(_) => "a single value",
            Value::Sequence(_) => "a list",
            Value::Mapping(_) => "a mapping",
        }
    }
}

/// Lists and mappings that may stand in each other; a dataflow has four. A tree of any depth would overflow the stack.
const DEEPEST: usize = 64;

/// Where a text nests deeper than [`DEEPEST`].
fn too_deep(text: &str) -> Option<Marker> {
    let mut depth = 0_usize;
    // What is no YAML from some place on is told by the reader of the whole.
    for (event, span) in Parser::new_from_str(text).map_while(Result::ok) {
        match event {
            Event::SequenceStart(..) | Event::MappingStart(..) => depth += 1,
            Event::SequenceEnd | Event::MappingEnd => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEEPEST {
            return Some(span.start);
        }
    }
    None
}

/// A dataflow file.
#[derive(Clone, Debug)]
pub struct Document {
    /// Name of the file.
    pub file: Rc<str>,
    /// The tree.
    pub root: Item,
}

impl Document {
    /// Parses a file's text.
    ///
    /// # Errors
    /// The place where it is no YAML, or where a key stands twice.
    pub fn parse(file: &str, text: &str) -> Result<Self, Vec<Diagnostic>> {
        let source = Source::new(file, text);
        if let Some(marker) = too_deep(text) {
            let problem = format!("lists and mappings stand in each other more than {DEEPEST} deep");
            return Err(vec![Diagnostic::error(&source.at(&marker, 1), problem)]);
        }
        let documents = MarkedYaml::load_from_str(text).map_err(|e| {
            let marker = e.marker();
            let place = source.place(marker.line(), marker.col() + 1, 1);
            vec![match e.info() {
                "duplicated key in mapping" => source.duplicate(&place),
                info => source.invalid(text, marker, &place, info),
            }]
        })?;
        let start = source.place(1, 1, 1);
        match documents.as_slice() {
            [] => Err(vec![Diagnostic::error(&start, "the file is empty: a dataflow has a list of `nodes`")]),
            [one] => Ok(Self { file: source.file.clone(), root: source.item(one) }),
            [_, more, ..] => Err(vec![Diagnostic::error(
                &source.at(&more.span.start, 1),
                "a dataflow is one YAML document, here a second begins",
            )]),
        }
    }

    /// The nodes, as far as they are mappings.
    pub fn nodes(&self) -> Vec<Node<'_>> {
        let nodes = self.root.get("nodes").map(Item::elements).unwrap_or_default();
        nodes.iter().filter(|n| matches!(n.value, Value::Mapping(_))).map(Node).collect()
    }
}

/// A node of a dataflow.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a>(pub &'a Item);

impl<'a> Node<'a> {
    /// Its id.
    pub fn id(self) -> Option<&'a Item> {
        self.0.get("id")
    }

    /// Its id as text.
    pub fn id_text(self) -> Option<&'a str> {
        self.id()?.text()
    }

    /// Whether the program that runs it is this one.
    pub fn is_ours(self) -> bool {
        self.0.get("path").and_then(Item::text) == Some("copl")
    }

    /// The kind of a node of ours: NAME of `args: node NAME`.
    pub fn kind(self) -> Option<&'a str> {
        let args = self.0.get("args")?.text()?;
        let mut words = args.split_whitespace();
        let kind = (words.next()? == "node").then(|| words.next()).flatten();
        if self.is_ours() { kind } else { None }
    }

    /// What runs it, for people: its kind, or the program's path.
    pub fn program(self) -> &'a str {
        self.kind().or_else(|| self.0.get("path").and_then(Item::text)).unwrap_or("?")
    }

    /// Its settings: key and value.
    pub fn env(self) -> &'a [(Item, Item)] {
        self.0.get("env").map(Item::entries).unwrap_or_default()
    }

    /// Its settings that are texts: key and value, in the file's order.
    pub fn variables(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.env().iter().filter_map(|(key, value)| Some((key.text()?, value.text()?)))
    }

    /// Its settings as it reads them.
    pub fn settings(self) -> Env {
        self.variables().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    /// Its inputs.
    pub fn inputs(self) -> Vec<Input<'a>> {
        let inputs = self.0.get("inputs").map(Item::entries).unwrap_or_default();
        inputs.iter().map(|(name, value)| Input { name, value }).collect()
    }

    /// Its outputs.
    pub fn outputs(self) -> &'a [Item] {
        self.0.get("outputs").map(Item::elements).unwrap_or_default()
    }

    /// Where to point at when the node as a whole is meant.
    pub fn place(self) -> &'a Place {
        &self.id().unwrap_or(self.0).place
    }
}

/// An input of a node: `name: node/output`, or a mapping with `source` and options.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// Its name.
    pub name: &'a Item,
    /// All that stands after the name.
    pub value: &'a Item,
}

impl<'a> Input<'a> {
    /// Where its messages come from.
    pub fn source(self) -> Option<&'a Item> {
        match self.value.value {
            Value::Scalar(_) => Some(self.value),
            _ => self.value.get("source"),
        }
    }

    /// Node and output its messages come from; none for dora's own sources.
    pub fn from(self) -> Option<(&'a str, &'a str)> {
        self.source()?.text()?.split_once('/').filter(|(node, _)| *node != "dora")
    }

    /// Messages its queue holds, if the dataflow says.
    pub fn queue_size(self) -> Option<&'a Item> {
        self.value.get("queue_size")
    }
}

/// The text that positions refer to.
struct Source {
    file: Rc<str>,
    characters: Vec<char>,
    lines: Vec<Rc<str>>,
}

impl Source {
    fn new(file: &str, text: &str) -> Self {
        Self { file: file.into(), characters: text.chars().collect(), lines: text.lines().map(Rc::from).collect() }
    }

    fn place(&self, line: usize, column: usize, width: usize) -> Place {
        let line = line.clamp(1, self.lines.len().max(1));
        let text = self.lines.get(line - 1).cloned().unwrap_or_default();
        let room = (text.chars().count() + 1).saturating_sub(column).max(1);
        Place { file: self.file.clone(), line, column, width: width.clamp(1, room), text }
    }

    fn at(&self, start: &Marker, width: usize) -> Place {
        self.place(start.line(), start.col() + 1, width)
    }

    /// The parser points at the key that stands there for the second time.
    fn duplicate(&self, place: &Place) -> Diagnostic {
        let rest: String = place.text.chars().skip(place.column - 1).collect();
        let key = rest.split([':', ' ']).next().unwrap_or_default();
        let place = self.place(place.line, place.column, key.chars().count());
        Diagnostic::error(&place, format!("the key `{key}` stands twice in one mapping"))
    }

    /// Where a bracket or quote that opens on an earlier line is never closed, that is what there is to mend.
    fn invalid(&self, text: &str, marker: &Marker, place: &Place, info: &str) -> Diagnostic {
        // The parser points at what stands before a tab.
        let indented = |line: &str| line.find('\t').filter(|at| line[..*at].trim().is_empty());
        let tab = self.lines.iter().enumerate().skip(place.line - 1).find_map(|(i, line)| Some((i, indented(line)?)));
        if let Some((line, column)) = tab.filter(|_| info.contains("tab")) {
            let place = self.place(line + 1, column + 1, 1);
            return Diagnostic::error(&place, "not valid YAML: lines are indented with blanks, this one with a tab");
        }
        match unclosed(text, marker.index()) {
            Some((open, line, column)) if line < place.line => {
                let place = self.place(line, column, 1);
                Diagnostic::error(&place, format!("not valid YAML: this `{open}` is not closed"))
            }
            _ => Diagnostic::error(place, format!("not valid YAML: {info}")),
        }
    }

    fn item(&self, node: &MarkedYaml<'_>) -> Item {
        let (start, end) = (&node.span.start, &node.span.end);
        let written: String = self
            .characters
            .get(start.index()..end.index())
            .unwrap_or_default()
            .iter()
            .collect::<String>()
            .trim_end()
            .to_owned();
        let value = self.value(node, &written);
        let width = match &value {
            Value::Scalar(_) => written.lines().next().map_or(1, |l| l.chars().count()),
            _ => 1,
        };
        Item { place: self.at(start, width), value }
    }

    fn value(&self, node: &MarkedYaml<'_>, written: &str) -> Value {
        match &node.data {
            YamlData::Value(Scalar::String(text)) | YamlData::Representation(text, ..) => {
                Value::Scalar(text.to_string())
            }
            YamlData::Value(Scalar::Null) => Value::Null,
            // What is written of an alias, an anchored or a tagged value is not the value alone.
            YamlData::Value(scalar) if written.starts_with(['*', '&', '!']) => match scalar {
                Scalar::Integer(number) => Value::Scalar(number.to_string()),
                Scalar::FloatingPoint(number) => Value::Scalar(number.to_string()),
                _ => Value::Scalar(scalar.as_bool().unwrap_or_default().to_string()),
            },
            YamlData::Value(_) => Value::Scalar(written.to_owned()),
            YamlData::Sequence(items) => Value::Sequence(items.iter().map(|i| self.item(i)).collect()),
            YamlData::Mapping(entries) => {
                Value::Mapping(entries.iter().map(|(k, v)| (self.item(k), self.item(v))).collect())
            }
            YamlData::Tagged(_, inner) => self.value(inner, written),
            YamlData::Alias(_) | YamlData::BadValue => Value::Null,
        }
    }
}
