//! A node's word for its process id is believed where that process is one of the run's, and nowhere else.

#![allow(clippy::disallowed_methods, reason = "files of a test")]

mod common;

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use common::run_with;

#[test]
fn a_process_that_a_node_points_at_is_left_alone() {
    let work = tempfile::tempdir().unwrap();
    let mut stranger = Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().unwrap();
    // It says that it is the stranger; its own word is kept from the command.
    let script = work.path().join("node.sh");
    let claim = format!(r#"copl-event {{"event":"started","pid":{}}}"#, stranger.id());
    let node =
        format!("echo '{claim}'\n{} node faulty | grep --line-buffered -v started\n", env!("CARGO_BIN_EXE_copl"));
    std::fs::write(&script, node).unwrap();
    let (found, said, _) = run_with(&format!("path: sh\n    args: {}", script.display()), &[]);
    assert_eq!(found, Some(0), "{said}");
    if let Some(end) = stranger.try_wait().unwrap() {
        panic!("the run ended a process that is none of its own, by signal {:?}: {said}", end.signal());
    }
    assert!(said.contains("which is none of this run's"), "{said}");
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}
