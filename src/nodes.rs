//! Descriptions of the nodes for `copl nodes`, all drawn from their [`NodeSpec`]: as a list, in full, as JSON.

use copl_contract::schema::Schema;
use copl_contract::settings::{SettingSpec, nearest};
use copl_contract::spec::REPORT_TABLES;
use copl_contract::{EdgeSpec, NodeSpec};
use serde_json::{Value, json};

/// Width at which prose is wrapped.
const WIDTH: usize = 100;

/// One line a node.
pub(crate) fn list(specs: &[NodeSpec]) -> String {
    let width = specs.iter().map(|s| s.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for spec in specs {
        text += &hanging(&format!("{:width$}  ", spec.name), width + 2, spec.about);
    }
    text + "\nIn a dataflow: `path: copl` and `args: node NAME`. Settings and edges: `copl nodes describe NAME`."
}

/// The node of this name.
///
/// # Errors
/// Names the nearest node, or all.
pub(crate) fn find<'a>(specs: &'a [NodeSpec], name: &str) -> Result<&'a NodeSpec, String> {
    specs.iter().find(|s| s.name == name).ok_or_else(|| match nearest(name, specs.iter().map(|s| s.name)) {
        Some(near) => format!("no node `{name}`; did you mean {near}?"),
        None => format!("no node `{name}`; known: {}", specs.iter().map(|s| s.name).collect::<Vec<_>>().join(", ")),
    })
}

/// Settings, inputs and outputs of a node, with the columns of every payload.
pub(crate) fn describe(spec: &NodeSpec) -> String {
    let mut text = hanging(&format!("{}: ", spec.name), 2, spec.about);
    text += "\nSettings (the node's `env:` map):\n";
    if spec.settings.is_empty() {
        text += "  none\n";
    }
    for setting in &spec.settings {
        text += &describe_setting(setting);
    }
    let mut shown = Vec::new();
    for (title, edges) in [("Inputs", &spec.inputs), ("Outputs", &spec.outputs)] {
        text += &format!("\n{title}:\n");
        if edges.is_empty() {
            text += "  none\n";
        }
        for edge in edges {
            text += &hanging(&format!("  {}{}  ", edge.name, traits(edge)), 6, edge.meaning);
            text += &hanging("      carries ", 14, &carries(edge));
            shown.extend(edge.schemas.iter().copied().filter(|s| !shown.contains(s)).collect::<Vec<_>>());
        }
    }
    // The report's tables are the same for every node: they are shown where they are read or where nothing else is.
    let reports = spec.inputs.iter().any(|e| e.schemas == REPORT_TABLES);
    let elsewhere = |s: &Schema| {
        !reports
            && !spec.inputs.iter().chain(&spec.outputs).any(|e| e.schemas != REPORT_TABLES && e.schemas.contains(s))
    };
    text += "\nPayloads (Arrow columns):\n";
    for schema in shown.iter().filter(|s| !elsewhere(s)) {
        text += &describe_schema(*schema);
    }
    if shown.iter().any(elsewhere) {
        text += "  The tables a report carries are listed by `copl nodes describe report-writer`.\n";
    }
    text.truncate(text.trim_end().len());
    text
}

/// Everything as JSON: a list of nodes.
pub(crate) fn json(specs: &[NodeSpec]) -> String {
    let nodes: Vec<Value> = specs
        .iter()
        .map(|s| {
            json!({
                "name": s.name,
                "about": s.about,
                "settings": s.settings.iter().map(setting_json).collect::<Vec<_>>(),
                "inputs": s.inputs.iter().map(edge_json).collect::<Vec<_>>(),
                "outputs": s.outputs.iter().map(edge_json).collect::<Vec<_>>(),
            })
        })
        .collect();
    format!("{:#}", Value::Array(nodes))
}

fn describe_setting(setting: &SettingSpec) -> String {
    let default = match setting.default.as_deref() {
        None => "required".to_owned(),
        Some("") => "unset".to_owned(),
        Some(default) => format!("default {default}"),
    };
    let kind = if setting.choices.is_empty() || setting.type_name == "true or false" {
        setting.type_name.to_owned()
    } else {
        format!("one of {}", setting.choices.join(", "))
    };
    let applies = if setting.applies.is_empty() { String::new() } else { format!("; with {}", setting.applies) };
    hanging(&format!("  {}  ", setting.key), 6, &format!("{kind}; {default}{applies}"))
        + &hanging("      ", 6, setting.meaning)
}

fn traits(edge: &EdgeSpec) -> String {
    let mut words = Vec::new();
    if edge.many {
        words.push(format!("and {}_…", edge.name));
    }
    if edge.optional {
        words.push("optional".to_owned());
    }
    if edge.feedback {
        words.push("feedback".to_owned());
    }
    if words.is_empty() { String::new() } else { format!(" ({})", words.join(", ")) }
}

