//! Delivery: every message arrives, once, in order, in bounded memory, however slow the consumer is.

mod common;

use common::{copl, root, shared_memory, text};

#[test]
fn ten_thousand_tensors_reach_a_slow_consumer_without_a_gap() {
    let work = tempfile::tempdir().unwrap();
    let before = shared_memory();
    let done = copl()
        .args(["run", "--json", "--runs"])
        .arg(work.path())
        .arg(root().join("dataflows/bench-messages.yml"))
        .output()
        .unwrap();
    let said = text(&done);
    assert!(done.status.success(), "{said}");
    let note = said.lines().find(|l| l.contains("10000 tensors, 6000.0 MB")).unwrap_or_else(|| panic!("{said}"));
    let megabytes: f64 = note.split("at most ").nth(1).and_then(|r| r.split(' ').next()).unwrap().parse().unwrap();
    assert!(megabytes < 400.0, "the sink grew to {megabytes} MB");
    assert_eq!(shared_memory(), before, "files were left in shared memory");
}
