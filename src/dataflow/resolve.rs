//! A dataflow as it is run: the file's text, or, where settings were overridden, plain dora YAML with the new values.

use serde_yaml::{Mapping, Value};

use super::diagnostic::{Diagnostic, Place};
use super::document::Document;
use super::overrides::{Override, apply, inapplicable, parse_all};
use crate::terminal::shown;

/// The YAML text as run: handed to the engine and kept with the run. Comments are lost where settings are overridden.
///
/// # Errors
/// If it is no YAML, or an override fits no node.
pub fn resolve(file: &str, text: &str, overrides: &[String]) -> Result<String, Vec<Diagnostic>> {
    let mut document = Document::parse(file, text)?;
    let changes = parse_all(overrides)?;
    if changes.is_empty() {
        return Ok(text.to_owned());
    }
    let (found, left_out) = apply(&mut document, &changes);
    if !found.is_empty() {
        return Err(found);
    }
    let refused = |e: serde_yaml::Error| vec![Diagnostic::error(&start(file, text), format!("not valid YAML: {e}"))];
    let mut yaml: Value = serde_yaml::from_str(text).map_err(refused)?;
    for node in yaml.get_mut("nodes").and_then(Value::as_sequence_mut).into_iter().flatten() {
        let id = node.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
        for change in changes.iter().filter(|c| c.node == id) {
            set(node, change);
        }
        for one in left_out.iter().filter(|one| one.node == id) {
            take_out(node, &one.key);
        }
    }
    let body = serde_yaml::to_string(&yaml).map_err(refused)?;
    // A comment ends at its line's end, and YAML has no control characters.
    let comment = |text: &str| shown(text).replace('\n', " ");
    let set: Vec<String> = overrides.iter().map(|o| format!("#   --set {}\n", comment(o))).collect();
    let left_out: Vec<String> = left_out.iter().map(|one| format!("#   {}\n", comment(&one.to_string()))).collect();
    Ok(format!("# {} with\n{}{}{body}", comment(file), set.concat(), left_out.concat()))
}

/// A run's dataflow as this program reads it: runs of before may hold settings that did not apply, and had no effect.
///
/// # Errors
/// If it is no YAML.
pub fn of_run(file: &str, text: &str) -> Result<String, Vec<Diagnostic>> {
    let document = Document::parse(file, text)?;
    let found = inapplicable(&document);
    if found.is_empty() {
        return Ok(text.to_owned());
    }
    let refused = |e: serde_yaml::Error| vec![Diagnostic::error(&start(file, text), format!("not valid YAML: {e}"))];
    let mut yaml: Value = serde_yaml::from_str(text).map_err(refused)?;
    for node in yaml.get_mut("nodes").and_then(Value::as_sequence_mut).into_iter().flatten() {
        let id = node.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
        for one in found.iter().filter(|one| one.node == id) {
            take_out(node, &one.key);
        }
    }
    serde_yaml::to_string(&yaml).map_err(refused)
}

fn start(file: &str, text: &str) -> Place {
    let line = text.lines().next().unwrap_or_default();
    Place { file: file.into(), line: 1, column: 1, width: 1, text: line.into() }
}

fn take_out(node: &mut Value, key: &str) {
    if let Some(env) = node.get_mut("env").and_then(Value::as_mapping_mut) {
        env.remove(key);
    }
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
