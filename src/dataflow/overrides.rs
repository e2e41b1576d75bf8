//! `--set node.KEY=value`: changes to a dataflow's settings.

use std::rc::Rc;

use copl_contract::setting_choice;

use super::diagnostic::{Diagnostic, Place};
use super::document::{Document, Item, Value};
use crate::catalog;

/// A change of one setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// Node id.
    pub node: String,
    /// Name of the setting.
    pub key: String,
    /// Its value; empty unsets a setting that may be unset.
    pub value: String,
    text: Rc<str>,
}

impl Override {
    /// Reads `node.KEY=value`. An id may hold dots, a key may not.
    ///
    /// # Errors
    /// Where it has another form.
    pub fn parse(text: &str) -> Result<Self, Box<Diagnostic>> {
        let source: Rc<str> = text.into();
        let wrong = |column: usize, message: &str| {
            Box::new(
                Diagnostic::error(&place(&source, column, 1), message)
                    .help("write node.KEY=value, such as model.BATCH=8"),
            )
        };
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| wrong(text.chars().count().max(1), "an override needs `=` and a value"))?;
        let (node, key) =
            name.rsplit_once('.').ok_or_else(|| wrong(1, "an override begins with a node's id and a dot"))?;
        if node.is_empty() || key.is_empty() {
            return Err(wrong(1, "an override names a node and one of its settings"));
        }
        Ok(Self { node: node.to_owned(), key: key.to_owned(), value: value.to_owned(), text: source.clone() })
    }

    fn width(text: &str) -> usize {
        text.chars().count()
    }

    fn node_place(&self) -> Place {
        place(&self.text, 1, Self::width(&self.node))
    }

    fn key_item(&self) -> Item {
        let column = Self::width(&self.node) + 2;
        Item { place: place(&self.text, column, Self::width(&self.key)), value: Value::Scalar(self.key.clone()) }
    }

    fn value_item(&self) -> Item {
        let column = Self::width(&self.node) + Self::width(&self.key) + 3;
        Item { place: place(&self.text, column, Self::width(&self.value)), value: Value::Scalar(self.value.clone()) }
    }
}

fn place(text: &Rc<str>, column: usize, width: usize) -> Place {
    Place { file: format!("--set {text}").into(), line: 1, column, width: width.max(1), text: text.clone() }
}

/// Reads all overrides.
///
/// # Errors
/// Those of another form.
pub fn parse_all(texts: &[String]) -> Result<Vec<Override>, Vec<Diagnostic>> {
    let (mut read, mut wrong) = (Vec::new(), Vec::new());
    for text in texts {
        match Override::parse(text) {
            Ok(change) => read.push(change),
            Err(problem) => wrong.push(*problem),
        }
    }
    if wrong.is_empty() { Ok(read) } else { Err(wrong) }
}

/// A setting of the file that no longer applies with what overrides choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Node id.
    pub node: String,
    /// Name of the setting.
    pub key: String,
    /// The setting and the value with which it applies.
    pub applies: &'static str,
}

impl std::fmt::Display for LeftOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{} left out: it applies with {} alone", self.node, self.key, self.applies)
    }
}

/// The settings that do not apply in nodes that overrides change, but for those the overrides name themselves: who changes
/// a choice (`model.METHOD=linear-probe`) does not mean the settings of what was chosen before.
fn left_out(document: &Document, overrides: &[Override]) -> Vec<LeftOut> {
    let of = |id: &str| overrides.iter().filter(|change| change.node == id).map(|c| c.key.clone()).collect::<Vec<_>>();
    inapplicable(document)
        .into_iter()
        .filter(|one| {
            let changed = of(&one.node);
            !changed.is_empty() && !changed.contains(&one.key)
        })
        .collect()
}

/// Every setting that does not apply in its node.
pub fn inapplicable(document: &Document) -> Vec<LeftOut> {
    let specs = catalog::specs();
    let mut found = Vec::new();
    for node in document.nodes() {
        let spec = specs.iter().find(|spec| node.kind() == Some(spec.name));
        let (Some(spec), Some(id)) = (spec, node.id_text()) else { continue };
        let env = node.settings();
        for key in setting_choice::inapplicable(&spec.settings, &env) {
            let applies = spec.settings.iter().find(|s| s.key == key).map_or("", |s| s.applies);
            found.push(LeftOut { node: id.to_owned(), key: key.to_owned(), applies });
        }
    }
    found
}

/// Changes the settings, and takes out those of the changed nodes that no longer apply; says which overrides name no node of
/// the dataflow, and what was taken out.
pub fn apply(document: &mut Document, overrides: &[Override]) -> (Vec<Diagnostic>, Vec<LeftOut>) {
    let mut found = Vec::new();
    for change in overrides {
        let ids: Vec<String> = document.nodes().iter().filter_map(|n| n.id_text().map(str::to_owned)).collect();
        let Some(node) = node_mut(document, &change.node) else {
            let message = format!("no node `{}` in {}", change.node, document.file);
            found.push(
                Diagnostic::error(&change.node_place(), message).nearest(&change.node, ids.iter().map(String::as_str)),
            );
            continue;
        };
        set(node, change);
    }
    let left_out = left_out(document, overrides);
    take_out(document, &left_out);
    (found, left_out)
}

fn take_out(document: &mut Document, left_out: &[LeftOut]) {
    for LeftOut { node, key, .. } in left_out {
        let env = node_mut(document, node).and_then(|node| node.iter_mut().find(|(k, _)| k.text() == Some("env")));
        if let Some((_, Item { value: Value::Mapping(env), .. })) = env {
            env.retain(|(name, _)| name.text() != Some(key.as_str()));
        }
    }
}

fn node_mut<'a>(document: &'a mut Document, id: &str) -> Option<&'a mut Vec<(Item, Item)>> {
    let Value::Mapping(root) = &mut document.root.value else { return None };
    let (_, nodes) = root.iter_mut().find(|(k, _)| k.text() == Some("nodes"))?;
    let Value::Sequence(nodes) = &mut nodes.value else { return None };
    let node = nodes.iter_mut().find(|n| n.get("id").and_then(Item::text) == Some(id))?;
    match &mut node.value {
        Value::Mapping(entries) => Some(entries),
        _ => None,
    }
}

fn set(node: &mut Vec<(Item, Item)>, change: &Override) {
    let at = node.iter().position(|(k, _)| k.text() == Some("env")).unwrap_or_else(|| {
        let place = change.key_item().place;
        let key = Item { place: place.clone(), value: Value::Scalar("env".to_owned()) };
        node.push((key, Item { place, value: Value::Mapping(Vec::new()) }));
        node.len() - 1
    });
    let env = &mut node[at].1;
    if matches!(env.value, Value::Null) {
        env.value = Value::Mapping(Vec::new());
    }
    let Value::Mapping(env) = &mut env.value else { return };
    match env.iter_mut().find(|(k, _)| k.text() == Some(change.key.as_str())) {
        Some((_, value)) => *value = change.value_item(),
        None => env.push((change.key_item(), change.value_item())),
    }
}
