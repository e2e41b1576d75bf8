//! Mistakes in inputs, outputs and queues.

use super::super::super::document::{Input, Item, Node};
use super::good::Good;
use super::{Mutant, slip};

/// An input its node can do without.
fn is_optional(node: Node<'_>, input: &str) -> bool {
    node.kind() == Some("loss-metrics") && input == "frames"
}

pub(super) fn make(good: &Good) -> Vec<Mutant> {
    let mut made = Vec::new();
    for (n, (node, input)) in good.inputs().into_iter().enumerate() {
        made.extend(of_input(good, n, node, input));
        made.extend(of_options(good, n, node, input));
    }
    for (n, inside) in good.nodes().iter().enumerate() {
        for output in inside.node.outputs() {
            made.extend(of_output(good, n, inside.node, output));
        }
    }
    made
}

fn of_input(good: &Good, n: usize, node: Node<'_>, input: Input<'_>) -> Vec<Mutant> {
    let (id, name, source) = (node.id_text().unwrap(), input.name.text().unwrap(), input.source().unwrap());
    let text = source.text().unwrap();
    let (from, output) = input.from().unwrap();
    let line = input.name.place.line;
    let mutant = |kind, what: String, text: String, lines: Vec<usize>| Mutant {
        kind,
        what: format!("{id}, input {name}: {what}"),
        text,
        lines,
    };
    let source_is =
        |kind, new: String| mutant(kind, format!("source {new}"), good.replaced(&source.place, text, &new), vec![line]);
    let mut made = vec![
        source_is("source: node with a slip", format!("{}/{output}", slip(from, n))),
        source_is("source: output with a slip", format!("{from}/{}", slip(output, n + 1))),
    ];
    match n % 5 {
        0 => made.push(source_is("source: a dot for the slash", format!("{from}.{output}"))),
        1 => made.push(source_is("source: the node alone", from.to_owned())),
        2 => {
            made.push(source_is("source: the node's own output", format!("{id}/{}", node.outputs()[0].text().unwrap())))
        }
        3 => made.push(source_is("source: a node of another kind", "loss/gradients".to_owned())),
        _ => made.push(source_is("source: the wrong way round", format!("{output}/{from}"))),
    }
    if made.last().is_some_and(|m| m.text == good.text) {
        made.pop();
    }
    // Behind `report_` any name will do.
    let (head, tail) = name.split_once('_').map_or((name, ""), |(head, _)| (head, &name[head.len()..]));
    let new = format!("{}{tail}", slip(head, n));
    made.push(mutant("input: name with a slip", new.clone(), good.replaced(&input.name.place, name, &new), vec![line]));
    if !is_optional(node, name) {
        // What is not read any more is said where it is declared.
        let giver = good.nodes().into_iter().find(|g| g.id == from).unwrap();
        let given: Vec<usize> = giver.node.outputs().iter().map(|o| o.place.line).collect();
        let lines = [
            vec![node.place().line, Good::key_line(node, "inputs")],
            given.iter().map(|l| if *l > line { l - 1 } else { *l }).collect(),
        ]
        .concat();
        let kind = if name == "credits" { "input: the credits are left out" } else { "input: left out" };
        made.push(mutant(kind, "removed".to_owned(), good.without(line..=line), lines));
    }
    if n.is_multiple_of(4) {
        let twice = [good.line(line)];
        made.push(mutant("input: twice", "twice".to_owned(), good.with_behind(line, &twice), vec![line + 1]));
        let colon = good.rewritten(line, |l| l.replacen(": {", " {", 1));
        made.push(mutant("yaml: a colon is missing", "no colon".to_owned(), colon, vec![line, line + 1]));
    }
    made
}

fn of_options(good: &Good, n: usize, node: Node<'_>, input: Input<'_>) -> Vec<Mutant> {
    let (id, name) = (node.id_text().unwrap(), input.name.text().unwrap());
    let Some((key, size)) = input.value.entry("queue_size") else { return Vec::new() };
    let (line, text) = (key.place.line, size.text().unwrap());
    let mutant = |kind, at: &Item, old: &str, new: &str| Mutant {
        kind,
        what: format!("{id}, input {name}: `{old}` became `{new}`"),
        text: good.replaced(&at.place, old, new),
        lines: vec![line],
    };
    let mut made = vec![mutant("queue: too small", size, text, ["2", "1", "4"][n % 3])];
    // More than the window of eight clips, less than a message for each of the 24 blocks.
    if good.file == "ave-split.yml" && ["requests", "visual", "audio"].contains(&name) {
        made.push(mutant("queue: too small for an encoder", size, text, "20"));
    }
    let key_is = ["queue_sise", "queuesize", "queue-size", "quene_size", "size"][n % 5];
    made.push(mutant("queue: key with a slip", key, "queue_size", key_is));
    let value = ["many", "-32", "0", "3.5", "[32]", "32 messages"][n % 6];
    made.push(mutant("queue: no whole number", size, text, value));
    let (source, _) = input.value.entry("source").unwrap();
    if n.is_multiple_of(3) {
        made.push(mutant("input: `source` with a slip", source, "source", ["sorce", "src", "from"][n % 9 / 3]));
    }
    if n.is_multiple_of(7) {
        made.push(mutant("queue: unknown policy", size, text, &format!("{text}, queue_policy: drop_newest")));
    }
    made
}

fn of_output(good: &Good, n: usize, node: Node<'_>, output: &Item) -> Vec<Mutant> {
    let (id, name, line) = (node.id_text().unwrap(), output.text().unwrap(), output.place.line);
    let readers = good.readers(id, Some(name));
    let renamed = Mutant {
        kind: "output: name with a slip",
        what: format!("{id}: output {name}"),
        text: good.replaced(&output.place, name, &slip(name, n)),
        lines: vec![line],
    };
    let removed = good.rewritten(line, |l| {
        let (before, list) = l.split_once('[').unwrap();
        let names: Vec<&str> = list.trim_end_matches(']').split(", ").filter(|o| *o != name).collect();
        format!("{before}[{}]", names.join(", "))
    });
    let removed = Mutant {
        kind: "output: left out",
        what: format!("{id}: output {name}"),
        text: removed,
        lines: [vec![line], readers].concat(),
    };
    vec![renamed, removed]
}
