//! Mistakes in nodes: ids, kinds, programs, keys, whole nodes that are gone or there twice.

use super::good::{Good, Inside};
use super::{Mutant, slip};

pub(super) fn make(good: &Good) -> Vec<Mutant> {
    let nodes = good.nodes();
    let mut made = Vec::new();
    for (n, inside) in nodes.iter().enumerate() {
        made.extend(id(good, n, inside, nodes[(n + 1) % nodes.len()].id));
        made.extend(program(good, n, inside));
        made.extend(keys(good, n, inside));
        made.extend(whole(good, inside));
    }
    made
}

fn id(good: &Good, n: usize, Inside { node, id }: &Inside<'_>, other: &str) -> Vec<Mutant> {
    let at = &node.place();
    let readers = good.readers(id, None);
    let mutant = |kind, new: &str, lines: Vec<usize>| Mutant {
        kind,
        what: format!("{id} became {new}"),
        text: good.replaced(at, id, new),
        lines,
    };
    vec![
        // Which of the two is wrong cannot be known: the readers that find nobody are shown.
        mutant("node: id with a slip", &slip(id, n), [vec![at.line], readers].concat()),
        // The second of the two is shown.
        mutant(
            "node: id of another",
            other,
            good.nodes().iter().filter(|o| o.id == other || o.id == *id).map(|o| o.node.place().line).collect(),
        ),
        mutant("node: id with a blank", &format!("my {id}"), vec![at.line]),
        mutant("node: id with a slash", &format!("{id}/1"), vec![at.line]),
    ]
}

fn program(good: &Good, n: usize, Inside { node, id }: &Inside<'_>) -> Vec<Mutant> {
    let (args, path) = (node.0.get("args").unwrap(), node.0.get("path").unwrap());
    let (text, kind) = (args.text().unwrap(), node.kind().unwrap());
    let mutant = |sort, at: &super::super::super::document::Item, old: &str, new: &str| Mutant {
        kind: sort,
        what: format!("{id}: `{old}` became `{new}`"),
        text: good.replaced(&at.place, old, new),
        lines: vec![at.place.line],
    };
    let mut made = vec![
        mutant("node: kind with a slip", args, text, &format!("node {}", slip(kind, n))),
        mutant("node: program with a slip", path, "copl", ["cpol", "copll", "col"][n % 3]),
    ];
    match n % 3 {
        0 => made.push(mutant("node: kind without `node`", args, text, kind)),
        1 => made.push(mutant("node: `node` with a slip", args, text, &format!("ndoe {kind}"))),
        _ => made.push(mutant("node: more than the kind", args, text, &format!("{text} --fast"))),
    }
    let gone = |key: &str| Mutant {
        kind: "node: a key is left out",
        what: format!("{id}: {key}"),
        text: good.without(Good::key_line(*node, key)..=Good::key_line(*node, key)),
        lines: vec![node.place().line, node.place().line + 1],
    };
    made.push(gone("args"));
    made.push(gone("path"));
    made
}

fn keys(good: &Good, n: usize, Inside { node, id }: &Inside<'_>) -> Vec<Mutant> {
    let mut made = Vec::new();
    for (m, (key, _)) in node.0.entries().iter().enumerate() {
        let name = key.text().unwrap();
        let new = slip(name, n + m);
        // Without its id or path a node is seen as another one; that is said in the same line.
        made.push(Mutant {
            kind: "node: key with a slip",
            what: format!("{id}: {name} became {new}"),
            text: good.replaced(&key.place, name, &new),
            lines: vec![key.place.line],
        });
    }
    let twice = [good.line(Good::key_line(*node, "args"))];
    made.push(Mutant {
        kind: "node: a key twice",
        what: format!("{id}: args"),
        text: good.with_behind(Good::key_line(*node, "args"), &twice),
        lines: vec![Good::key_line(*node, "args") + 1],
    });
    if let Some(value) = node.0.get("shared_memory_pool_size") {
        let text = value.text().unwrap();
        for new in ["big", "-64MB", "64 M B"] {
            made.push(Mutant {
                kind: "node: no size of a pool",
                what: format!("{id}: {new}"),
                text: good.replaced(&value.place, text, new),
                lines: vec![value.place.line],
            });
        }
    }
    made
}

fn whole(good: &Good, Inside { node, id }: &Inside<'_>) -> Vec<Mutant> {
    let extent = good.extent(*node);
    let (first, last) = (*extent.start(), *extent.end());
    let moved = |line: usize| if line > last { line - (last - first + 1) } else { line };
    let copy: Vec<String> = extent.clone().map(|l| good.line(l)).collect();
    // Who reads it, and whose outputs nobody reads without it.
    let givers: Vec<usize> = good
        .inputs()
        .iter()
        .filter(|(n, _)| n.id_text() == Some(*id))
        .filter_map(|(_, i)| i.from())
        .flat_map(|(from, _)| {
            good.nodes()
                .iter()
                .filter(|g| g.id == from)
                .flat_map(|g| g.node.outputs().iter().map(|o| o.place.line).collect::<Vec<_>>())
                .collect::<Vec<_>>()
        })
        .collect();
    let lines = good.readers(id, None).into_iter().chain(givers).map(moved).collect();
    vec![
        Mutant { kind: "node: gone", what: (*id).to_owned(), text: good.without(extent), lines },
        Mutant {
            kind: "node: there twice",
            what: (*id).to_owned(),
            text: good.with_behind(last, &copy),
            lines: vec![last + 1],
        },
    ]
}
