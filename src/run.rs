//! `copl run`: checks the dataflow, runs it on the embedded engine, watches its nodes, and says how it ended.

mod verdict;
pub(crate) mod watch;

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use copl_contract::ExitCode;
use copl_contract::events::Event;
use copl_engine::{Line, NodeResult, shm};
use copl_reports::store::{RunFolder, RunRecord, Store, SweepPlace};

use crate::args::RunArgs;
use crate::dataflow::{diagnostic, resolve};
use crate::progress::{Mode, Progress};
use crate::{Failure, Outcome, catalog, verbs};
use verdict::Verdict;
use watch::Watch;

/// Clips on the page that is written at the end.
const EXAMPLES: usize = 6;
/// How often the nodes are looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Runs a dataflow.
pub(crate) fn run(args: RunArgs) -> Outcome {
    let (text, overrides) = prepare(&args)?;
    let file = args.flow.file.display().to_string();
    let (resolved, folder) = resolved(&args)?;
    let run = Store::new(absolute(&args.runs)?).create().map_err(|e| Failure::new(ExitCode::Internal, e))?;
    // SAFETY: no thread has been started yet.
    unsafe { copl_engine::prepare_process(&run.path) }.map_err(|e| Failure::new(ExitCode::Internal, e))?;
    let _hold = run.hold().map_err(|e| Failure::new(ExitCode::Internal, e))?;
    let mut record = begin(&run, &args, &overrides, &resolved, &folder)?;
    let yaml = with_run(&resolved, &run)?;

    let mode = Mode::pick(args.quiet, args.json, args.live, std::io::stdout().is_terminal());
    let mut progress = Progress::new(mode);
    progress.log("", &format!("run {} of {file}", run.id));
    let before = shm::Snapshot::take();
    let (sender, lines) = channel::<Line>();
    let logs = run.path.join("logs");
    let mut watch = Watch::new(node_ids(&yaml)?, args.limits);
    let engine = std::thread::spawn(move || {
        copl_engine::run(&yaml, &folder, &logs, move |line| {
            // The receiver is gone only when the command is about to exit.
            let _ = sender.send(line);
        })
    });
    loop {
        match lines.recv_timeout(LOOK) {
            Ok(line) => take(&line, &mut record, &mut watch, &mut progress),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        for word in watch.look() {
            progress.log("", &word);
        }
    }
    let results = engine
        .join()
        .map_err(|_| Failure::new(ExitCode::Internal, "the engine panicked; see the lines above"))
        .and_then(|r| r.map_err(|e| Failure::new(ExitCode::Internal, e)));
    watch.kill_all();
    before.clean();
    let verdict = match results {
        Ok(results) => verdict::verdict(&results, &watch),
        Err(failure) => Verdict { code: failure.code, message: failure.message },
    };
    if !text.contains("node report-writer") {
        // A dataflow without a report, such as a measurement of its edges.
        progress.finish("");
        return if verdict.code == ExitCode::Success {
            Ok(verdict.code)
        } else {
            Err(Failure { code: verdict.code, message: verdict.message })
        };
    }
    let outcome = finish(&run, &mut record, verdict, &mut progress, args.json);
    // The runs of a sweep have one table; their pages are made when they are asked for.
    if args.sweep.is_none() && outcome.is_ok() {
        match crate::report::page_of(&run, EXAMPLES) {
            Ok(page) if !args.json => println!("page: {}", page.display()),
            Ok(_) => {}
            // The numbers are safe in the tables: `copl report` can be tried again.
            Err(failure) => eprintln!("the page could not be written: {}", failure.message),
        }
    }
    outcome
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
    run.write_record(&record).map_err(failed)?;
    Ok(record)
}

fn versions() -> BTreeMap<String, String> {
    let ffmpeg = copl_media::doctor::doctor(Path::new("ffmpeg")).map_or_else(|_| "none".to_owned(), |r| r.version);
    [("copl", env!("CARGO_PKG_VERSION")), ("dora", "1.1.0"), ("candle", "0.11.1"), ("ffmpeg", ffmpeg.as_str())]
        .into_iter()
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .collect()
}

/// The dataflow with the run's id and folder in every node's `env:` map.
fn with_run(resolved: &str, run: &RunFolder) -> Result<String, Failure> {
    let failed = |e: serde_yaml::Error| Failure::new(ExitCode::Internal, e);
    let mut yaml: serde_yaml::Value = serde_yaml::from_str(resolved).map_err(failed)?;
    for node in yaml.get_mut("nodes").and_then(|n| n.as_sequence_mut()).into_iter().flatten() {
        let Some(node) = node.as_mapping_mut() else { continue };
        let env = node.entry("env".into()).or_insert_with(|| serde_yaml::Mapping::new().into());
        if let Some(env) = env.as_mapping_mut() {
            env.insert("COPL_RUN".into(), run.id.clone().into());
            env.insert("COPL_RUN_DIR".into(), run.path.display().to_string().into());
        }
    }
    serde_yaml::to_string(&yaml).map_err(failed)
}

/// Ids of a dataflow's nodes.
fn node_ids(yaml: &str) -> Result<Vec<String>, Failure> {
    let yaml: serde_yaml::Value = serde_yaml::from_str(yaml).map_err(|e| Failure::new(ExitCode::Internal, e))?;
    let nodes = yaml.get("nodes").and_then(|n| n.as_sequence()).into_iter().flatten();
    Ok(nodes.filter_map(|node| node.get("id")?.as_str().map(str::to_owned)).collect())
}

fn take(line: &Line, record: &mut RunRecord, watch: &mut Watch, progress: &mut Progress) {
    match Event::parse(&line.text) {
        Some(event) => {
            match &event {
                Event::Plan { fingerprint, .. } => record.data_fingerprint = Some(fingerprint.clone()),
                Event::Device { name } => record.device.clone_from(name),
                _ => {}
            }
            watch.event(&line.node, &event);
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

fn finish(run: &RunFolder, record: &mut RunRecord, verdict: Verdict, progress: &mut Progress, json: bool) -> Outcome {
    let summary = copl_reports::summary::summarise(&run.path);
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
    record.finish(code.code(), code.meaning(), (!message.is_empty()).then_some(message.as_str()));
    run.write_record(record).map_err(|e| Failure::new(ExitCode::Internal, e))?;
    if !json {
        println!("report: {}", run.path.display());
    }
    if code == ExitCode::Success { Ok(code) } else { Err(Failure { code, message }) }
}

/// How the nodes ended, for [`verdict`].
pub(crate) type Results = [NodeResult];
