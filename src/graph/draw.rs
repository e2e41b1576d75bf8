//! The picture as SVG text. Colours are CSS classes, with others for readers of dark pages.

use super::flow::{Class, Flow, NodeBox};
use super::ports::{
    Frame, HEADER, ID_SIZE, KIND_SIZE, LABEL_SIZE, PADDING, SETTING_LINE, SETTING_SIZE, shortened, text_width,
};
use super::route::{Picture, number};

const MARGIN: f64 = 20.0;
const LEGEND: f64 = 34.0;

const STYLE: &str = "\
.page{fill:#fff}.box{fill:#f6f8fa;stroke:#8c959f;stroke-width:1.2}.rule{stroke:#d0d7de}\
text{font-family:system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif;fill:#1f2328}\
.id{font-weight:600}.kind,.key{fill:#59636e}.edge{fill:none}\
.data{stroke:#0969da;stroke-width:1.6}.feedback{stroke:#bc4c00;stroke-width:1.6;stroke-dasharray:6 4}\
.report{stroke:#b1bac4;stroke-width:1}.data-tip{fill:#0969da}.feedback-tip{fill:#bc4c00}.report-tip{fill:#b1bac4}\
.data-label{fill:#0550ae}.feedback-label{fill:#953800}.report-label{fill:#6e7781}\
@media (prefers-color-scheme:dark){.page{fill:#0d1117}.box{fill:#161b22;stroke:#656c76}.rule{stroke:#3d444d}\
text{fill:#f0f6fc}.kind,.key{fill:#9198a1}.data{stroke:#4493f8}.feedback{stroke:#db6d28}.report{stroke:#545d68}\
.data-tip{fill:#4493f8}.feedback-tip{fill:#db6d28}.report-tip{fill:#545d68}\
.data-label{fill:#79c0ff}.feedback-label{fill:#ffa657}.report-label{fill:#8b949e}}";

/// Draws a dataflow that has been laid out.
pub(super) fn svg(flow: &Flow, picture: &Picture) -> String {
    let used: Vec<Class> =
        [Class::Data, Class::Feedback, Class::Report].into_iter().filter(|c| flow.of(*c).next().is_some()).collect();
    let width = picture.ports.width.max(if used.is_empty() { 0.0 } else { 420.0 });
    let top = picture.top - MARGIN;
    let height = picture.bottom + MARGIN + LEGEND - top;
    let [w, h, y] = [width, height, top].map(number);
    let names: Vec<&str> = flow.nodes.iter().map(|n| n.id.as_str()).collect();
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" viewBox=\"0 {y} {w} {h}\" role=\"img\" \
         aria-label=\"Dataflow of {}\">\n<style>{STYLE}</style>\n<defs>\n",
        escaped(&names.join(", "))
    );
    for class in &used {
        let name = class_name(*class);
        let size = if *class == Class::Report { 5 } else { 7 };
        text += &format!(
            "<marker id=\"{name}-tip\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerUnits=\"userSpaceOnUse\" \
             markerWidth=\"{size}\" markerHeight=\"{size}\" orient=\"auto\"><path class=\"{name}-tip\" d=\"M0 0L10 5L0 10z\"/></marker>\n"
        );
    }
    text += &format!("</defs>\n<rect class=\"page\" x=\"0\" y=\"{y}\" width=\"{w}\" height=\"{h}\"/>\n");
    // Thin lines first: data and feedback run over them.
    for class in [Class::Report, Class::Feedback, Class::Data] {
        for path in picture.paths.iter().filter(|p| flow.edges[p.edge].class == class) {
            let name = class_name(class);
            text += &format!(
                "<path class=\"edge {name}\" marker-end=\"url(#{name}-tip)\" d=\"{}\"><title>{}</title></path>\n",
                path.d,
                escaped(&flow.edges[path.edge].title)
            );
        }
    }
    for (node, frame) in flow.nodes.iter().zip(&picture.ports.frames) {
        text += &boxed(node, *frame);
    }
    for path in &picture.paths {
        if let Some(label) = path.label {
            let edge = &flow.edges[path.edge];
            let class = format!("{}-label", class_name(edge.class));
            text += &words(&class, label.at.0, label.at.1, LABEL_SIZE, label.centred, &escaped(&edge.output));
        }
    }
    text += &legend(&used, picture.bottom + MARGIN + LEGEND / 2.0);
    text + "</svg>"
}

fn boxed(node: &NodeBox, frame: Frame) -> String {
    let [x, y, w, h] = [frame.left, frame.top, frame.right - frame.left, frame.bottom - frame.top].map(number);
    let mut text = format!("<rect class=\"box\" x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" rx=\"8\"/>\n");
    let left = frame.left + PADDING;
    // Where edges make a box taller than its text, the text stands in its middle.
    let content =
        HEADER + if node.settings.is_empty() { 4.0 } else { 12.0 + node.settings.len() as f64 * SETTING_LINE };
    let top = frame.top + ((frame.bottom - frame.top) - content) / 2.0;
    text += &words("id", left, top + 23.0, ID_SIZE, false, &escaped(&node.id));
    text += &words("kind", left, top + 41.0, KIND_SIZE, false, &escaped(&node.kind));
    if !node.settings.is_empty() {
        let [x1, x2, y] = [frame.left, frame.right, top + HEADER].map(number);
        text += &format!("<path class=\"rule\" d=\"M{x1} {y}H{x2}\"/>\n");
    }
    for (i, (key, value)) in node.settings.iter().enumerate() {
        let setting = format!("<tspan class=\"key\">{}</tspan> {}", escaped(key), escaped(&shortened(value)));
        text += &words("", left, top + HEADER + 17.0 + i as f64 * SETTING_LINE, SETTING_SIZE, false, &setting);
    }
    text
}

fn legend(used: &[Class], y: f64) -> String {
    let mut text = String::new();
    let mut x = 24.0;
    for class in used {
        let name = class_name(*class);
        let meaning = match class {
            Class::Data => "clips and data",
            Class::Feedback => "feedback",
            Class::Report => "reports",
        };
        let [x1, x2, line] = [x, x + 32.0, y - 4.0].map(number);
        text += &format!("<path class=\"edge {name}\" marker-end=\"url(#{name}-tip)\" d=\"M{x1} {line}H{x2}\"/>\n");
        text += &words("kind", x + 40.0, y, LABEL_SIZE, false, meaning);
        x += 40.0 + text_width(meaning, LABEL_SIZE) + 28.0;
    }
    text
}

fn words(class: &str, x: f64, y: f64, size: f64, centred: bool, content: &str) -> String {
    let anchor = if centred { " text-anchor=\"middle\"" } else { "" };
    let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
    format!("<text{class} x=\"{}\" y=\"{}\" font-size=\"{size}\"{anchor}>{content}</text>\n", number(x), number(y))
}

fn class_name(class: Class) -> &'static str {
    match class {
        Class::Data => "data",
        Class::Feedback => "feedback",
        Class::Report => "report",
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
