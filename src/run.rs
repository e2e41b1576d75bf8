//! `copl run`: checks the dataflow, runs it on the embedded engine, watches its nodes, and says how it ended.

pub(crate) mod guard;
mod memory;
pub(crate) mod parent;
pub(crate) mod process;
mod stop;
mod verdict;
pub(crate) mod watch;

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use copl_contract::events::Event;
use copl_contract::own_time::OwnTime;
use copl_contract::{ExitCode, checkpoint};
use copl_engine::{Line, shm};
use copl_reports::store::{RunFolder, RunRecord, Store, SweepPlace};

use crate::args::{RunArgs, ShowArgs};
use crate::dataflow::{diagnostic, resolve};
use crate::outcome::{Failure, Outcome};
use crate::progress::{Mode, Progress};
use crate::terminal::{quoted, shown};
use crate::{catalog, verbs};
use guard::Guard;
use stop::{Stop, Wish};
use verdict::Verdict;
use watch::{TimeLimits, Watch};

/// Clips on the page that is written at the end.
const EXAMPLES: usize = 6;
/// How often the nodes are looked at.
const LOOK: Duration = Duration::from_millis(200);
/// How often the run's folder is marked as one whose command lives.
const BEAT: Duration = Duration::from_secs(5);

/// Runs a dataflow.
pub(crate) fn run(args: RunArgs) -> Outcome {
    args.parent.map_or(Ok(()), parent::end_with)?;
    let (_, overrides) = prepare(&args)?;
    let (resolved, folder) = resolved(&args)?;
    let run = Store::new(absolute(&args.runs)?).create().map_err(|e| Failure::new(ExitCode::Internal, e))?;
    let record = begin(&run, &args, &overrides, &resolved, &folder)?;
    Session { run, record, resolved, folder, resume: None, limits: args.limits, show: args.show }.execute()
}

/// A run that begins, or goes on.
pub(crate) struct Session {
    pub(crate) run: RunFolder,
    pub(crate) record: RunRecord,
    /// The dataflow with all changes to it.
    pub(crate) resolved: String,
    /// Where its relative paths start.
    pub(crate) folder: PathBuf,
    /// The run goes on: from this checkpoint, or from its beginning.
    pub(crate) resume: Option<Option<PathBuf>>,
    pub(crate) limits: TimeLimits,
    pub(crate) show: ShowArgs,
}

