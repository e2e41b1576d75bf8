//! `copl bench soak`: does anything grow? Short runs of the three mini tasks in turn, then one long run; memory, handles,
//! shared memory, processes and disk are sampled, a line is laid through each, and its slope is held to a bound.
//!
//! - [`run`]: one `copl run` as a child process, for dora serves one dataflow a process;
//! - [`system`]: what /proc and /dev/shm tell;
//! - [`series`]: the line of least squares; [`verdict`]: the bounds; [`table`]: what is printed;
//! - [`samples`]: every value in a CSV file.

mod run;
mod samples;
mod series;
mod system;
mod table;
mod verdict;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use copl_contract::ExitCode;

use crate::args::SoakArgs;
use crate::outcome::{Failure, Outcome};
use crate::{doctor, interrupt};
use run::{Ended, Job};
use samples::Samples;
use series::Series;
use verdict::{Left, Phase, Quantity, Row};

/// Share of the long run that is warm-up: encoders, allocators and shared memory fill in it.
const WARM_UP: f64 = 1.0 / 3.0;
/// Short runs of each task that are warm-up: they fill the cache.
const WARM_RUNS: usize = 1;
/// Epochs of the long run: it is interrupted before.
const ENDLESS: u32 = 1_000_000;
/// The report writer holds a table's newest part in memory, 20,000 rows unless told otherwise: it would fill for longer
/// than most soaks take. With small parts it is full within the warm-up.
const PARTS: [&str; 2] = ["--set", "report.PART_ROWS=200"];

/// A mini task: its dataflow, the set that is made for it (training, validation and test clips or videos), epochs.
struct Task {
    flow: &'static str,
    set: &'static str,
    clips: [usize; 3],
    epochs: u32,
}

const TASKS: [Task; 3] = [
    Task { flow: "ave-mini", set: "ave", clips: [24, 8, 8], epochs: 2 },
    Task { flow: "avs-s4-mini", set: "avs", clips: [12, 4, 4], epochs: 2 },
    Task { flow: "music-avqa-mini", set: "avqa", clips: [6, 2, 2], epochs: 2 },
];

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::new(ExitCode::Internal, error)
}

/// Everything a soak has seen.
struct Soak<'a> {
    args: &'a SoakArgs,
    folder: PathBuf,
    begun: Instant,
    series: BTreeMap<(Phase, String, Quantity), Series>,
    samples: Samples,
    left: Left,
    shared: std::collections::BTreeSet<PathBuf>,
}

/// The verb.
pub(super) fn soak(args: &SoakArgs) -> Outcome {
    interrupt::take_over();
    let folder = std::path::absolute(&args.folder).map_err(failed)?;
    for task in &TASKS {
        make(&folder, task)?;
    }
    let mut soak = Soak {
        args,
        begun: Instant::now(),
        series: BTreeMap::new(),
        samples: Samples::create(args.samples.as_deref())?,
        left: Left::default(),
        shared: system::shared(),
        folder,
    };
    let all = Duration::from_secs_f64(60.0 * args.minutes.max(0.0));
    let short = all.mul_f64(1.0 - args.long.clamp(0.0, 1.0));
    while soak.begun.elapsed() < short && interrupt::seen() == 0 {
        for task in &TASKS {
            if interrupt::seen() == 0 {
                soak.short(task)?;
            }
        }
    }
    if args.long > 0.0 && interrupt::seen() == 0 {
        soak.long(&TASKS[0], soak.begun + all)?;
    }
    soak.samples.finish()?;
    let rows = soak.rows();
    let (text, broken) = table::table(&rows, &soak.left);
    if args.json {
        println!("{}", table::json(&rows, &soak.left, soak.begun.elapsed().as_secs_f64()));
    } else {
        print!("{text}");
    }
    match broken {
        _ if interrupt::seen() > 0 => Ok(ExitCode::Interrupted),
        broken if broken.is_empty() => Ok(ExitCode::Success),
        broken => Err(failed(format!("the soak found:\n  {}", broken.join("\n  ")))),
    }
}

/// Makes a task's set where it is not there.
fn make(folder: &Path, task: &Task) -> Result<(), Failure> {
    let [train, val, test] = task.clips.map(|n| n.to_string());
    let mut command = Command::new(std::env::current_exe().map_err(failed)?);
    command.args(["data", "synth", task.set, "--train", &train, "--val", &val, "--test", &test, "--out"]);
    let done = command.arg(folder.join("data").join(task.set)).output().map_err(failed)?;
    if done.status.success() {
        return Ok(());
    }
    Err(failed(format!("the set {} cannot be made: {}", task.set, String::from_utf8_lossy(&done.stderr).trim())))
}

