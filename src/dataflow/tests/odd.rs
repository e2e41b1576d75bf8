//! Any text in the place of a dataflow: findings with a place in it, or none; never a crash.

use std::time::{Duration, Instant};

use copl_testing::mutate;

use super::super::check::check;
use super::super::document::Document;
use super::super::resolve::resolve;

/// Checks and resolves a text, as the command does.
fn look(text: &str) {
    let specs = crate::catalog::specs();
    let lines = text.lines().count().max(1);
    let begun = Instant::now();
    for found in check("flow.yml", text, &[], &specs) {
        assert!((1..=lines).contains(&found.line) && found.column >= 1, "{found:?}: of {lines} lines");
        assert!(found.render(true).contains("flow.yml:"));
    }
    for overrides in [&[][..], &["source.EPOCHS=3".to_owned()]] {
        if let Ok(resolved) = resolve("flow.yml", text, overrides) {
            assert!(Document::parse("resolved.yml", &resolved).is_ok(), "{resolved}");
        }
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "it took {:?}", begun.elapsed());
}

#[test]
fn changed_dataflows_are_checked_or_refused() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("dataflows");
    let names = ["ave-mini.yml", "ave-split.yml", "music-avqa.yml", "bench-messages.yml"];
    let seeds: Vec<Vec<u8>> = names.iter().map(|name| std::fs::read(folder.join(name)).unwrap()).collect();
    let words = [
        ": ",
        "- ",
        "{",
        "}",
        "[",
        "]",
        "\n",
        "\t",
        "&a ",
        "*a",
        "!!int ",
        "? ",
        "| ",
        "> ",
        "---\n",
        "...\n",
        "\"",
        "'",
        "<<: ",
        "~",
        "#",
        "%YAML 1.2\n",
        "\u{feff}",
        "\u{85}",
        "\u{2028}",
        "é",
        "\0",
        "null",
        "0x7f",
        ".inf",
        "dora/timer/hz/",
    ];
    mutate::each(1500, &seeds, &words, |bytes| look(&String::from_utf8_lossy(bytes)));
}

#[test]
fn nesting_without_end_is_refused() {
    for text in [
        "[".repeat(100_000),
        "{a: ".repeat(100_000),
        format!("nodes: {}", "- ".repeat(50_000)),
        (0..3000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect(),
        format!("nodes:\n  - id: a\n    path: copl\n    env: {}1{}\n", "[".repeat(20_000), "]".repeat(20_000)),
    ] {
        look(&text);
    }
}

#[test]
fn aliases_that_double_what_they_stand_for_are_refused() {
    let mut text = "a0: &a0 [x, x]\n".to_owned();
    for depth in 1..40 {
        text += &format!("a{depth}: &a{depth} [*a{0}, *a{0}]\n", depth - 1);
    }
    look(&text);
    look(&format!("{text}nodes: *a39\n"));
}