impl Session {
    /// Runs it to its end.
    pub(crate) fn execute(mut self) -> Outcome {
        let internal = |e: &dyn std::fmt::Display| Failure::new(ExitCode::Internal, e);
        // SAFETY: no thread has been started yet.
        unsafe { copl_engine::prepare_process(&self.run.path) }.map_err(|e| internal(&e))?;
        let hold = self.run.hold().map_err(|e| internal(&e))?;
        self.run.write_record(&self.record).map_err(|e| internal(&e))?;
        let yaml = self.with_run()?;
        let mut guard = Guard::start(&self.run.path)?;

        let mode = Mode::pick(self.show.quiet, self.show.json, self.show.live, std::io::stdout().is_terminal());
        let mut progress = Progress::new(mode);
        progress.log("", &self.title());
        let (before, kills) = (shm::Snapshot::take(), memory::Kills::so_far());
        #[allow(clippy::disallowed_methods, reason = "the command reads lines as they come")]
        let (sender, lines) = channel::<Line>();
        let mut watch = Watch::new(node_ids(&yaml)?, self.limits, guard.pid());
        let can_checkpoint = self.resolved.contains("node copl-model");
        let mut stop = Stop::listen(self.run.path.clone(), can_checkpoint, self.limits.stop_timeout);
        let (mut time, mut beaten) = (OwnTime::start(), Duration::ZERO);
        let (folder, logs) = (self.folder.clone(), self.logs());
        let engine = std::thread::spawn(move || {
            copl_engine::run(&yaml, &folder, &logs, move |line| {
                // The receiver is gone only when the command is about to exit.
                let _ = sender.send(line);
            })
        });
        loop {
            let heard = lines.recv_timeout(LOOK);
            let now = time.tick();
            match heard {
                Ok(line) => take(&line, now, &mut self.record, &mut watch, &mut stop, &mut progress),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            match stop.look(now) {
                Wish::None => {}
                Wish::Asked => progress.log("", "stopping at the next checkpoint; once more to stop at once"),
                Wish::Stop => watch.stop(now),
            }
            for word in watch.look(now) {
                progress.log("", &word);
            }
            guard.tell();
            if now - beaten > BEAT {
                hold.beat();
                beaten = now;
            }
        }
        let results = engine
            .join()
            .map_err(|_| Failure::new(ExitCode::Internal, "the engine panicked; see the lines above"))
            .and_then(|r| r.map_err(|e| internal(&e)));
        watch.kill_all();
        before.clean();
        guard.end();
        let verdict = match results {
            Ok(_) if stop.is_wished() => verdict::interrupted(),
            Ok(results) => {
                let verdict = verdict::verdict(&results, &watch);
                memory::explained(verdict, &results, &watch, kills, &self.resolved)
            }
            Err(failure) => Verdict { code: failure.code, message: failure.message().to_owned() },
        };
        if !self.reports() {
            // A dataflow without a report, such as a measurement of its edges.
            progress.finish("");
            return if verdict.code == ExitCode::Success {
                Ok(verdict.code)
            } else {
                Err(Failure::new(verdict.code, verdict.message))
            };
        }
        let outcome = self.finish(verdict, &mut progress);
        drop(hold);
        // The runs of a sweep have one table; their pages are made when they are asked for.
        if self.record.sweep.is_none() && outcome.is_ok() {
            match crate::report::page_of(&self.run, EXAMPLES) {
                Ok(page) if !self.show.json => println!("page: {}", shown(&page.display().to_string())),
                Ok(_) => {}
                // The numbers are safe in the tables: `copl report` can be tried again.
                Err(failure) => eprintln!("the page could not be written: {}", failure.message()),
            }
        }
        outcome
    }

    fn reports(&self) -> bool {
        self.resolved.contains("node report-writer")
    }

    fn title(&self) -> String {
        let (id, flow) = (&self.run.id, &self.record.dataflow);
        match &self.resume {
            None => format!("run {id} of {flow}"),
            Some(None) => format!("run {id} of {flow} has no checkpoint: it starts from its beginning"),
            Some(Some(from)) => {
                let name = from.file_name().unwrap_or_default().to_string_lossy();
                format!("run {id} of {flow} goes on from {name}")
            }
        }
    }

    /// Folder for the engine's log files of the nodes: one each time the run goes on.
    fn logs(&self) -> PathBuf {
        let name = match self.record.resumed.len() {
            0 => "logs".to_owned(),
            times => format!("logs-{}", times + 1),
        };
        self.run.path.join(name)
    }

    /// The dataflow with the run's id, folder and checkpoint in every node's `env:` map.
    fn with_run(&self) -> Result<String, Failure> {
        let failed = |e: serde_yaml::Error| Failure::new(ExitCode::Internal, e);
        let mut yaml: serde_yaml::Value = serde_yaml::from_str(&self.resolved).map_err(failed)?;
        let mut variables =
            vec![("COPL_RUN", self.run.id.clone()), ("COPL_RUN_DIR", self.run.path.display().to_string())];
        if let Some(Some(checkpoint)) = &self.resume {
            variables.push(("COPL_RESUME", checkpoint.display().to_string()));
            variables.extend(self.record.data_fingerprint.clone().map(|data| ("COPL_DATA", data)));
        }
        for node in yaml.get_mut("nodes").and_then(|n| n.as_sequence_mut()).into_iter().flatten() {
            let Some(node) = node.as_mapping_mut() else { continue };
            let env = node.entry("env".into()).or_insert_with(|| serde_yaml::Mapping::new().into());
            if let Some(env) = env.as_mapping_mut() {
                for (key, value) in &variables {
                    env.insert((*key).into(), value.clone().into());
                }
            }
        }
        serde_yaml::to_string(&yaml).map_err(failed)
    }

    fn finish(&mut self, verdict: Verdict, progress: &mut Progress) -> Outcome {
        let json = self.show.json;
        let summary = copl_reports::summary::summarise(&self.run.path);
        let mut code = verdict.code;
        let mut message = verdict.message;
        let text = match &summary {
            Ok(summary) if code == ExitCode::Success => {
                if let Err(problem) = summary.check() {
                    (code, message) = (ExitCode::Internal, format!("the report's numbers do not add up: {problem}"));
                }
                if json { serde_json::to_string(summary).unwrap_or_default() } else { summary.to_string() }
            }
            Ok(summary) if json => serde_json::to_string(summary).unwrap_or_default(),
            Ok(summary) => summary.to_string(),
            Err(e) if code == ExitCode::Success => {
                (code, message) = (ExitCode::Internal, format!("the report cannot be read: {e}"));
                String::new()
            }
            // A run that failed early has no tables yet.
            Err(_) => String::new(),
        };
        progress.finish(&text);
        self.record.finish(code.code(), code.meaning(), (!message.is_empty()).then_some(message.as_str()));
        let internal = |e: &dyn std::fmt::Display| Failure::new(ExitCode::Internal, e);
        self.run.write_record(&self.record).map_err(|e| internal(&e))?;
        if !json {
            println!("report: {}", shown(&self.run.path.display().to_string()));
        }
        if code == ExitCode::Success {
            checkpoint::remove(&self.run.path).map_err(|e| internal(&e))?;
            return Ok(code);
        }
        Err(Failure::new(code, format!("{message}\n{}", self.how_to_resume())))
    }

    /// The command that goes on with this run.
    fn how_to_resume(&self) -> String {
        let from = match checkpoint::latest(&self.run.path) {
            Ok(Some(_)) => "go on from its last checkpoint",
            _ => "start it again",
        };
        let runs = self.run.path.parent().unwrap_or(Path::new("runs"));
        let is_default = absolute(Path::new("runs")).is_ok_and(|default| default == runs);
        let place = if is_default { String::new() } else { format!(" --runs {}", quoted(&runs.display().to_string())) };
        format!("{from}: copl resume {}{place}", self.run.id)
    }
}

/// The dataflow's text, and the changes to it; refused if it is wrong.
fn prepare(args: &RunArgs) -> Result<(String, Vec<String>), Failure> {
    let text = verbs::read(&args.flow.file)?;
    let mut overrides = args.flow.set.clone();
    let file = args.flow.file.display().to_string();
    let document = crate::dataflow::document::Document::parse(&file, &text).map_err(|d| verbs::rejected(&d))?;
    let specs = catalog::specs();
    let common = [
        ("EPOCHS", args.epochs.map(|v| v.to_string())),
        ("LIMIT_CLIPS", args.limit_clips.map(|v| v.to_string())),
        ("SEED", args.seed.map(|v| v.to_string())),
    ];
    for (key, value) in common.into_iter().filter_map(|(k, v)| v.map(|v| (k, v))) {
        for (node, kind) in verbs::our_nodes(&document) {
            let has = specs.iter().any(|s| s.name == kind && s.settings.iter().any(|s| s.key == key));
            if has {
                overrides.push(format!("{node}.{key}={value}"));
            }
        }
    }
    let found = crate::dataflow::check::check(&file, &text, &overrides, &specs);
    if diagnostic::has_errors(&found) {
        return Err(verbs::rejected(&found));
    }
    Ok((text, overrides))
}

/// The dataflow a run would run, and the folder it lies in; refused if it is wrong.
pub(crate) fn resolved(args: &RunArgs) -> Result<(String, PathBuf), Failure> {
    let (text, overrides) = prepare(args)?;
    let file = args.flow.file.display().to_string();
    let resolved = resolve::resolve(&file, &text, &overrides).map_err(|d| verbs::rejected(&d))?;
    // Links and `..` resolved: the same folder has one name in all records.
    let folder = absolute(args.flow.file.parent().unwrap_or(Path::new("")))?;
    let folder =
        folder.canonicalize().map_err(|e| Failure::new(ExitCode::Internal, format!("{}: {e}", folder.display())))?;
    Ok((resolved, folder))
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    std::path::absolute(path).map_err(|e| Failure::new(ExitCode::Internal, format!("{}: {e}", path.display())))
}

fn begin(
    run: &RunFolder,
    args: &RunArgs,
    overrides: &[String],
    resolved: &str,
    folder: &Path,
) -> Result<RunRecord, Failure> {
    let mut record = RunRecord::begin(&run.id, &args.flow.file.display().to_string());
    record.folder = Some(folder.to_owned());
    record.overrides = overrides.to_vec();
    record.sweep = args.sweep.clone().map(|sweep| SweepPlace { sweep, case: args.case.clone().unwrap_or_default() });
    record.seed = args.seed;
    record.versions = versions();
    let failed = |e: copl_reports::ReportError| Failure::new(ExitCode::Internal, e);
    run.write_dataflow(resolved).map_err(failed)?;
    Ok(record)
}

pub(crate) fn versions() -> BTreeMap<String, String> {
    let ffmpeg = copl_media::doctor::doctor(Path::new("ffmpeg")).map_or_else(|_| "none".to_owned(), |r| r.version);
    [("copl", env!("CARGO_PKG_VERSION")), ("dora", "1.1.0"), ("candle", "0.11.1"), ("ffmpeg", ffmpeg.as_str())]
        .into_iter()
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .collect()
}

/// Ids of a dataflow's nodes.
fn node_ids(yaml: &str) -> Result<Vec<String>, Failure> {
    let yaml: serde_yaml::Value = serde_yaml::from_str(yaml).map_err(|e| Failure::new(ExitCode::Internal, e))?;
    let nodes = yaml.get("nodes").and_then(|n| n.as_sequence()).into_iter().flatten();
    Ok(nodes.filter_map(|node| node.get("id")?.as_str().map(str::to_owned)).collect())
}

fn take(
    line: &Line,
    now: Duration,
    record: &mut RunRecord,
    watch: &mut Watch,
    stop: &mut Stop,
    progress: &mut Progress,
) {
    match Event::parse(&line.text) {
        Some(event) => {
            match &event {
                Event::Plan { fingerprint, description, .. } => {
                    record.data_fingerprint = Some(fingerprint.clone());
                    record.data_description.clone_from(description);
                }
                Event::Device { name } => record.device.clone_from(name),
                Event::Checkpoint { requested: true, .. } => stop.answered(),
                _ => {}
            }
            watch.event(&line.node, &event, now);
            progress.event(&line.node, &event);
        }
        None => {
            watch.line(&line.node, &line.text);
            if line.from_node {
                progress.log(&line.node, &line.text);
            }
        }
    }
}
