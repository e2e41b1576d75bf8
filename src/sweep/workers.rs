//! Runs of a sweep, several at a time.
//!
//! Each is a process in a group of its own, which a Ctrl-C does not reach: the sweep passes every wish to stop on, once, so
//! that a run writes its checkpoint at the first and stops at once at the second. None outlives the sweep: where one cannot
//! be started the others are stopped the same way, and a run whose sweep is gone is killed by the kernel
//! (`crate::run::parent`).

use std::collections::VecDeque;
use std::fs::OpenOptions;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use copl_contract::ExitCode;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::args::RunArgs;
use crate::interrupt;
use crate::outcome::Failure;

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
    /// The run that was cut, to go on with.
    pub(super) cut: Option<String>,
}

/// How the runs ended.
#[derive(Debug, Default)]
pub(super) struct Ended {
    /// Those that failed: name and log.
    pub(super) failed: Vec<String>,
    /// The code to exit with if the user stopped the sweep.
    pub(super) interrupted: Option<ExitCode>,
}

/// A run under way.
struct Running<'a> {
    number: usize,
    job: &'a Job,
    child: Child,
    since: Instant,
}

impl Running<'_> {
    /// Asks it to stop; asked again, at once.
    fn interrupt(&self) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            // It was not waited for, so the number is its own; one that has ended takes no notice.
            let _ = kill(Pid::from_raw(pid), Signal::SIGINT);
        }
    }
}

/// Runs at once that this machine's cores feed.
pub(super) fn fitting() -> usize {
    cores() / CORES_A_RUN
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Runs the jobs, at most `count` at once; says what begins and ends.
///
/// # Errors
/// If one cannot be started or waited for; the others have stopped by then.
pub(super) fn run(jobs: &[Job], count: usize, say: impl Fn(&str)) -> Result<Ended, Failure> {
    interrupt::take_over();
    let mut waiting: VecDeque<(usize, &Job)> = jobs.iter().enumerate().collect();
    let mut running: Vec<Running<'_>> = Vec::new();
    let (mut ended, mut passed_on, mut trouble) = (Ended::default(), interrupt::seen(), None::<Failure>);
    while !(waiting.is_empty() && running.is_empty()) {
        let mut stop = false;
        if interrupt::seen() > passed_on {
            passed_on = interrupt::seen();
            ended.interrupted = Some(ExitCode::Interrupted);
            stop = true;
        }
        while running.len() < count && !stop {
            let Some((number, job)) = waiting.pop_front() else { break };
            let goes_on = job.cut.as_ref().map_or_else(String::new, |run| format!(" (goes on: {run})"));
            say(&format!("[{}/{}] {}{goes_on}", number + 1, jobs.len(), job.name));
            match start(job, count) {
                Ok(child) => running.push(Running { number, job, child, since: Instant::now() }),
                Err(failure) => {
                    trouble = Some(failure);
                    stop = true;
                }
            }
        }
        let mut still = Vec::new();
        for mut one in running {
            let (number, name) = (one.number + 1, &one.job.name);
            match one.child.try_wait() {
                Ok(None) => still.push(one),
                Ok(Some(status)) => {
                    let secs = one.since.elapsed().as_secs_f64();
                    say(&format!("[{number}/{}] {name}: {} after {secs:.0} s", jobs.len(), words(status)));
                    if !status.success() && ended.interrupted.is_none() && trouble.is_none() {
                        ended.failed.push(format!("{name} ({})", one.job.log.display()));
                    }
                }
                Err(e) => {
                    one.interrupt();
                    trouble = Some(Failure::new(ExitCode::Internal, format!("{name}: {e}")));
                    stop = true;
                }
            }
        }
        running = still;
        if stop {
            waiting.clear();
            running.iter().for_each(Running::interrupt);
        }
        std::thread::sleep(LOOK);
    }
    trouble.map_or(Ok(ended), Err)
}

fn words(status: ExitStatus) -> String {
    match status.code() {
        Some(0) => "done".to_owned(),
        Some(code) if code == ExitCode::Interrupted.code() => "stopped".to_owned(),
        Some(code) => format!("failed with exit code {code}"),
        None => "killed".to_owned(),
    }
}

fn start(job: &Job, count: usize) -> Result<Child, Failure> {
    let failed = |e: std::io::Error| Failure::new(ExitCode::Internal, format!("{}: {e}", job.name));
    // What a run said before it was cut stays above.
    let mut log = OpenOptions::new();
    let log = log.create(true).write(true).append(job.cut.is_some()).truncate(job.cut.is_none()).open(&job.log);
    let log = log.map_err(|e| Failure::new(ExitCode::Internal, format!("{}: {}: {e}", job.name, job.log.display())))?;
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
    match &job.cut {
        Some(run) => command.arg("resume").arg(run),
        None => command.arg("run").arg(&args.flow.file),
    };
    command.arg("--quiet").arg("--runs").arg(&args.runs).args(args.limits.arguments());
    command.args(args.parent.into_iter().flat_map(|parent| ["--parent".to_owned(), parent.to_string()]));
    if job.cut.is_none() {
        for set in &args.flow.set {
            command.arg("--set").arg(set);
        }
        for (name, value) in [
            ("--seed", args.seed.map(|s| s.to_string())),
            ("--sweep", args.sweep.clone()),
            ("--case", args.case.clone()),
        ] {
            command.args(value.into_iter().flat_map(|v| [name.to_owned(), v]));
        }
    }
    if count > 1 && std::env::var_os("RAYON_NUM_THREADS").is_none() {
        command.env("RAYON_NUM_THREADS", (cores() / count).max(1).to_string());
    }
    command.process_group(0).stdin(Stdio::null()).stdout(log.try_clone().map_err(failed)?).stderr(log);
    command.spawn().map_err(failed)
}
