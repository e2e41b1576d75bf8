//! A node that takes more memory than there is: the command says so, and what to lower.

#![allow(clippy::disallowed_methods, reason = "files of a test")]

mod common;

use std::path::{Path, PathBuf};
use std::time::Duration;

use common::{alone, mini_run, run_folder, run_with, text, tiny_ave};

/// A run with a node that swells, started by a shell that bounds its memory.
fn swell(bound: &str) -> (Option<i32>, String) {
    let program = env!("CARGO_BIN_EXE_copl");
    let middle = format!("path: sh\n    args: -c \"{bound}; exec {program} node faulty\"\n    env: {{ FAULT: swell }}");
    let (code, said, _) = run_with(&middle, &[]);
    (code, said)
}

#[test]
fn an_allocation_that_is_refused() {
    let (code, said) = swell("ulimit -v 3500000");
    assert_eq!(code, Some(6), "{said}");
    for words in [
        "node `middle` was killed by SIGABRT",
        "memory ran out in `middle`: the system refused 67108864 bytes more",
        "lower WINDOW (8) of `source`",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
}

/// A control group of little memory; removed when dropped.
struct Group(PathBuf);

impl Group {
    /// None, with a line that says so, where none can be made.
    fn of_bytes(bytes: u64) -> Option<Self> {
        let version_1 = Path::new("/sys/fs/cgroup/memory");
        let (folder, limit) = if version_1.exists() {
            (version_1.join("copl-test"), "memory.limit_in_bytes")
        } else {
            (PathBuf::from("/sys/fs/cgroup/copl-test"), "memory.max")
        };
        let made = std::fs::create_dir(&folder).and_then(|()| std::fs::write(folder.join(limit), bytes.to_string()));
        match made {
            Ok(()) => Some(Self(folder)),
            Err(e) => {
                println!("SKIPPED: no control group can be made here: {e}");
                let _ = std::fs::remove_dir(&folder);
                None
            }
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Its processes take a moment to be gone.
        for _ in 0..50 {
            if std::fs::remove_dir(&self.0).is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn a_node_that_the_kernel_kills_for_its_memory() {
    let Some(group) = Group::of_bytes(400 << 20) else { return };
    let (code, said) = swell(&format!("echo $$ > {}/cgroup.procs", group.0.display()));
    assert_eq!(code, Some(6), "{said}");
    for words in [
        "node `middle` was killed by SIGKILL",
        "memory ran out in `middle`: the kernel killed it to free memory",
        "lower WINDOW (8) of `source`",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
}

#[test]
fn numbers_that_are_not_finite_stop_the_run_and_the_record_names_the_clips() {
    let _alone = alone();
    let work = tempfile::tempdir().unwrap();
    let set = ["--epochs", "2", "--set", "model.LR_HEAD=1e38", "--set", "model.SCHEDULE=constant"];
    let done = mini_run(tiny_ave(), work.path(), &set).output().unwrap();
    let said = text(&done);
    assert_eq!(done.status.code(), Some(12), "{said}");
    let record = std::fs::read_to_string(run_folder(work.path()).join("run.json")).unwrap();
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    let message = record["outcome"]["message"].as_str().unwrap_or_default();
    assert!(message.contains("clips ") && message.contains("lower the learning rates"), "{record}");
    // An id is its video's and its row's.
    let (_, clips) = message.split_once("clips ").unwrap();
    let clips: Vec<&str> = clips.split(": lower").next().unwrap().split(", ").collect();
    assert!(!clips.is_empty() && clips.iter().all(|clip| clip.contains('#')), "{clips:?}");
}
