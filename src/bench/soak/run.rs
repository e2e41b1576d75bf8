//! One `copl run` as a child process: its nodes by name, sampled while it goes on, and what it leaves.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::system::{self, Process};
use copl_contract::own_time::OwnTime;

use crate::interrupt;
use crate::run::process::descends;

/// Time between two looks at the processes.
const LOOK: Duration = Duration::from_secs(1);
/// How often the end of a run is looked for.
const WAIT: Duration = Duration::from_millis(50);
/// How long a process of a run may outlive its command.
const GRACE: Duration = Duration::from_secs(2);
/// How long an interrupted run may take to stop.
const STOP: Duration = Duration::from_secs(60);
/// By this variable every process of a run is known.
const MARK: &str = "COPL_SOAK";

/// A run to be made.
#[derive(Clone, Debug)]
pub(super) struct Job<'a> {
    /// The dataflow.
    pub(super) flow: PathBuf,
    /// Further arguments of `copl run`.
    pub(super) arguments: Vec<String>,
    /// Folder of the runs.
    pub(super) runs: &'a Path,
    /// Folder of the cache.
    pub(super) cache: &'a Path,
    /// Interrupt it then; let it end by itself if none.
    pub(super) until: Option<Instant>,
    /// Number of the run.
    pub(super) number: u64,
}

/// How a run went.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    pub(super) secs: f64,
    /// Whether it ended as it should: by itself with code 0, or by the interrupt with its code.
    pub(super) well: bool,
    /// Steps of training.
    pub(super) steps: u64,
    /// Peak memory of every process, by node.
    pub(super) peaks: BTreeMap<String, u64>,
    pub(super) orphans: u64,
    /// Files in shared memory that it left.
    pub(super) shared_left: u64,
    /// What it said on standard error.
    pub(super) said: PathBuf,
}

#[derive(Debug, Default)]
struct Heard {
    nodes: BTreeMap<u32, String>,
    steps: u64,
}

/// Takes the events of a run: which process is which node, and steps.
fn listen(out: ChildStdout, heard: Arc<Mutex<Heard>>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for line in BufReader::new(out).split(b'\n').map_while(Result::ok) {
            let Ok(event) = serde_json::from_slice::<serde_json::Value>(&line) else { continue };
            let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
            match (event["event"].as_str(), event["node"].as_str(), event["pid"].as_u64()) {
                (Some("started"), Some(node), Some(pid)) => {
                    heard.nodes.extend(u32::try_from(pid).map(|pid| (pid, node.to_owned())));
                }
                (Some("metrics"), ..) if event["split"] == "train" && event["whole"] == false => heard.steps += 1,
                _ => {}
            }
        }
    })
}

fn start(job: &Job<'_>, mark: &str, said: &Path) -> std::io::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("run").arg(&job.flow).arg("--json").arg("--runs").arg(job.runs).args(&job.arguments);
    command.env(MARK, mark).env("XDG_CACHE_HOME", job.cache);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(std::fs::File::create(said)?).spawn()
}

/// Makes a run and shows its processes to `look` once a second: steps so far, and every process by its node; the command
/// itself is `copl`.
///
/// # Errors
/// If it cannot be started or waited for.
pub(super) fn run(job: &Job<'_>, mut look: impl FnMut(u64, &BTreeMap<String, Process>)) -> std::io::Result<Ended> {
    let mark = format!("{}-{}", std::process::id(), job.number);
    let said = job.runs.with_file_name(format!("run-{}.log", job.number));
    let before = system::shared();
    let begun = Instant::now();
    let mut child = start(job, &mark, &said)?;
    let heard = Arc::new(Mutex::new(Heard::default()));
    let listener = child.stdout.take().map(|out| listen(out, heard.clone()));
    let (mut looked, mut peaks, mut came) = (begun, BTreeMap::<String, u64>::new(), BTreeSet::new());
    let (mut time, mut interrupted) = (OwnTime::start(), None::<Duration>);
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if looked.elapsed() >= LOOK {
            looked = Instant::now();
            let (nodes, steps) = {
                let heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
                (heard.nodes.clone(), heard.steps)
            };
            // A node may call itself anything: what is no process of this run is not measured.
            let nodes = nodes.into_iter().filter(|(pid, _)| descends(*pid, child.id()));
            let all = nodes.chain([(child.id(), "copl".to_owned())]);
            let seen: BTreeMap<_, _> = all.filter_map(|(pid, name)| Some((name, system::process(pid)?))).collect();
            for (name, process) in &seen {
                let peak = peaks.entry(name.clone()).or_default();
                *peak = process.peak_memory.max(*peak);
                came.extend(process.shared.iter().cloned());
            }
            // While a run begins or ends its processes come and go: that is no part of its level.
            if interrupted.is_none() {
                look(steps, &seen);
            }
        }
        let now = time.tick();
        match interrupted {
            None if job.until.is_some_and(|until| Instant::now() >= until) || interrupt::seen() > 0 => {
                interrupted = Some(now);
                // A child that was not waited for: the number is its own.
                kill(Pid::from_raw(i32::try_from(child.id()).map_err(std::io::Error::other)?), Signal::SIGINT)?;
            }
            Some(at) if now.saturating_sub(at) > STOP => child.kill()?,
            _ => {}
        }
        std::thread::sleep(WAIT);
    };
    let secs = begun.elapsed().as_secs_f64();
    let orphans = orphans(&mark);
    // The last events are still under way; an orphan may hold the output open, so not for ever.
    let since = Instant::now();
    while listener.as_ref().is_some_and(|l| !l.is_finished()) && since.elapsed() < GRACE {
        std::thread::sleep(WAIT);
    }
    let shared_left = shared_left(&before, &came);
    let wanted = if interrupted.is_some() { copl_contract::ExitCode::Interrupted.code() } else { 0 };
    let steps = heard.lock().unwrap_or_else(PoisonError::into_inner).steps;
    Ok(Ended { status, secs, well: status.code() == Some(wanted), steps, peaks, orphans, shared_left, said })
}

/// Processes of the run that are still there after the time of grace.
fn orphans(mark: &str) -> u64 {
    let since = Instant::now();
    loop {
        let left = system::with_variable(MARK, mark).len() as u64;
        if left == 0 || since.elapsed() > GRACE {
            return left;
        }
        std::thread::sleep(WAIT);
    }
}

/// Files in shared memory that came with the run and are dead: those its processes were seen to map, and those that came
/// since it began and that nobody maps, now and a moment later. Another program's new file is mapped by then.
fn shared_left(before: &BTreeSet<PathBuf>, came: &BTreeSet<PathBuf>) -> u64 {
    let new: BTreeSet<_> = system::shared().difference(before).cloned().chain(came.iter().cloned()).collect();
    let dead = system::dead(&new);
    if dead.is_empty() {
        return 0;
    }
    std::thread::sleep(Duration::from_millis(300));
    system::dead(&dead).len() as u64
}
