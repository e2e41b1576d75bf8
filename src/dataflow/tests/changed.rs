//! Changes made on the command line.

use super::{GOOD, shown, specs};
use crate::dataflow::check::check;
use crate::dataflow::document::Document;
use crate::dataflow::overrides::Override;
use crate::dataflow::resolve::resolve;

#[test]
fn a_wrong_change_is_shown_at_its_place() {
    let cases = [
        ("sorce.EPOCHS=3", 1, "no node `sorce`", "did you mean `source`?"),
        ("source.EPOCS=3", 8, "clip-source has no setting `EPOCS`", "did you mean `EPOCHS`?"),
        ("source.EPOCHS=many", 15, "`many` is no whole number", "EPOCHS: whole number"),
        ("model.VISUAL_ENCODER=swin-v2-tny", 22, "no encoder `swin-v2-tny`", "did you mean `swin-v2-"),
        ("source.WINDOW=60", 0, "", ""),
        ("model.BATCH", 11, "needs `=`", "node.KEY=value"),
        ("BATCH=4", 1, "begins with a node's id", "node.KEY=value"),
        ("source.WINDOW=3", 15, "WINDOW 3 of `source` is smaller than BATCH 4", "4 or more"),
    ];
    for (change, column, message, help) in cases {
        let found = check("flow.yml", GOOD, &[change.to_owned()], &specs::specs());
        if column == 0 {
            // A larger window makes every queue too small; those are findings of the file.
            assert!(
                found.iter().all(|d| d.file == "flow.yml" && d.message.contains("messages would be dropped")),
                "{}",
                shown(&found)
            );
            assert_eq!(found.len(), 7, "{}", shown(&found));
            continue;
        }
        let is_it = found.iter().any(|d| {
            d.file == format!("--set {change}")
                && (d.line, d.column) == (1, column)
                && d.message.contains(message)
                && d.help.as_ref().is_some_and(|h| h.contains(help))
        });
        assert!(is_it && found.len() == 1, "{change}\n{}", shown(&found));
    }
}

#[test]
fn ids_may_hold_dots_and_values_may_hold_equals_signs() {
    let read = Override::parse("my.node.ARGS=a=b").unwrap();
    assert_eq!((read.node.as_str(), read.key.as_str(), read.value.as_str()), ("my.node", "ARGS", "a=b"));
}

#[test]
fn the_resolved_dataflow_holds_the_changes_and_keeps_the_order() {
    let changes = ["source.EPOCHS=3", "spectrogram.SIZE=96", "model.METHOD=full", "model.BATCH=2", "model.BATCH=8"]
        .map(str::to_owned);
    let resolved = resolve("flow.yml", GOOD, &changes).unwrap();
    let document = Document::parse("resolved.yml", &resolved).unwrap();
    let value = |node: usize, key: &str| {
        let nodes = document.nodes();
        nodes[node].env().iter().find(|(k, _)| k.text() == Some(key)).and_then(|(_, v)| v.text()).map(str::to_owned)
    };
    assert_eq!(value(0, "EPOCHS").as_deref(), Some("3"));
    assert_eq!(value(2, "SIZE").as_deref(), Some("96"));
    assert_eq!(value(3, "METHOD").as_deref(), Some("full"));
    assert_eq!(value(3, "BATCH").as_deref(), Some("8"), "the last change counts");
    let ids: Vec<String> = document.nodes().iter().filter_map(|n| n.id_text().map(str::to_owned)).collect();
    assert_eq!(ids, ["source", "video", "spectrogram", "model", "loss", "report"]);
    assert!(resolved.contains("EPOCHS: 3\n"), "numbers stay numbers: {resolved}");
    assert!(check("resolved.yml", &resolved, &[], &specs::specs()).is_empty());
}

#[test]
fn what_cannot_be_read_is_not_resolved() {
    assert!(resolve("flow.yml", "nodes: [", &[]).is_err());
    assert!(resolve("flow.yml", GOOD, &["nobody.KEY=1".to_owned()]).is_err());
}
