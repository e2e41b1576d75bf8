//! The same dataflow under dora's own coordinator and two daemons on loopback. Runs where dora's command is installed
//! (`pip install dora-rs-cli==1.1.0`), and says so where it is not.

mod common;

use std::process::Command;

use common::{alone, root, text};

/// Runs a dataflow so, unless dora's command is missing.
fn assert_runs(flow: &str) {
    if !Command::new("dora").arg("--version").output().is_ok_and(|o| o.status.success()) {
        println!("SKIPPED: dora's command is not installed");
        return;
    }
    // One coordinator's port serves both tests.
    let _alone = alone();
    let work = tempfile::tempdir().unwrap();
    let script = root().join("scripts/two-daemons");
    let done = Command::new("bash")
        .env("COPL", env!("CARGO_BIN_EXE_copl"))
        .arg(script)
        .arg(work.path())
        .arg(root().join(flow))
        .output()
        .unwrap();
    let said = text(&done);
    assert!(done.status.success(), "{said}");
    assert!(work.path().join("report/metrics.parquet").is_file(), "{said}");
}

#[test]
fn two_daemons_on_loopback_run_the_mini_dataflow() {
    assert_runs("dataflows/ave-mini.yml");
}

#[test]
fn two_daemons_on_loopback_run_encoders_of_their_own() {
    assert_runs("dataflows/ave-mini-split.yml");
}
