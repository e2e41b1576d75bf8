//! The same dataflow under dora's own coordinator and two daemons on loopback. Runs where dora's command is installed
//! (`pip install dora-rs-cli==1.1.0`), and says so where it is not.

mod common;

use std::process::Command;

use common::{root, text};

#[test]
fn two_daemons_on_loopback_run_the_mini_dataflow() {
    if !Command::new("dora").arg("--version").output().is_ok_and(|o| o.status.success()) {
        println!("SKIPPED: dora's command is not installed");
        return;
    }
    let work = tempfile::tempdir().unwrap();
    let done = Command::new("bash").arg(root().join("scripts/two-daemons")).arg(work.path()).output().unwrap();
    let said = text(&done);
    assert!(done.status.success(), "{said}");
    assert!(work.path().join("report/metrics.parquet").is_file(), "{said}");
}
