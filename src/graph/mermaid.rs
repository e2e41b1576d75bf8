//! A dataflow as Mermaid text.

use super::flow::{Class, Flow};

/// Words Mermaid keeps for itself.
const RESERVED: [&str; 8] = ["end", "graph", "subgraph", "default", "style", "class", "click", "flowchart"];

/// The flowchart, left to right.
pub(super) fn text(flow: &Flow) -> String {
    let names = names(flow);
    let mut text = "flowchart LR\n".to_owned();
    for (node, name) in flow.nodes.iter().zip(&names) {
        let mut label = format!("<b>{}</b><br/>{}", escaped(&node.id), escaped(&node.kind));
        for (key, value) in &node.settings {
            label += &format!("<br/>{} {}", escaped(key), escaped(value));
        }
        text += &format!("    {name}[\"{label}\"]\n");
    }
    for edge in &flow.edges {
        let arrow = if edge.class == Class::Feedback { "-.->" } else { "-->" };
        let label =
            if edge.class == Class::Report { String::new() } else { format!("|\"{}\"|", escaped(&edge.output)) };
        text += &format!("    {} {arrow}{label} {}\n", names[edge.from], names[edge.to]);
    }
    let reports: Vec<String> = flow.of(Class::Report).map(|(i, _)| i.to_string()).collect();
    if !reports.is_empty() {
        text += &format!("    linkStyle {} stroke:#8c959f,stroke-width:1px\n", reports.join(","));
    }
    text.truncate(text.trim_end().len());
    text
}

/// A name for each node that Mermaid accepts: the id where it can be, else one made of it.
fn names(flow: &Flow) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (i, node) in flow.nodes.iter().enumerate() {
        let plain: String = node.id.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let taken = plain.is_empty() || RESERVED.contains(&plain.to_lowercase().as_str()) || names.contains(&plain);
        names.push(if taken { format!("{plain}_{i}") } else { plain });
    }
    names
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "#quot;")
}
