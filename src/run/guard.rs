//! What is left when the command itself is killed.
//!
//! A process of its own, outside the command's process group, reads a pipe that the command alone writes to: the ids of the
//! run's processes, and `done`. If the pipe ends without `done`, the command is gone and could clean nothing: the guard
//! gives the nodes a moment to leave by themselves, kills the rest, and removes what the run left in shared memory. As
//! long as it lives it holds a lock in the run's folder, so that nobody resumes a run whose processes still write.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use copl_contract::ExitCode;
use copl_contract::own_time::OwnTime;
use copl_engine::shm;

use super::process::{self, Process};
use crate::outcome::{Failure, Outcome};

const LOCK: &str = ".guard.lock";
/// How long orphans may take to leave by themselves, and then to be gone.
const GRACE: Duration = Duration::from_millis(1500);
const LOOK: Duration = Duration::from_millis(50);
/// The run's processes are started at its beginning; later, looking often would only cost time.
const BEGINNING: Duration = Duration::from_secs(10);
const LATER_LOOK: Duration = Duration::from_secs(1);

/// The command's end of the pipe.
#[derive(Debug)]
pub(crate) struct Guard {
    process: Child,
    told: BTreeSet<u32>,
    begun: Instant,
    looked: Option<Instant>,
}

fn lock(run_dir: &Path) -> PathBuf {
    run_dir.join(LOCK)
}

impl Guard {
    /// Starts the guard of a run, before its first node.
    pub(crate) fn start(run_dir: &Path) -> Result<Self, Failure> {
        let failed = |e: std::io::Error| Failure::new(ExitCode::Internal, format!("the guard cannot be started: {e}"));
        let mut command = Command::new(std::env::current_exe().map_err(failed)?);
        command.arg("guard").arg(run_dir).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.process_group(0).spawn().map_err(failed)?;
        let mut ready = String::new();
        if let Some(out) = process.stdout.take() {
            BufReader::new(out).read_line(&mut ready).map_err(failed)?;
        }
        if ready.trim() != "ready" {
            return Err(failed(std::io::Error::other("it left at once")));
        }
        Ok(Self { process, told: BTreeSet::new(), begun: Instant::now(), looked: None })
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Tells it of the command's other children. To be called often: all processes of the machine are looked at now and then.
    pub(crate) fn tell(&mut self) {
        let pause = if self.begun.elapsed() < BEGINNING { LOOK } else { LATER_LOOK };
        if self.looked.is_some_and(|looked| looked.elapsed() < pause) {
            return;
        }
        self.looked = Some(Instant::now());
        for child in process::children(std::process::id()) {
            if child.pid() != self.pid() && self.told.insert(child.pid()) {
                self.say(&child.pid().to_string());
            }
        }
    }

    fn say(&mut self, line: &str) {
        if let Some(pipe) = &mut self.process.stdin {
            // A guard that was killed guards nothing: the run goes on without.
            let _ = writeln!(pipe, "{line}");
        }
    }

    /// The run has ended and is cleaned up: nothing is left to guard.
    pub(crate) fn end(mut self) {
        self.say("done");
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// Waits until a run whose command was killed has no process left.
pub(crate) fn wait_for_orphans(run_dir: &Path) -> Result<(), Failure> {
    let Ok(file) = File::open(lock(run_dir)) else { return Ok(()) };
    let mut time = OwnTime::start();
    while matches!(file.try_lock_shared(), Err(std::fs::TryLockError::WouldBlock)) {
        if time.tick() > 10 * GRACE {
            let problem = "processes of the run are still alive although its command is gone";
            return Err(Failure::new(ExitCode::Internal, problem));
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}

/// The guard's process: `copl guard RUN_DIR`.
pub(crate) fn guard(run_dir: &Path) -> Outcome {
    let failed = |e: std::io::Error| Failure::new(ExitCode::Internal, e);
    let file = File::create(lock(run_dir)).map_err(failed)?;
    // A file system without locks: orphans are killed all the same.
    let _ = file.try_lock();
    let before = shm::Snapshot::take();
    println!("ready");
    let mut orphans = Vec::new();
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(failed)?;
        if line == "done" {
            return Ok(ExitCode::Success);
        }
        orphans.extend(line.parse::<u32>().ok().and_then(Process::of));
    }
    wait_until_gone(&orphans);
    orphans.iter().for_each(Process::kill_all);
    wait_until_gone(&orphans);
    before.clean();
    Ok(ExitCode::Success)
}

fn wait_until_gone(orphans: &[Process]) {
    let mut time = OwnTime::start();
    while time.tick() < GRACE && orphans.iter().any(Process::is_alive) {
        std::thread::sleep(LOOK);
    }
}
