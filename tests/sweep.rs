//! A sweep, end to end: runs, a table, a figure; what is done is not run again, what was cut goes on, and no run outlives its
//! sweep.

#![allow(clippy::disallowed_methods, reason = "files of a test")]

mod common;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{copl, processes_of, root, signal, text, tiny_ave, wait};
use copl_reports::{Status, Store};
use nix::sys::signal::Signal;

fn sweep(work: &Path, more: &[&str]) -> String {
    let done = command(work, tiny_ave(), more).output().unwrap();
    assert!(done.status.success(), "{}", text(&done));
    String::from_utf8(done.stdout).unwrap()
}

fn command(work: &Path, data: &Path, more: &[&str]) -> Command {
    let file = work.join("small.yml");
    let yaml = format!(
        "name: small\ntitle: Small\ndataflow: {}\nseeds: [1, 2]\ncolumns: [additional, memory]\n\
         set: {{ source.EPOCHS: 1, source.LIMIT_CLIPS: 4, source.ROOT: {} }}\n\
         cases:\n  - name: CoPL\n  - name: linear probe\n    set: {{ model.METHOD: linear-probe }}\n",
        root().join("dataflows/ave-mini.yml").display(),
        data.display()
    );
    std::fs::write(&file, yaml).unwrap();
    let mut command = copl();
    command.arg("sweep").arg(&file).arg("--runs").arg(work.join("runs")).args(more);
    command.env("XDG_CACHE_HOME", work.join("cache"));
    command
}

/// Waits until it is so.
fn until(what: &str, limit: Duration, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < limit, "{what}: not after {limit:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The last checkpoint of the one run.
fn checkpoint(work: &Path) -> Option<String> {
    let runs = std::fs::read_dir(work.join("runs")).ok()?.flatten();
    runs.into_iter().find_map(|run| std::fs::read_to_string(run.path().join("resume/LATEST")).ok())
}

#[test]
fn a_sweep_runs_what_is_missing_and_tabulates_all() {
    let work = tempfile::tempdir().unwrap();
    let first = sweep(work.path(), &["--seeds", "1"]);
    assert!(first.starts_with("Small: 2 runs, 0 done, 2 to run"), "{first}");
    let second = sweep(work.path(), &[]);
    assert!(second.starts_with("Small: 4 runs, 2 done, 2 to run"), "{second}");
    // Nothing but JSON, however much there is to say.
    let dry: serde_json::Value = serde_json::from_str(&sweep(work.path(), &["--json", "--dry-run"])).unwrap();
    assert_eq!((dry["runs"].as_u64(), dry["open"].as_array().map(Vec::len)), (Some(4), Some(0)), "{dry}");
    let third = sweep(work.path(), &["--json"]);
    let table: serde_json::Value = serde_json::from_str(&third).unwrap();
    let cases = table["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 2);
    for case in cases {
        let runs = case["runs"].as_array().unwrap();
        let values: Vec<f64> = runs.iter().map(|r| r["value"].as_f64().unwrap()).collect();
        assert_eq!(values.len(), 2);
        assert!((case["mean"].as_f64().unwrap() - (values[0] + values[1]) / 2.0).abs() < 1e-9);
        assert!(case["columns"][1].as_f64().unwrap() > 10.0, "megabytes of the model's process");
    }
    assert!(cases[0]["columns"][0].as_f64() > cases[1]["columns"][0].as_f64(), "prompts learn, a probe has none");
    let out = work.path().join("runs/sweeps/small");
    for file in ["table.md", "table.json", "figure.svg", "figure.png"] {
        assert!(out.join(file).is_file(), "{file}");
    }
    assert_eq!(copl_reports::Store::new(work.path().join("runs")).list().unwrap().len(), 4);
}

#[test]
fn a_sweep_that_is_cut_leaves_no_run_behind_and_goes_on_where_it_was() {
    let work = tempfile::tempdir().unwrap();
    let more = ["--seeds", "1", "--jobs", "1", "--set", "source.EPOCHS=8", "--set", "model.CHECKPOINT_STEPS=1"];
    let mut before = None;
    for (cuts, end) in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGKILL].into_iter().enumerate() {
        let mut command = command(work.path(), tiny_ave(), &more);
        let mut run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let went_on = |run: &mut std::process::Child| {
            assert!(run.try_wait().unwrap().is_none(), "{end}: it ended before it was cut");
            checkpoint(work.path()) != before
        };
        until("a new checkpoint", Duration::from_secs(90), || went_on(&mut run));
        // The sweep alone is told: its runs are its own affair.
        signal(run.id(), end);
        let (output, _) = wait(run, Duration::from_secs(30));
        assert_eq!(output.status.code(), (end != Signal::SIGKILL).then_some(130), "{end}: {}", text(&output));
        let runs = work.path().join("runs");
        until(&format!("{end}: nothing left"), Duration::from_secs(10), || processes_of(&runs).is_empty());
        before = checkpoint(work.path());
        assert!(before.is_some(), "{end}: its checkpoint is kept");
        let dry = String::from_utf8(command_dry(work.path(), &more)).unwrap();
        assert!(dry.starts_with("Small: 2 runs, 0 done, 2 to run, 1 of them from where they were cut\n"), "{dry}");
        let begun = Store::new(&runs).list().unwrap();
        let [one] = &begun[..] else { panic!("{end}: another run was begun") };
        assert!(dry.contains(&format!("copl resume {}", one.id)), "{dry}");
        let record = one.read_record().unwrap();
        assert_eq!(record.resumed.len(), cuts, "{end}");
    }
    let said = sweep(work.path(), &more);
    let runs = Store::new(work.path().join("runs")).list().unwrap();
    assert_eq!(runs.len(), 2, "{said}");
    let record = runs[0].read_record().unwrap();
    assert_eq!((runs[0].status(&record), record.resumed.len()), (Status::Finished, 3), "{said}");
    assert!(record.resumed.iter().all(|r| r.from.starts_with("place-")), "{:?}", record.resumed);
}

fn command_dry(work: &Path, more: &[&str]) -> Vec<u8> {
    let done = command(work, tiny_ave(), &[more, &["--dry-run"]].concat()).output().unwrap();
    assert!(done.status.success(), "{}", text(&done));
    done.stdout
}

#[test]
fn a_run_that_cannot_be_started_takes_the_others_with_it() {
    let work = tempfile::tempdir().unwrap();
    // In the place of the second run's log lies a folder.
    let logs = work.path().join("runs/sweeps/small/logs");
    std::fs::create_dir_all(logs.join("001.log")).unwrap();
    let more = ["--seeds", "1", "--jobs", "2", "--set", "source.EPOCHS=500"];
    let run = command(work.path(), tiny_ave(), &more).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (output, _) = wait(run, Duration::from_secs(90));
    let left = processes_of(&work.path().join("runs"));
    left.iter().for_each(|(pid, _)| signal(*pid, Signal::SIGKILL));
    assert!(left.is_empty(), "left behind: {left:?}");
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("001.log"), "{}", text(&output));
}

