//! Encoders in nodes of their own: the numbers of one process, a clean stop, and an encoder in another language.

#![allow(clippy::disallowed_methods, reason = "files of a test")]

mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{alone, children, flow_run, root, run_folder, signal, text, tiny_ave, wait};
use copl_reports::tables::Table;
use nix::sys::signal::Signal;

/// 13 epochs of 4 steps.
const STEPS: [&str; 4] = ["--epochs", "13", "--seed", "3"];

fn flow(name: &str) -> PathBuf {
    root().join("dataflows").join(name)
}

/// Every number of a run's metrics, as bits, and its adapters' bytes.
/// Epoch, split, step, name and bits of the value of a metric.
type MetricBits = (i64, String, i64, String, u64);

fn numbers(work: &Path) -> (Vec<MetricBits>, Vec<u8>) {
    let folder = run_folder(work);
    let frame = copl_reports::read(&folder, Table::Metrics).unwrap();
    let text = |name: &str, row: usize| frame.column(name).unwrap().get(row).unwrap().to_string();
    let int = |name: &str, row: usize| frame.column(name).unwrap().i64().unwrap().get(row).unwrap();
    let values = frame.column("value").unwrap().f64().unwrap();
    let row = |row| {
        let value = values.get(row).unwrap().to_bits();
        (int("epoch", row), text("split", row), int("step", row), text("metric", row), value)
    };
    let mut rows: Vec<_> = (0..frame.height()).map(row).collect();
    rows.sort();
    (rows, std::fs::read(folder.join("checkpoints/last.safetensors")).unwrap())
}

fn run(flow: &Path, more: &[&str]) -> (tempfile::TempDir, String) {
    let work = tempfile::tempdir().unwrap();
    let done = flow_run(flow, tiny_ave(), work.path(), more).output().unwrap();
    assert!(done.status.success(), "{}", text(&done));
    (work, text(&done))
}

#[test]
fn fifty_steps_give_the_numbers_of_one_process_bit_for_bit() {
    let (apart, said) = run(&flow("ave-mini-split.yml"), &STEPS);
    assert!(said.contains("bytes a training step to encoder nodes"), "{said}");
    let threads = [&STEPS[..], &["--set", "model.THREADS=1"]].concat();
    let (together, _) = run(&flow("ave-mini.yml"), &threads);
    let (apart, together) = (numbers(apart.path()), numbers(together.path()));
    let losses = |rows: &[(i64, String, i64, String, u64)]| rows.iter().filter(|r| r.3.contains("step/loss")).count();
    assert!(losses(&apart.0) >= 50, "{} losses", losses(&apart.0));
    assert_eq!(apart.0, together.0);
    assert!(apart.1 == together.1, "the adapters differ");
}

#[test]
fn a_killed_encoder_stops_the_run_and_is_named() {
    let _alone = alone();
    let work = tempfile::tempdir().unwrap();
    let mut command = flow_run(&flow("ave-mini-split.yml"), tiny_ave(), work.path(), &["--epochs", "500", "--json"]);
    let run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let start = Instant::now();
    let victim = loop {
        assert!(start.elapsed() < Duration::from_secs(60), "no encoder ever started");
        match children(run.id()).into_iter().find(|(_, line)| line.contains("node encoder")) {
            Some((pid, _)) if start.elapsed() > Duration::from_secs(4) => break pid,
            _ => std::thread::sleep(Duration::from_millis(50)),
        }
    };
    signal(victim, Signal::SIGKILL);
    let (output, took) = wait(run, Duration::from_secs(20));
    let said = text(&output);
    assert!(took < Duration::from_secs(5), "stopped after {took:?}: {said}");
    assert_eq!(output.status.code(), Some(6), "{said}");
    let named = ["visual", "audio"].iter().any(|id| said.contains(&format!("node `{id}` was killed by SIGKILL")));
    assert!(named, "{said}");
}

/// A Python with what the example needs, if there is one: that of `COPL_TORCH_VENV`, or `python3`.
fn python() -> Option<PathBuf> {
    let venv = std::env::var_os("COPL_TORCH_VENV").map(|venv| PathBuf::from(venv).join("bin/python"));
    let candidates = venv.into_iter().chain([PathBuf::from("python3")]);
    candidates.into_iter().find(|python| {
        let imports = "import dora, numpy, pyarrow, safetensors, timm, torch";
        Command::new(python).args(["-c", imports]).output().is_ok_and(|done| done.status.success())
    })
}

#[test]
fn an_encoder_in_python_follows_ours() {
    let Some(python) = python() else {
        println!("SKIPPED: no Python with torch, timm, dora-rs, pyarrow and safetensors (COPL_TORCH_VENV names one)");
        return;
    };
    let work = tempfile::tempdir().unwrap();
    let split = std::fs::read_to_string(flow("ave-mini-split.yml")).unwrap();
    // The visual encoder is swapped: another program, the same weights.
    let (start, end) = (split.find("  - id: visual").unwrap(), split.find("  - id: audio").unwrap());
    let node = format!(
        "  - id: visual\n    path: {}\n    args: {}\n    env:\n      SIZES: '{}'\n      WEIGHTS: {}\n      THREADS: 1\n    \
         inputs:\n      requests: {{ source: model/visual, queue_size: 64 }}\n    outputs: [answers]\n\n",
        python.display(),
        root().join("nodes/examples/timm_encoder.py").display(),
        r#"{"img_size":64,"window_size":4,"embed_dim":24,"depths":[2,2,2,1],"num_heads":[2,4,8,16]}"#,
        root().join("nodes/networks/weights/swin-v2-nano.safetensors").display(),
    );
    let swapped = format!("{}{node}{}", &split[..start], &split[end..])
        .replace("      report_visual: { source: visual/report, queue_size: 64 }\n", "");
    let file = work.path().join("swapped.yml");
    std::fs::write(&file, swapped).unwrap();
    // 5 epochs of 4 steps.
    let steps = ["--epochs", "5", "--seed", "3"];
    let (theirs, _) = run(&file, &steps);
    let (ours, _) = run(&flow("ave-mini-split.yml"), &steps);
    let (theirs, ours) = (numbers(theirs.path()).0, numbers(ours.path()).0);
    assert_eq!(theirs.len(), ours.len());
    let mut compared = 0;
    for (a, b) in theirs.iter().zip(&ours).filter(|(a, _)| a.3.contains("step/loss")) {
        assert_eq!((a.0, a.2, &a.3), (b.0, b.2, &b.3));
        let (a_value, b_value) = (f64::from_bits(a.4), f64::from_bits(b.4));
        assert!((a_value - b_value).abs() < 1e-3 * b_value.abs().max(1.0), "{a:?} {b:?}: {a_value} {b_value}");
        compared += 1;
    }
    assert!(compared >= 20, "{compared} losses compared");
}
