//! A dataflow as it is run: the file's text, or, where settings were overridden, plain dora YAML with the new values.

use serde_yaml::{Mapping, Value};

use super::diagnostic::{Diagnostic, Place};
use super::document::Document;
use super::overrides::{Override, apply, parse_all};
use crate::terminal::shown;

/// The YAML text as run: handed to the engine and kept with the run. Comments are lost where settings are overridden.
///
/// # Errors
/// If it is no YAML, or an override fits no node.
pub fn resolve(file: &str, text: &str, overrides: &[String]) -> Result<String, Vec<Diagnostic>> {
    let mut document = Document::parse(file, text)?;
    let changes = parse_all(overrides)?;
    let found = apply(&mut document, &changes);
    if !found.is_empty() {
        return Err(found);
    }
    if changes.is_empty() {
        return Ok(text.to_owned());
    }
    let refused = |e: serde_yaml::Error| {
        let place = Place {
            file: file.into(),
            line: 1,
            column: 1,
            width: 1,
            text: text.lines().next().unwrap_or_default().into(),
        };
        vec![Diagnostic::error(&place, format!("not valid YAML: {e}"))]
    };
    let mut yaml: Value = serde_yaml::from_str(text).map_err(refused)?;
    for node in yaml.get_mut("nodes").and_then(Value::as_sequence_mut).into_iter().flatten() {
        let id = node.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
        for change in changes.iter().filter(|c| c.node == id) {
            set(node, change);
        }
    }
    let body = serde_yaml::to_string(&yaml).map_err(refused)?;
    // A comment ends at its line's end, and YAML has no control characters.
    let comment = |text: &str| shown(text).replace('\n', " ");
    let set: Vec<String> = overrides.iter().map(|o| format!("#   --set {}\n", comment(o))).collect();
    Ok(format!("# {} with\n{}{body}", comment(file), set.concat()))
}

fn set(node: &mut Value, change: &Override) {
    let Some(node) = node.as_mapping_mut() else { return };
    let env = node.entry("env".into()).or_insert_with(|| Mapping::new().into());
    if env.is_null() {
        *env = Mapping::new().into();
    }
    if let Some(env) = env.as_mapping_mut() {
        env.insert(change.key.as_str().into(), scalar(&change.value));
    }
}

/// A number or truth value where it is written the same way, text otherwise.
fn scalar(text: &str) -> Value {
    match (text.parse::<i64>(), text.parse::<bool>(), text.parse::<f64>()) {
        (Ok(number), ..) if number.to_string() == text => number.into(),
        (_, Ok(truth), _) => truth.into(),
        (.., Ok(number)) if number.to_string() == text => number.into(),
        _ => text.into(),
    }
}