#[test]
fn a_run_on_other_data_is_not_taken_for_done() {
    let work = tempfile::tempdir().unwrap();
    let data = work.path().join("data");
    let made =
        copl().args(["data", "synth", "ave", "--train", "4", "--val", "2", "--test", "2", "--out"]).arg(&data).output();
    assert!(made.unwrap().status.success());
    let sweep = |more: &[&str]| {
        let done = command(work.path(), &data, more).output().unwrap();
        assert!(done.status.success(), "{}", text(&done));
        String::from_utf8(done.stdout).unwrap()
    };
    let runs = ["--seeds", "1", "--jobs", "1"];
    sweep(&runs);
    let dry = [&runs[..], &["--dry-run"]].concat();
    assert!(sweep(&dry).starts_with("Small: 2 runs, 2 done, 0 to run"));
    // The same place, other clips.
    let list = std::fs::read_to_string(data.join("trainSet.txt")).unwrap();
    let turned: String = list.lines().rev().map(|l| format!("{l}\n")).collect();
    std::fs::write(data.join("trainSet.txt"), turned).unwrap();
    let said = sweep(&dry);
    assert!(said.starts_with("Small: 2 runs, 0 done, 2 to run"), "{said}");
    std::fs::write(data.join("trainSet.txt"), list).unwrap();
    assert!(sweep(&dry).starts_with("Small: 2 runs, 2 done, 0 to run"));
    // The same clips, otherwise made.
    let manifest = std::fs::read_to_string(data.join("synth.json")).unwrap();
    std::fs::write(data.join("synth.json"), manifest.replace("\"noise\": ", "\"noise\": 1")).unwrap();
    let said = sweep(&dry);
    assert!(said.starts_with("Small: 2 runs, 0 done, 2 to run"), "{said}");
}
