//! One fault a test: how a run ends when a node crashes, hangs, leaves, or sends what it should not.
//!
//! Three nodes: a source, one in the middle that fails, a sink. Every fault ends in a documented exit code, in time, with
//! words that name the node and the cause, and leaves nothing behind.

mod common;

use std::time::Duration;

use common::run_with;

/// A node of this program in the middle, that does `fault`.
fn faulty(fault: &str) -> String {
    format!("path: copl\n    args: node faulty\n    env: {{ FAULT: {fault} }}")
}

/// A program in the middle that is no node at all.
fn shell(script: &str) -> String {
    format!("path: sh\n    args: -c \"{script}\"")
}

fn assert_ends(middle: &str, more: &[&str], code: i32, words: &[&str]) {
    let (found, said, took) = run_with(middle, more);
    assert_eq!(found, Some(code), "{said}");
    assert!(words.iter().all(|word| said.contains(word)), "{words:?} in {said}");
    assert!(took < Duration::from_secs(25), "it took {took:?}: {said}");
}

#[test]
fn without_a_fault_all_goes_well() {
    assert_ends(&faulty("none"), &[], 0, &["20 tensors"]);
}

#[test]
fn a_crash_before_a_node_is_ready() {
    assert_ends(&shell("echo out of luck >&2; exit 3"), &[], 5, &["node `middle`", "out of luck"]);
}

#[test]
fn a_crash_in_the_stream() {
    assert_ends(&faulty("crash"), &[], 6, &["node `middle` was killed by SIGABRT"]);
}

#[test]
fn a_panic_in_the_stream() {
    assert_ends(&faulty("panic"), &[], 5, &["node `middle` failed", "a panic, as FAULT asks for"]);
}

#[test]
fn a_node_that_never_gets_ready() {
    let words = ["node `middle` was not ready within 3 s (--start-timeout)"];
    assert_ends(&shell("exec sleep 1000"), &["--start-timeout", "3"], 7, &words);
}

#[test]
fn a_node_that_computes_for_ever() {
    assert_ends(&faulty("hang"), &["--hang-timeout", "3"], 7, &["node `middle` hangs: `working` for more than 3 s"]);
}

#[test]
fn a_node_that_leaves_too_soon_in_good_order() {
    assert_ends(&faulty("exit"), &[], 5, &["node `middle` left with exit code 0 before the end of its streams"]);
    assert_ends(&shell("exit 0"), &[], 5, &["node `middle` left with exit code 0 before the end of its streams"]);
}

#[test]
fn a_slow_start_is_waited_for() {
    let slow = shell(&format!("sleep 4; exec {} node faulty", env!("CARGO_BIN_EXE_copl")));
    let (code, said, took) = run_with(&slow, &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("20 tensors") && took > Duration::from_secs(4), "{took:?} {said}");
}

#[test]
fn what_is_no_message() {
    assert_ends(&faulty("garbage"), &[], 8, &["node `sink` failed: edge tensors", "header `copl_version` is missing"]);
}

#[test]
fn a_message_of_another_schema() {
    assert_ends(
        &faulty("wrong-schema"),
        &[],
        8,
        &["node `sink` failed: edge tensors", "a `tensor` message has the columns"],
    );
}

#[test]
fn a_lost_message() {
    assert_ends(
        &faulty("drop"),
        &[],
        8,
        &["node `sink` failed: edge tensors: 1 message(s) lost: expected number 3, got 4"],
    );
}

#[test]
fn a_message_that_comes_twice() {
    let words = ["node `sink` failed: edge tensors: message 2 arrived twice"];
    assert_ends(&faulty("repeat"), &[], 8, &words);
}