fn carries(edge: &EdgeSpec) -> String {
    edge.schemas.iter().map(|s| s.name()).collect::<Vec<_>>().join(", ")
}

fn describe_schema(schema: Schema) -> String {
    let mut text = hanging(&format!("  {}: ", schema.name()), 6, schema.meaning().trim());
    let columns = schema.columns();
    let names = columns.iter().map(|c| c.name.len()).max().unwrap_or(0);
    let kinds = columns.iter().map(|c| c.kind.label().len()).max().unwrap_or(0);
    for column in columns {
        let head = format!("      {:names$}  {:kinds$}  ", column.name, column.kind.label());
        text += &hanging(&head, head.len(), column.meaning);
    }
    text
}

fn setting_json(setting: &SettingSpec) -> Value {
    json!({
        "key": setting.key,
        "type": setting.type_name,
        "required": setting.default.is_none(),
        "default": setting.default,
        "choices": setting.choices,
        "meaning": setting.meaning,
        "applies": setting.applies,
    })
}

fn edge_json(edge: &EdgeSpec) -> Value {
    let payloads: Vec<Value> = edge
        .schemas
        .iter()
        .map(|s| {
            let columns: Vec<Value> = s
                .columns()
                .iter()
                .map(|c| json!({ "name": c.name, "type": c.kind.label(), "meaning": c.meaning }))
                .collect();
            json!({ "schema": s.name(), "meaning": s.meaning().trim(), "columns": columns })
        })
        .collect();
    json!({
        "name": edge.name,
        "meaning": edge.meaning,
        "optional": edge.optional,
        "feedback": edge.feedback,
        "many": edge.many,
        "payloads": payloads,
    })
}

/// `head` and `body`, wrapped; lines after the first begin at column `indent`.
fn hanging(head: &str, indent: usize, body: &str) -> String {
    let mut text = head.to_owned();
    let mut column = head.chars().count();
    let mut is_line_start = true;
    for word in body.split_whitespace() {
        let width = word.chars().count();
        if !is_line_start && column + 1 + width > WIDTH {
            text += &format!("\n{:indent$}", "");
            (column, is_line_start) = (indent, true);
        }
        if !is_line_start {
            text.push(' ');
            column += 1;
        }
        text += word;
        column += width;
        is_line_start = false;
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog;

    #[test]
    fn every_setting_edge_and_column_is_described_within_the_width() {
        for spec in catalog::specs() {
            let text = describe(&spec);
            for setting in &spec.settings {
                assert!(text.contains(&format!("  {}  ", setting.key)), "{text}");
            }
            for edge in spec.inputs.iter().chain(&spec.outputs) {
                assert!(text.contains(&format!("\n  {}", edge.name)), "{text}");
                for column in edge.schemas.iter().filter(|_| edge.schemas != REPORT_TABLES).flat_map(|s| s.columns()) {
                    assert!(text.contains(column.meaning.split(' ').next().unwrap()), "{text}");
                }
            }
            for line in text.lines().filter(|l| l.trim().contains(' ')) {
                assert!(line.chars().count() <= WIDTH + 8, "{line}");
            }
        }
    }

    #[test]
    fn the_report_writer_shows_all_tables_and_other_nodes_point_to_it() {
        let specs = catalog::specs();
        let writer = describe(find(&specs, "report-writer").unwrap());
        assert!(REPORT_TABLES.iter().all(|t| writer.contains(&format!("\n  {}: ", t.name()))), "{writer}");
        let source = describe(find(&specs, "clip-source").unwrap());
        assert!(source.contains("describe report-writer") && !source.contains("busy_secs"), "{source}");
    }

    #[test]
    fn a_misspelt_name_finds_the_nearest() {
        let specs = catalog::specs();
        assert_eq!(find(&specs, "clip-sorce").unwrap_err(), "no node `clip-sorce`; did you mean clip-source?");
        assert!(find(&specs, "zzz").unwrap_err().contains("known: clip-source, "));
    }

    #[test]
    fn json_and_list_hold_every_node() {
        let specs = catalog::specs();
        let nodes: Value = serde_json::from_str(&json(&specs)).unwrap();
        assert_eq!(nodes.as_array().map(Vec::len), Some(specs.len()));
        assert_eq!(nodes[0]["outputs"][0]["payloads"][0]["columns"][0]["type"], "Utf8");
        assert!(specs.iter().all(|s| list(&specs).contains(&format!("{}  ", s.name))));
    }

    #[test]
    fn wrapped_text_hangs() {
        let text = hanging("key  ", 4, &"word ".repeat(30));
        assert!(
            text.lines().all(|l| l.len() <= WIDTH) && text.lines().nth(1).unwrap().starts_with("    word"),
            "{text}"
        );
    }
}
