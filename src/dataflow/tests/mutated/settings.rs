//! Mistakes in settings: names, words, numbers, types, and what must be given.

use super::super::super::document::{Item, Node};
use super::good::Good;
use super::{Mutant, slip};

/// Settings whose value may have either sign.
const SIGNED: [&str; 1] = ["MEAN"];
/// Settings for which 0 means something.
const MAY_BE_ZERO: [&str; 12] = [
    "MARGIN_SECS",
    "CONSISTENCY",
    "ANSWER",
    "MATCH",
    "DELAY_MS",
    "EPOCHS",
    "LR_PROMPTS",
    "LR_HEAD",
    "MEAN",
    "GLOBAL_LEN",
    "INTERACTION_LEN",
    "NEGATIVES",
];
/// Settings of any text, and so of any number.
const TEXTS: [&str; 3] = ["ROOT", "VISUAL_WEIGHTS", "SAVE_ENCODER"];

pub(super) fn make(good: &Good) -> Vec<Mutant> {
    let mut made = Vec::new();
    for (n, (node, key, value)) in good.settings().into_iter().enumerate() {
        let (name, text) = (key.text().unwrap(), value.text().unwrap());
        let mut mutant = |kind, at: &Item, old: &str, new: &str| {
            let id = node.id_text().unwrap();
            made.push(Mutant {
                kind,
                what: format!("{id}.{name}: `{old}` became `{new}`"),
                text: good.replaced(&at.place, old, new),
                lines: vec![at.place.line],
            });
        };
        mutant("setting: name with a slip", key, name, &slip(name, n));
        if n % 3 == 0 {
            mutant("setting: name in small letters", key, name, &name.to_lowercase());
        }
        if text.parse::<f64>().is_ok() {
            number(n, name, value, text, &mut mutant);
        } else {
            mutant("setting: word with a slip", value, text, &slip(text, n));
            if !TEXTS.contains(&name) {
                mutant("setting: a number for a word", value, text, "7");
                mutant("setting: a list for a word", value, text, &format!("[{text}]"));
            }
        }
    }
    made.extend(removed(good));
    made
}

fn number(n: usize, name: &str, value: &Item, text: &str, mutant: &mut impl FnMut(&'static str, &Item, &str, &str)) {
    mutant("setting: a word for a number", value, text, ["ten", "many", "big"][n % 3]);
    match n % 4 {
        0 => mutant("setting: a unit behind a number", value, text, &format!("{text}px")),
        1 => mutant("setting: a list for a number", value, text, &format!("[{text}]")),
        2 => mutant("setting: a map for a number", value, text, &format!("{{ value: {text} }}")),
        _ => mutant(
            "setting: letters for digits",
            value,
            text,
            &text
                .replace('0', "O")
                .replace('1', "l")
                .replace('2', "z")
                .replace(['3', '4', '5', '6', '7', '8', '9'], "o"),
        ),
    }
    if !SIGNED.contains(&name) && !text.starts_with('-') {
        let negative = if text.parse() == Ok(0.0) { "-1".to_owned() } else { format!("-{text}") };
        mutant("setting: a negative number", value, text, &negative);
    }
    if !MAY_BE_ZERO.contains(&name) && text != "0" {
        mutant("setting: zero", value, text, "0");
    }
    if text.contains('.') {
        mutant("setting: a comma in a number", value, text, &format!("\"{}\"", text.replace('.', ",")));
    } else if !["MARGIN_SECS", "EXTRACT_FPS", "CLIP_SECS", "DELAY_MS", "CONSISTENCY", "ANSWER", "MATCH"].contains(&name)
    {
        mutant("setting: a fraction for a whole number", value, text, &format!("{text}.5"));
    }
}

/// Settings that must be given, left out.
fn removed(good: &Good) -> Vec<Mutant> {
    let needed = |key: &str| ["DATASET", "ROOT", "ARCH"].contains(&key);
    let mut made = Vec::new();
    for (node, key, value) in good.settings().into_iter().filter(|(_, key, _)| needed(key.text().unwrap())) {
        let (name, text) = (key.text().unwrap(), value.text().unwrap());
        let pair = format!("{name}: {text}");
        let change = |line: &str| {
            assert!(line.contains(&pair), "{line}");
            line.replace(&format!("{pair}, "), "").replace(&pair, "")
        };
        made.push(Mutant {
            kind: "setting: a needed one is left out",
            what: format!("{}.{name}", node.id_text().unwrap()),
            text: good.rewritten(key.place.line, change),
            lines: lines(node),
        });
    }
    made
}

fn lines(node: Node<'_>) -> Vec<usize> {
    vec![node.place().line, Good::key_line(node, "env")]
}
