//! A command that was stopped for longer than its nodes may be silent goes on with its run: time in which it did not run
//! itself is no silence of a node.

#![allow(clippy::disallowed_methods, reason = "files of a test")]

mod common;

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use common::{children, copl, signal, wait};
use nix::sys::signal::Signal;

/// Longer than the 30 s of silence after which a node counts as hanging.
const PAUSE: Duration = Duration::from_secs(33);

/// A source and a slow sink.
fn start(work: &Path, messages: u32) -> Child {
    let file = work.join("flow.yml");
    let flow = format!(
        "nodes:
  - id: source
    path: copl
    args: node tensor-source
    env: {{ MESSAGES: {messages}, VALUES: 1000, WINDOW: 8 }}
    inputs:
      credits: {{ source: sink/credits, queue_size: 16 }}
    outputs: [tensors]

  - id: sink
    path: copl
    args: node tensor-sink
    env: {{ DELAY_MS: 500 }}
    inputs:
      tensors: {{ source: source/tensors, queue_size: 16 }}
    outputs: [credits]
"
    );
    std::fs::write(&file, flow).unwrap();
    let mut command = copl();
    command.args(["run", "--json", "--runs"]).arg(work.join("runs")).arg(&file);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until both nodes work; what the run says from then on is read to its end.
fn working(run: &mut Child) -> std::thread::JoinHandle<String> {
    let mut out = BufReader::new(run.stdout.take().unwrap());
    let mut started = 0;
    while started < 2 {
        let mut line = String::new();
        assert!(out.read_line(&mut line).unwrap() > 0, "it ended before its nodes worked");
        started +=
            usize::from(line.contains(r#""state":"working""#) || line.contains(r#""state":"waiting for messages""#));
    }
    std::thread::spawn(move || {
        let mut rest = String::new();
        out.read_to_string(&mut rest).unwrap();
        rest
    })
}

/// Stops these processes for the length of the pause, and sees the run end well.
fn pause(mut run: Child, messages: u32, stopped: impl Fn(&Child) -> Vec<i32>) {
    let rest = working(&mut run);
    let stopped = stopped(&run);
    stopped.iter().for_each(|pid| signal(*pid, Signal::SIGSTOP));
    std::thread::sleep(PAUSE);
    stopped.iter().for_each(|pid| signal(*pid, Signal::SIGCONT));
    let (output, _) = wait(run, Duration::from_secs(120));
    let said = format!("{}{}", rest.join().unwrap(), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains(&format!("{messages} tensors")), "{said}");
}

#[test]
fn a_command_that_was_stopped_alone_goes_on() {
    let work = tempfile::tempdir().unwrap();
    // The nodes work on, and are not done when the command goes on.
    pause(start(work.path(), 90), 90, |run| vec![i32::try_from(run.id()).unwrap()]);
}

#[test]
fn a_run_that_was_frozen_as_a_whole_goes_on() {
    let work = tempfile::tempdir().unwrap();
    pause(start(work.path(), 20), 20, |run| {
        let nodes = children(run.id()).into_iter().map(|(pid, _)| pid);
        // The command goes on last, as it may.
        nodes.chain([i32::try_from(run.id()).unwrap()]).collect()
    });
}
