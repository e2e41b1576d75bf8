//! What the tests of whole dataflows share: the command, a tiny AVE, and processes to look at.

#![allow(clippy::disallowed_methods, reason = "files of a test")]
#![allow(dead_code, reason = "each test binary uses its part")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The folder of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The command.
pub fn copl() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_copl"));
    command.stdin(Stdio::null()).env_remove("RUST_LOG");
    command
}

/// Text of an output, both streams.
pub fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A made AVE of 8 training, 4 validation and 4 test clips, made once for a test binary.
pub fn tiny_ave() -> &'static Path {
    static SET: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = SET.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ave");
        let made = copl()
            .args(["data", "synth", "ave", "--train", "8", "--val", "4", "--test", "4", "--out"])
            .arg(&path)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", text(&made));
        (dir, path)
    });
    path
}

/// `copl run dataflows/ave-mini.yml` on a dataset, its runs and cache in `work`, with further arguments.
pub fn mini_run(data: &Path, work: &Path, more: &[&str]) -> Command {
    mini_run_of("ave-mini.yml", data, work, more)
}

/// The same of another of the dataflows.
pub fn mini_run_of(dataflow: &str, data: &Path, work: &Path, more: &[&str]) -> Command {
    flow_run(&root().join("dataflows").join(dataflow), data, work, more)
}

/// `copl run` of a dataflow on a dataset, its runs and cache in `work`, with further arguments.
pub fn flow_run(flow: &Path, data: &Path, work: &Path, more: &[&str]) -> Command {
    let mut command = copl();
    command
        .arg("run")
        .arg(flow)
        .arg("--runs")
        .arg(work.join("runs"))
        .arg("--set")
        .arg(format!("source.ROOT={}", data.display()))
        .env("XDG_CACHE_HOME", work.join("cache"))
        .args(more);
    command
}

/// The one run in `work`.
pub fn run_folder(work: &Path) -> PathBuf {
    let mut runs: Vec<_> = std::fs::read_dir(work.join("runs")).unwrap().map(|e| e.unwrap().path()).collect();
    runs.sort();
    runs.pop().expect("a run")
}

/// Pids of the children of `parent`, with their command lines.
pub fn children(parent: u32) -> Vec<(i32, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else { continue };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        let Some(rest) = stat.rsplit(')').next() else { continue };
        let is_child = rest.split_whitespace().nth(1) == Some(&parent.to_string());
        if is_child {
            let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            found.push((pid, String::from_utf8_lossy(&line).replace('\0', " ")));
        }
    }
    found
}

/// Sends a signal to a process that a test started, or that its command did.
pub fn signal(pid: impl TryInto<i32>, signal: Signal) {
    let pid = pid.try_into().ok().filter(|pid| *pid > 0).expect("a process id");
    // One that has ended by now takes no notice.
    let _ = kill(Pid::from_raw(pid), signal);
}

/// Processes that have this text in their command line or in the environment they were started with.
pub fn processes_of(path: &Path) -> Vec<(i32, String)> {
    let mut found = Vec::new();
    let wanted = path.display().to_string();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else { continue };
        let read = |file: &str| {
            let bytes = std::fs::read(entry.path().join(file)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).replace('\0', " ")
        };
        let line = read("cmdline");
        if line.contains(&wanted) || read("environ").contains(&wanted) {
            found.push((pid, line));
        }
    }
    found
}

/// Held by a test that looks at what its dataflow leaves behind: the other dataflows of this machine's tests wait.
pub fn alone() -> std::sync::MutexGuard<'static, ()> {
    static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Files in shared memory.
pub fn shared_memory() -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir("/dev/shm").unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    files
}

/// Waits for a process, at most `limit`; kills it and fails after that.
pub fn wait(mut child: Child, limit: Duration) -> (Output, Duration) {
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > limit {
            child.kill().unwrap();
            let output = child.wait_with_output().unwrap();
            panic!("still running after {limit:?}: {}", text(&output));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let took = start.elapsed();
    (child.wait_with_output().unwrap(), took)
}

/// What became of a run of three nodes, a source of 20 tensors, this one in the middle, and a sink: exit code, what was said,
/// and how long it took.
pub fn run_with(middle: &str, more: &[&str]) -> (Option<i32>, String, Duration) {
    let _alone = alone();
    let work = tempfile::tempdir().unwrap();
    let file = work.path().join("flow.yml");
    let flow = format!(
        "nodes:
  - id: source
    path: copl
    args: node tensor-source
    env: {{ MESSAGES: 20, VALUES: 1000, WINDOW: 8 }}
    inputs:
      credits: {{ source: sink/credits, queue_size: 16 }}
    outputs: [tensors]

  - id: middle
    {middle}
    inputs:
      tensors: {{ source: source/tensors, queue_size: 16 }}
    outputs: [tensors]

  - id: sink
    path: copl
    args: node tensor-sink
    inputs:
      tensors: {{ source: middle/tensors, queue_size: 16 }}
    outputs: [credits]
"
    );
    std::fs::write(&file, flow).unwrap();
    let before = shared_memory();
    let mut command = copl();
    command.args(["run", "--runs"]).arg(work.path().join("runs")).arg(&file).args(more);
    let run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (output, took) = wait(run, Duration::from_secs(60));
    let left: Vec<_> = shared_memory().into_iter().filter(|f| !before.contains(f)).collect();
    assert!(left.is_empty(), "left in shared memory: {left:?}");
    (output.status.code(), text(&output), took)
}
