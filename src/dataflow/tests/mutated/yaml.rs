//! Mistakes in the YAML itself. A parser sees most of them where the next word begins: that line counts too.

use super::Mutant;
use super::good::Good;

pub(super) fn make(good: &Good) -> Vec<Mutant> {
    let mut made = Vec::new();
    let nodes_line = good.document.root.entry("nodes").unwrap().0.place.line;
    let top = |kind, line: &str| Mutant {
        kind,
        what: line.to_owned(),
        text: good.with_behind(nodes_line - 1, &[line.to_owned()]),
        lines: vec![nodes_line, nodes_line + 1],
    };
    made.push(top("yaml: unknown key at the top", "node: 3"));
    made.push(top("yaml: unknown key at the top", "helth_check_interval: 5"));
    made.push(top("yaml: unknown key at the top", "env: { BATCH: 3, WINDOW: 2 }"));
    made.push(top("yaml: unknown key at the top", "strict_type: true"));
    let nodes_is = |new: &str, lines: Vec<usize>| Mutant {
        kind: "yaml: `nodes`",
        what: new.to_owned(),
        text: good.rewritten(nodes_line, |_| new.to_owned()),
        lines,
    };
    made.push(nodes_is("nods:", vec![1, nodes_line]));
    made.push(nodes_is("nodes", vec![nodes_line, nodes_line + 1]));
    for (n, inside) in good.nodes().iter().enumerate() {
        let line = |key: &str| Good::key_line(inside.node, key);
        let mut at = |kind, line: usize, more: usize, change: &dyn Fn(&str) -> String| {
            let text = good.rewritten(line, change);
            if text != good.text {
                let what = format!("{}: line {line}", inside.id);
                made.push(Mutant { kind, what, text, lines: (line..=line + more).collect() });
            }
        };
        let (args, outputs, id) = (line("args"), line("outputs"), line("id"));
        at("yaml: a tab", args, 1, &|l| l.replacen("    ", "\t", 1));
        at("yaml: a colon is missing", args, 1, &|l| l.replacen(':', "", 1));
        at("yaml: no blank behind a colon", args, 1, &|l| l.replacen(": ", ":", 1));
        match n % 2 {
            0 => at("yaml: indented too little", args, 1, &|l| l[1..].to_owned()),
            _ => at("yaml: indented too much", args, 1, &|l| format!("  {l}")),
        }
        at("yaml: a bracket is not closed", outputs, 0, &|l| l.trim_end_matches(']').to_owned());
        at("yaml: a comma is missing", outputs, 0, &|l| l.replacen(", ", " ", 1));
        at("yaml: a word for a list", outputs, 0, &|l| l.replace(['[', ']'], "").split(',').next().unwrap().to_owned());
        at("yaml: a map for a list", outputs, 0, &|l| {
            l.replace('[', "{ a: ").replace(']', " }").replace(", ", ", b: ")
        });
        at("yaml: a quote is not closed", id, 0, &|l| l.replacen(": ", ": \"", 1));
        at("yaml: the dash is missing", id, 1, &|l| l.replacen('-', " ", 1));
        if let Some((key, _)) = inside.node.0.entry("env") {
            at("yaml: a list for a map", key.place.line, 1, &|l| {
                if l.contains('{') { l.replace('{', "[").replace('}', "]") } else { format!("{l} [METHOD]") }
            });
            at("yaml: a brace is not closed", key.place.line, 0, &|l| l.replace(" }", ""));
        }
        if let Some((key, _)) = inside.node.0.entry("inputs") {
            at("yaml: a word for a map", key.place.line, 1, &|l| format!("{l} all"));
        }
    }
    made
}
