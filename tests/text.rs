//! What the command says, word for word: help, tables, drawings, and the errors of common slips, each in a file of
//! `tests/snapshots`.
//!
//! A change of words shows here as a difference: `INSTA_UPDATE=always cargo test --release --workspace --test text` takes it
//! over. What differs from machine to machine is replaced: folders and the version.

#![allow(clippy::disallowed_methods, reason = "files of a test")]

mod common;

use std::path::Path;

use common::{copl, root, text};

/// The command's words in a folder, and its exit code.
fn said_in(folder: &Path, args: &[&str]) -> String {
    let done =
        copl().args(args).current_dir(folder).env("COLUMNS", "100").env("XDG_CACHE_HOME", folder).output().unwrap();
    let code = done.status.code().unwrap();
    let mut said = text(&done);
    let folders = [(folder.display().to_string(), "[folder]"), (root().display().to_string(), "[copl]")];
    for (from, to) in
        folders.iter().map(|(from, to)| (from.as_str(), *to)).chain([(env!("CARGO_PKG_VERSION"), "[version]")])
    {
        said = said.replace(from, to);
    }
    format!("$ copl {}\n{}\n[{code}]", args.join(" "), said.trim_end())
}

/// One command after another, in a folder that holds a copy of the mini dataflow as `flow.yml`.
fn said(all: &[&[&str]]) -> String {
    let work = tempfile::tempdir().unwrap();
    let folder = work.path().canonicalize().unwrap();
    std::fs::copy(root().join("dataflows/ave-mini.yml"), folder.join("flow.yml")).unwrap();
    std::fs::write(folder.join("broken.yml"), BROKEN).unwrap();
    std::fs::write(folder.join("sweep.yml"), SWEEP).unwrap();
    let all: Vec<String> = all.iter().map(|args| said_in(&folder, args)).collect();
    all.join("\n\n")
}

/// A slip of each kind that is made by hand.
const BROKEN: &str = "\
nodes:
  - id: source
    path: copl
    args: node clip-sorce
    inputs:
      credits: report/credits
    outputs: [clips]
  - id: video
    path: copl
    args: node video-decoder
    env: { SIZ: 96, WORKERS: many }
    inputs:
      clips: { source: source/clip, queue_size: 16 }
    outputs: [frames]
  - id: report
    path: copl
    args: node report-writer
    input:
      rows: video/frames
";

const SWEEP: &str = "\
name: probes
title: Probes
dataflow: flow.yml
seeds: [1, 2]
cases:
  - name: CoPL
  - name: linear probe
    set: { model.METHOD: linear-probe }
";

#[test]
fn help() {
    insta::assert_snapshot!(said(&[&["--help"]]));
}

#[test]
fn help_of_verbs() {
    insta::assert_snapshot!(said(&[
        &["run", "--help"],
        &["resume", "--help"],
        &["runs", "--help"],
        &["report", "--help"],
        &["sweep", "--help"],
        &["check", "--help"],
    ]));
}

#[test]
fn nodes() {
    insta::assert_snapshot!(said(&[&["nodes"], &["nodes", "describe", "tensor-source"]]));
}

#[test]
fn a_broken_dataflow() {
    insta::assert_snapshot!(said(&[&["check", "flow.yml"], &["check", "broken.yml"], &["run", "broken.yml"]]));
}

#[test]
fn a_drawing() {
    insta::assert_snapshot!(said(&[&["graph", "flow.yml"]]));
}

#[test]
fn parameters() {
    insta::assert_snapshot!(said(&[&["params", "flow.yml"]]));
}

#[test]
fn exit_codes() {
    insta::assert_snapshot!(said(&[&["exit-codes"]]));
}

#[test]
fn a_sweep_that_is_not_made() {
    insta::assert_snapshot!(said(&[
        &["sweep", "sweep.yml", "--dry-run"],
        &["sweep", "sweep.yml", "--dry-run", "--json"]
    ]));
}

#[test]
fn slips() {
    insta::assert_snapshot!(said(&[
        &["rn", "flow.yml"],
        &["run"],
        &["run", "flow.yml", "--epoch", "3"],
        &["run", "flow.yml", "--epochs", "three"],
        &["run", "absent.yml"],
        &["run", "flow.yml", "--set", "modle.METHOD=copl"],
        &["run", "flow.yml", "--set", "model.METHD=copl"],
        &["run", "flow.yml", "--set", "model.METHOD=cop"],
        &["run", "flow.yml", "--set", "METHOD=copl"],
        &["nodes", "describe", "copl-modle"],
        &["weights", "verify", "swin-v2-nan"],
        &["resume", "last"],
        &["report", "last"],
        &["runs", "show", "abc"],
        &["sweep", "flow.yml"],
        &["data", "check", "ave-mimi", "."],
    ]));
}
