//! Delivery: every message arrives, once, in order, in bounded memory, however slow the consumer is.

#![allow(clippy::disallowed_methods, reason = "files of a test")]

mod common;

use std::process::Stdio;
use std::time::Duration;

use common::{alone, children, copl, root, shared_memory, signal, text, wait};
use nix::sys::signal::Signal;

#[test]
fn ten_thousand_tensors_reach_a_slow_consumer_without_a_gap() {
    let _alone = alone();
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

/// A laptop that sleeps, a machine that is starved: consumer and producer stop, and go on. Whatever the transport's watchdogs
/// make of it, no message may be given up.
#[test]
fn a_pause_of_both_ends_loses_nothing() {
    let _alone = alone();
    let work = tempfile::tempdir().unwrap();
    let flow = work.path().join("paused.yml");
    let yaml = std::fs::read_to_string(root().join("dataflows/bench-messages.yml")).unwrap();
    std::fs::write(&flow, yaml.replace("DELAY_MS: 1", "DELAY_MS: 0")).unwrap();
    let mut command = copl();
    command.args(["run", "--json", "--runs"]).arg(work.path()).arg(&flow);
    let mut run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let ms = |n| std::thread::sleep(Duration::from_millis(n));
    let mut pauses = 0;
    while pauses < 6 && run.try_wait().unwrap().is_none() {
        ms(100);
        let nodes = children(run.id());
        let of = |name: &str| nodes.iter().find(|(_, line)| line.contains(name)).map(|(pid, _)| *pid);
        let (Some(source), Some(sink)) = (of("tensor-source"), of("tensor-sink")) else { continue };
        signal(sink, Signal::SIGSTOP);
        ms(20);
        for _ in 0..8 {
            signal(source, Signal::SIGSTOP);
            ms(160);
            signal(source, Signal::SIGCONT);
            ms(20);
        }
        signal(sink, Signal::SIGCONT);
        pauses += 1;
    }
    let (done, _) = wait(run, Duration::from_secs(120));
    let said = text(&done);
    assert!(done.status.success() && said.contains("10000 tensors"), "{said}");
    assert!(pauses > 2, "the run was over after {pauses} pauses");
}
