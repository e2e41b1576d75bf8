//! The settings a run ran with: what the dataflow said, what was overridden, and the defaults of the rest.

use serde::Serialize;
use serde_yaml::Value;

use crate::error::ReportError;
use crate::store::{RunFolder, RunRecord};

/// A node's setting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// Name in the `env:` map.
    pub key: String,
    /// Value as text.
    pub value: String,
    /// `default`, `dataflow` or `override`.
    pub from: &'static str,
}

/// A node with its settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NodeSettings {
    /// Id in the dataflow.
    pub node: String,
    /// Name of the node's kind; its path where it is none of ours.
    pub kind: String,
    /// What it ran with.
    pub settings: Vec<Setting>,
}

impl NodeSettings {
    /// The value of a setting.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.settings.iter().find(|s| s.key == key).map(|s| s.value.as_str())
    }
}

/// The nodes of a run's dataflow with their settings.
pub(super) fn of_dataflow(
    run: &RunFolder,
    record: &RunRecord,
    defaults: &dyn Fn(&str) -> Vec<(String, String)>,
) -> Result<Vec<NodeSettings>, ReportError> {
    nodes(&run.read_dataflow()?, &record.overrides, defaults)
        .map_err(|problem| ReportError::Dataflow { run: run.id.clone(), problem })
}

/// The nodes of a dataflow with their settings. `overrides` says which were given as such.
///
/// # Errors
/// If it is no YAML.
pub fn nodes(
    dataflow: &str,
    overrides: &[String],
    defaults: &dyn Fn(&str) -> Vec<(String, String)>,
) -> Result<Vec<NodeSettings>, String> {
    let yaml: Value = serde_yaml::from_str(dataflow).map_err(|e| e.to_string())?;
    let nodes = yaml.get("nodes").and_then(Value::as_sequence).map(Vec::as_slice).unwrap_or_default();
    Ok(nodes.iter().map(|node| settings(node, overrides, defaults)).collect())
}

fn settings(node: &Value, overrides: &[String], defaults: &dyn Fn(&str) -> Vec<(String, String)>) -> NodeSettings {
    let text = |key: &str| node.get(key).and_then(Value::as_str).unwrap_or_default();
    let id = text("id").to_owned();
    let kind = text("args").strip_prefix("node ").unwrap_or_else(|| text("path")).trim().to_owned();
    let mut settings: Vec<Setting> =
        defaults(&kind).into_iter().map(|(key, value)| Setting { key, value, from: "default" }).collect();
    let env = node.get("env").and_then(Value::as_mapping);
    for (key, value) in env.into_iter().flatten() {
        let key = shown(key);
        let overridden = overrides.iter().any(|o| o.split('=').next() == Some(&format!("{id}.{key}")));
        let from = if overridden { "override" } else { "dataflow" };
        let setting = Setting { value: shown(value), from, key };
        match settings.iter_mut().find(|s| s.key == setting.key) {
            Some(old) => *old = setting,
            None => settings.push(setting),
        }
    }
    NodeSettings { node: id, kind, settings }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::Null => String::new(),
        other => serde_yaml::to_string(other).unwrap_or_default().trim_end().to_owned(),
    }
}
