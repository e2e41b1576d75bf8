//! Shape: lists where lists belong, maps where maps belong.

use crate::dataflow::diagnostic::Diagnostic;
use crate::dataflow::document::{Document, Item, Value};

pub(super) fn check(document: &Document) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let root = &document.root;
    if !map(root, "a dataflow", &mut found) {
        return found;
    }
    if let Some(vars) = root.get("env") {
        env(vars, &mut found);
    }
    match root.get("nodes") {
        None => {
            let message = "the dataflow has no `nodes`";
            found.push(Diagnostic::error(&root.place, message).help("a dataflow is a list of nodes under `nodes:`"));
        }
        Some(nodes) => {
            if list(nodes, "`nodes`", &mut found) && nodes.elements().is_empty() {
                found.push(Diagnostic::error(&nodes.place, "`nodes` is empty"));
            }
            nodes.elements().iter().for_each(|n| node(n, &mut found));
        }
    }
    found
}

fn refuse(item: &Item, message: String, found: &mut Vec<Diagnostic>) -> bool {
    found.push(Diagnostic::error(&item.place, format!("{message}, here is {}", item.kind())));
    false
}

fn map(item: &Item, what: &str, found: &mut Vec<Diagnostic>) -> bool {
    if !matches!(item.value, Value::Mapping(_)) {
        return refuse(item, format!("{what} must be a mapping, `KEY: value`"), found);
    }
    let odd = item.entries().iter().map(|(key, _)| key).filter(|k| k.text().is_none());
    found.extend(odd.map(|key| Diagnostic::error(&key.place, format!("a key of {what} must be a word"))));
    true
}

fn list(item: &Item, what: &str, found: &mut Vec<Diagnostic>) -> bool {
    match item.value {
        Value::Sequence(_) => true,
        _ => refuse(item, format!("{what} must be a list"), found),
    }
}

fn is_null(item: &Item) -> bool {
    matches!(item.value, Value::Null)
}

fn env(item: &Item, found: &mut Vec<Diagnostic>) {
    if is_null(item) || !map(item, "`env`", found) {
        return;
    }
    for (key, value) in item.entries().iter().filter(|(_, v)| v.text().is_none()) {
        let name = key.text().unwrap_or_default();
        found.push(if is_null(value) {
            Diagnostic::error(&key.place, format!("`{name}` has no value"))
                .help("remove it to take the default, or write \"\" for an empty text")
        } else {
            Diagnostic::error(&value.place, format!("`{name}` must be a single value, here is {}", value.kind()))
        });
    }
}

fn node(item: &Item, found: &mut Vec<Diagnostic>) {
    if !map(item, "a node", found) {
        return;
    }
    for (key, value) in
        ["id", "path", "args"].iter().filter_map(|key| item.entry(key)).filter(|(_, v)| v.text().is_none())
    {
        let name = key.text().unwrap_or_default();
        found.push(Diagnostic::error(&key.place, format!("`{name}` must be a word, here is {}", value.kind())));
    }
    if let Some(vars) = item.get("env") {
        env(vars, found);
    }
    if let Some(outputs) = item.get("outputs").filter(|o| !is_null(o) && list(o, "`outputs`", found)) {
        let odd = outputs.elements().iter().filter(|o| o.text().is_none());
        found.extend(odd.map(|o| Diagnostic::error(&o.place, format!("an output is a name, here is {}", o.kind()))));
    }
    if let Some(inputs) = item.get("inputs").filter(|i| !is_null(i) && map(i, "`inputs`", found)) {
        inputs.entries().iter().for_each(|(name, value)| input(name, value, found));
    }
}

fn input(name: &Item, value: &Item, found: &mut Vec<Diagnostic>) {
    let text = name.text().unwrap_or_default();
    let source = match value.value {
        Value::Scalar(_) => return,
        Value::Sequence(_) => {
            refuse(value, format!("input `{text}` must be NODE/OUTPUT or a mapping"), found);
            return;
        }
        _ => value.get("source"),
    };
    if source.and_then(Item::text).is_none() {
        let message = format!("input `{text}` has no source");
        found.push(
            Diagnostic::error(&name.place, message)
                .help(format!("write `{text}: {{ source: NODE/OUTPUT, queue_size: NUMBER }}`")),
        );
    }
}
