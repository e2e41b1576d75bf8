//! No control character of a file's name or of a node's words reaches the terminal.

#![allow(clippy::disallowed_methods, reason = "files of a test")]

mod common;

use std::process::Stdio;
use std::sync::Mutex;

use common::{copl, run_with, text};

/// Runs one after the other: what a run leaves in shared memory is looked for while no other is there.
static ALONE: Mutex<()> = Mutex::new(());

/// Clears the screen, sets the window's title, goes back to the line's beginning.
const EVIL: &str = "a\u{1b}[2Jb\u{1b}]0;title\u{7}c\rd";
const SHOWN: &str = r"a\u{1b}[2Jb\u{1b}]0;title\u{7}c\rd";

fn assert_plain(said: &str, shown: &str) {
    assert!(!said.contains(|c: char| c.is_control() && c != '\n' && c != '\t'), "{said:?}");
    assert!(said.contains(shown), "{said}");
}

#[test]
fn a_nodes_lines_are_shown_as_they_are_written() {
    let _alone = ALONE.lock();
    let work = tempfile::tempdir().unwrap();
    let script = work.path().join("node.sh");
    let line = EVIL.replace('\u{1b}', r"\033").replace('\u{7}', r"\007").replace('\r', r"\r");
    let note = r#"copl-event {"event":"note","level":"warning","message":"n\u001b[31m"}"#;
    let node =
        format!("printf '{line}\\n'\nprintf '%s\\n' '{note}'\nexec {} node faulty\n", env!("CARGO_BIN_EXE_copl"));
    std::fs::write(&script, node).unwrap();
    for (fault, code) in [("none", 0), ("crash", 6)] {
        let middle = format!("path: sh\n    args: {}\n    env: {{ FAULT: {fault} }}", script.display());
        let (found, said, _) = run_with(&middle, &[]);
        assert_eq!(found, Some(code), "{said}");
        assert_plain(&said, SHOWN);
        assert_plain(&said, r"middle: warning: n\u{1b}[31m");
    }
}

#[test]
fn a_files_name_is_shown_as_it_is_written() {
    let _alone = ALONE.lock();
    let work = tempfile::tempdir().unwrap();
    let absent = work.path().join(EVIL);
    let refused = copl().arg("check").arg(&absent).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert_plain(&text(&refused), SHOWN);

    // A dataflow that is refused, with such a name in its lines too.
    let broken = work.path().join(format!("{EVIL}.yml"));
    std::fs::write(&broken, "nodes:\n  - id: \"a\\e[2Jb\"\n    pth: copl\n").unwrap();
    let refused = copl().arg("check").arg(&broken).output().unwrap();
    assert_eq!(refused.status.code(), Some(3), "{}", text(&refused));
    assert_plain(&text(&refused), SHOWN);

    // A run of such a file: what it says itself, and what the store says of it later.
    let flow = common::root().join("dataflows/ave-mini.yml");
    std::fs::write(&broken, std::fs::read_to_string(flow).unwrap()).unwrap();
    let runs = work.path().join("runs");
    let mut run = copl();
    run.args(["run", "--epochs", "1", "--runs"]).arg(&runs).arg(&broken);
    // An empty folder is no dataset: the run fails at once.
    run.arg("--set").arg(format!("source.ROOT={}", work.path().display()));
    let failed = run.env("XDG_CACHE_HOME", work.path()).stdin(Stdio::null()).output().unwrap();
    assert!(!failed.status.success());
    assert_plain(&text(&failed), SHOWN);
    for verb in [&["runs"][..], &["runs", "show"]] {
        let done = copl().args(verb).arg("--runs").arg(&runs).output().unwrap();
        assert!(done.status.success(), "{verb:?}: {}", text(&done));
        assert_plain(&text(&done), SHOWN);
    }
}
