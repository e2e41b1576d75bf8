//! A JSON Schema of dataflows for editors: which settings a node has, of which type, what they mean; its inputs and outputs.
//!
//! Made from the nodes' own descriptions. A file names it in its first line,
//! `# yaml-language-server: $schema=schema.json`; editors with a YAML language server then complete and check as one types.
//! `copl check` knows more: which edges fit, and what no schema can say.

use copl_contract::settings::{PASSED_THROUGH, SettingSpec};
use copl_contract::{EdgeSpec, NodeSpec};
use serde_json::{Map, Value, json};

/// The schema.
pub(crate) fn schema(specs: &[NodeSpec]) -> Value {
    let kinds: Vec<String> = specs.iter().map(|s| format!("node {}", s.name)).collect();
    let rules: Vec<Value> = specs
        .iter()
        .map(|s| {
            json!({
                "if": { "required": ["args"], "properties": { "args": { "const": format!("node {}", s.name) } } },
                "then": { "properties": {
                    "env": { "$ref": format!("#/definitions/{}", s.name) },
                    "inputs": inputs(&s.inputs),
                    "outputs": outputs(&s.outputs),
                } },
            })
        })
        .collect();
    let mut definitions: Map<String, Value> = specs.iter().map(|s| (s.name.to_owned(), env(s))).collect();
    let about = |kind: &str, about: &str| json!({ "const": kind, "description": about });
    let args: Vec<Value> = kinds.iter().zip(specs).map(|(kind, s)| about(kind, s.about)).collect();
    definitions.insert(
        "any node".to_owned(),
        json!({
            "type": "object",
            "required": ["id", "path"],
            "properties": {
                "id": { "type": "string", "description": "name of the node in this dataflow" },
                "path": { "type": "string", "description": "the program: copl, or one's own" },
                "args": { "anyOf": [{ "oneOf": args }, { "type": "string" }] },
                "env": { "type": "object", "description": "the node's settings" },
                "inputs": { "type": "object", "description": "node/output, or { source, queue_size }" },
                "outputs": { "type": "array", "items": { "type": "string" } },
            },
            "allOf": rules,
        }),
    );
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "copl dataflow",
        "description": "A graph of nodes for the dora engine, with the settings of the nodes that copl holds.",
        "type": "object",
        "required": ["nodes"],
        "properties": { "nodes": { "type": "array", "items": { "$ref": "#/definitions/any node" } } },
        "definitions": definitions,
    })
}

/// The `env:` map of a node.
fn env(spec: &NodeSpec) -> Value {
    let mut properties: Map<String, Value> = spec.settings.iter().map(|s| (s.key.to_owned(), setting(s))).collect();
    for key in PASSED_THROUGH {
        properties.insert(key.to_owned(), json!({ "description": "for the libraries the node uses" }));
    }
    let required: Vec<&str> = spec.settings.iter().filter(|s| s.default.is_none()).map(|s| s.key).collect();
    json!({
        "type": "object",
        "description": spec.about,
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn setting(spec: &SettingSpec) -> Value {
    // A value may come from the environment: ${NAME}.
    let expanded = json!({ "type": "string", "pattern": "\\$\\{" });
    let value = match spec.type_name {
        "whole number" => json!({ "type": "integer", "minimum": 0 }),
        "number" => json!({ "type": "number" }),
        "true or false" => json!({ "type": "boolean" }),
        _ if !spec.choices.is_empty() => json!({ "enum": spec.choices }),
        _ => json!({ "type": ["string", "number"] }),
    };
    let empty = spec.default.as_deref() == Some("");
    let mut any = vec![value, expanded];
    if empty {
        any.push(json!({ "const": "" }));
    }
    let mut out = json!({ "description": spec.meaning, "anyOf": any });
    if let Some(default) = spec.default.as_deref().filter(|d| !d.is_empty()) {
        out["default"] = typed(spec.type_name, default);
    }
    out
}

fn typed(type_name: &str, text: &str) -> Value {
    let parsed = matches!(type_name, "whole number" | "number" | "true or false").then(|| serde_json::from_str(text));
    parsed.and_then(Result::ok).unwrap_or_else(|| text.into())
}

fn inputs(edges: &[EdgeSpec]) -> Value {
    let (many, single): (Vec<_>, Vec<_>) = edges.iter().partition(|e| e.many);
    let describe = |e: &&EdgeSpec| json!({ "description": e.meaning });
    let properties: Map<String, Value> = single.iter().map(|e| (e.name.to_owned(), describe(e))).collect();
    let patterns: Map<String, Value> = many.iter().map(|e| (format!("^{}(_.+)?$", e.name), describe(e))).collect();
    let required: Vec<&str> = single.iter().filter(|e| !e.optional).map(|e| e.name).collect();
    json!({
        "type": "object",
        "properties": properties,
        "patternProperties": patterns,
        "required": required,
        "additionalProperties": false,
    })
}

fn outputs(edges: &[EdgeSpec]) -> Value {
    let names: Vec<&str> = edges.iter().map(|e| e.name).collect();
    json!({ "type": "array", "items": { "enum": names } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_have_their_type_default_and_meaning() {
        let schema = schema(&crate::catalog::specs());
        let model = &schema["definitions"]["copl-model"]["properties"];
        assert_eq!(model["CLASSES"]["default"], 29);
        assert_eq!(model["CLASSES"]["anyOf"][0]["type"], "integer");
        assert_eq!(model["GLOBAL"]["default"], true);
        assert!(model["METHOD"]["anyOf"][0]["enum"].as_array().unwrap().contains(&json!("copl")));
        assert_eq!(schema["definitions"]["clip-source"]["required"], json!(["DATASET", "ROOT"]));
    }

    #[test]
    fn every_node_has_its_rule() {
        let specs = crate::catalog::specs();
        let schema = schema(&specs);
        assert_eq!(schema["definitions"]["any node"]["allOf"].as_array().unwrap().len(), specs.len());
    }
}
