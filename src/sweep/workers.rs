//! Runs of a sweep, several at a time.

use std::collections::VecDeque;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use copl_contract::ExitCode;

use crate::args::RunArgs;
use crate::{Failure, interrupt};

/// Cores a run keeps busy: its arithmetic takes all it gets, but gains little beyond a few.
const CORES_A_RUN: usize = 4;
const LOOK: Duration = Duration::from_millis(100);

/// A run to be made.
pub(super) struct Job {
    /// As the user reads it.
    pub(super) name: String,
    /// Where its words go.
    pub(super) log: PathBuf,
    /// What is run.
    pub(super) args: RunArgs,
}

/// How the runs ended.
#[derive(Debug, Default)]
pub(super) struct Ended {
    /// Those that failed: name and log.
    pub(super) failed: Vec<String>,
    /// The code to exit with if the user stopped the sweep.
    pub(super) interrupted: Option<ExitCode>,
}

/// Runs at once that this machine's cores feed.
pub(super) fn fitting() -> usize {
    cores() / CORES_A_RUN
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Runs the jobs, at most `count` at once.
///
/// # Errors
/// If no process can be started.
pub(super) fn run(jobs: &[Job], count: usize) -> Result<Ended, Failure> {
    interrupt::watch();
    let mut waiting: VecDeque<(usize, &Job)> = jobs.iter().enumerate().collect();
    let mut running: Vec<(usize, &Job, Child, Instant)> = Vec::new();
    let mut ended = Ended::default();
    while !(waiting.is_empty() && running.is_empty()) {
        while running.len() < count && !interrupt::told() {
            let Some((i, job)) = waiting.pop_front() else { break };
            println!("[{}/{}] {}", i + 1, jobs.len(), job.name);
            running.push((i, job, start(job, count)?, Instant::now()));
        }
        if interrupt::told() {
            waiting.clear();
            ended.interrupted = Some(ExitCode::Interrupted);
        }
        let mut still = Vec::new();
        for (i, job, mut child, since) in running {
            let look = child.try_wait().map_err(|e| Failure::new(ExitCode::Internal, format!("{}: {e}", job.name)))?;
            match look {
                None => still.push((i, job, child, since)),
                Some(status) => {
                    let secs = since.elapsed().as_secs_f64();
                    println!("[{}/{}] {}: {} after {secs:.0} s", i + 1, jobs.len(), job.name, words(status));
                    if !status.success() && ended.interrupted.is_none() {
                        ended.failed.push(format!("{} ({})", job.name, job.log.display()));
                    }
                }
            }
        }
        running = still;
        std::thread::sleep(LOOK);
    }
    Ok(ended)
}

fn words(status: ExitStatus) -> String {
    match status.code() {
        Some(0) => "done".to_owned(),
        Some(code) => format!("failed with exit code {code}"),
        None => "killed".to_owned(),
    }
}

fn start(job: &Job, count: usize) -> Result<Child, Failure> {
    let failed = |e: std::io::Error| Failure::new(ExitCode::Internal, format!("{}: {e}", job.name));
    let log = File::create(&job.log).map_err(failed)?;
    let args = &job.args;
    let program = std::env::current_exe().map_err(failed)?;
    if !program.exists() {
        let problem = format!(
            "{}: the program of this sweep was replaced or removed while it ran ({}); the same command goes on",
            job.name,
            program.display()
        );
        return Err(Failure::new(ExitCode::Missing, problem));
    }
    let mut command = Command::new(program);
    command.arg("run").arg(&args.flow.file).arg("--quiet").arg("--runs").arg(&args.runs);
    command.args(args.limits.arguments());
    for set in &args.flow.set {
        command.arg("--set").arg(set);
    }
    for (name, value) in
        [("--seed", args.seed.map(|s| s.to_string())), ("--sweep", args.sweep.clone()), ("--case", args.case.clone())]
    {
        command.args(value.into_iter().flat_map(|v| [name.to_owned(), v]));
    }
    if count > 1 && std::env::var_os("RAYON_NUM_THREADS").is_none() {
        command.env("RAYON_NUM_THREADS", (cores() / count).max(1).to_string());
    }
    command.stdin(Stdio::null()).stdout(log.try_clone().map_err(failed)?).stderr(log).spawn().map_err(failed)
}