impl Soak<'_> {
    fn secs(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }

    fn job<'a>(&self, task: &Task, runs: &'a Path, cache: &'a Path, epochs: u32, until: Option<Instant>) -> Job<'a> {
        let root = self.folder.join("data").join(task.set);
        let set = format!("source.ROOT={}", root.display());
        Job {
            flow: self.args.dataflows.join(format!("{}.yml", task.flow)),
            arguments: vec!["--epochs".to_owned(), epochs.to_string(), "--set".to_owned(), set],
            runs,
            cache,
            until,
            number: self.left.runs,
        }
    }

    /// Notes a value in its series and in the file of samples.
    fn note(&mut self, phase: Phase, subject: &str, quantity: Quantity, value: f64) -> Result<(), Failure> {
        let secs = self.secs();
        self.series.entry((phase, subject.to_owned(), quantity)).or_default().push(secs, value);
        self.samples.write(secs, self.left.runs, subject, quantity, value)
    }

    /// A short run of a task, and what is to be seen after it.
    fn short(&mut self, task: &Task) -> Result<(), Failure> {
        let (runs, cache) = (self.folder.join("runs"), self.folder.join("cache"));
        fs::create_dir_all(&runs).map_err(failed)?;
        let job = self.job(task, &runs, &cache, task.epochs, None);
        let mut handles = 0;
        let ended = run::run(&job, |_, seen| handles = handles.max(seen.values().map(|p| p.handles).sum()));
        let ended = ended.map_err(failed)?;
        if interrupt::seen() == 0 {
            self.note(Phase::Short, task.flow, Quantity::Seconds, ended.secs)?;
            let peak: u64 = ended.peaks.values().sum();
            self.note(Phase::Short, task.flow, Quantity::PeakMemory, peak as f64)?;
            self.note(Phase::Short, task.flow, Quantity::Handles, handles as f64)?;
            self.note(Phase::Short, task.flow, Quantity::RunFolder, doctor::size_of_folder(&runs) as f64)?;
        }
        self.note(Phase::Short, "machine", Quantity::Cache, doctor::size_of_folder(&cache) as f64)?;
        let new = system::shared().difference(&self.shared).cloned().collect();
        let dead = system::bytes(&system::dead(&new)) as f64;
        self.note(Phase::Short, "machine", Quantity::DeadSharedMemory, dead)?;
        self.ended(task, &runs, ended)
    }

    /// One run until the end of the soak, its processes sampled every second.
    fn long(&mut self, task: &Task, until: Instant) -> Result<(), Failure> {
        let (runs, cache) = (self.folder.join("runs"), self.folder.join("cache"));
        fs::create_dir_all(&runs).map_err(failed)?;
        let mut job = self.job(task, &runs, &cache, ENDLESS, Some(until));
        job.arguments.extend(PARTS.map(str::to_owned));
        if !self.args.json {
            println!(
                "long run of {} for {:.0} s",
                task.flow,
                until.saturating_duration_since(Instant::now()).as_secs_f64()
            );
        }
        let mut problem = Ok(());
        let mut look = |_: u64, seen: &BTreeMap<String, system::Process>| -> Result<(), Failure> {
            for (node, process) in seen {
                self.note(Phase::Long, node, Quantity::Memory, process.memory as f64)?;
                self.note(Phase::Long, node, Quantity::Handles, process.handles as f64)?;
            }
            let shared = seen.values().flat_map(|p| &p.shared).collect::<std::collections::BTreeSet<_>>();
            self.note(Phase::Long, "all nodes", Quantity::SharedMemory, system::bytes(shared) as f64)?;
            self.note(Phase::Long, "all nodes", Quantity::RunFolder, doctor::size_of_folder(&runs) as f64)
        };
        let ended = run::run(&job, |steps, seen| {
            if problem.is_ok() {
                problem = look(steps, seen);
            }
        });
        problem?;
        self.ended(task, &runs, ended.map_err(failed)?)
    }

    /// Counts what a run left, and removes its folder unless something is wrong with it.
    fn ended(&mut self, task: &Task, runs: &Path, ended: Ended) -> Result<(), Failure> {
        self.left.runs += 1;
        self.left.failed_runs += u64::from(!ended.well);
        self.left.orphans += ended.orphans;
        self.left.shared_files += ended.shared_left;
        if !self.args.json {
            let how =
                if ended.well { String::new() } else { format!(", {}: see {}", ended.status, ended.said.display()) };
            println!(
                "{:4}  {:16} {:5.1} s  {:5} steps  {:6.0} MB at most{how}",
                self.left.runs,
                task.flow,
                ended.secs,
                ended.steps,
                ended.peaks.values().sum::<u64>() as f64 / 1048576.0
            );
        }
        let place = runs.display().to_string();
        let failed_io = |e: std::io::Error| failed(format!("{place}: {e}"));
        if ended.well {
            fs::remove_file(&ended.said).map_err(failed_io)?;
            return fs::remove_dir_all(runs).map_err(failed_io);
        }
        if self.left.failed_runs == self.left.runs {
            let said = fs::read_to_string(&ended.said).unwrap_or_default();
            return Err(failed(format!("the first run of {} failed ({}): {}", task.flow, ended.status, said.trim())));
        }
        fs::rename(runs, runs.with_file_name(format!("failed-{}-{}", std::process::id(), self.left.runs)))
            .map_err(failed_io)
    }

    /// The table's lines.
    fn rows(&self) -> Vec<Row> {
        let row = |((phase, subject, quantity), series): (&(Phase, String, Quantity), &Series)| {
            // Cache and dead shared memory have a value a run of any task.
            let warm = if subject == "machine" { WARM_RUNS * TASKS.len() } else { WARM_RUNS };
            let settled = match phase {
                Phase::Long => series.settled(WARM_UP),
                Phase::Short => series.skip(warm),
            };
            Row::of(*phase, subject, *quantity, &settled)
        };
        self.series.iter().map(row).collect()
    }
}
