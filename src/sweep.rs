//! `copl sweep FILE.yml`: runs what a sweep file asks for and is not done yet, then writes its table and figure.
//!
//! Every run is a `copl run` of its own process, so a run that fails takes no other with it; what it says goes to a log.
//! Interrupted, the sweep has the runs under way write a checkpoint and stop, and writes the table of what is done; called
//! again, it goes on with the rest, and with those that were cut where they were. With `--json` standard output is JSON
//! alone, and what else there is to say goes to standard error.

mod data;
mod workers;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use copl_contract::ExitCode;
use copl_reports::sweep::{self, Known, Planned, SweepFile};
use copl_reports::view::RunView;
use copl_reports::{RunFolder, Store};

use crate::args::{FileArgs, RunArgs, ShowArgs, SweepArgs};
use crate::outcome::{Failure, Outcome};
use crate::report::{defaults, failed, write, write_figure};
use crate::run;
use crate::terminal::{quoted, shown};
use data::Datasets;

/// A planned run with the dataflow it resolves to, and its data where they are known.
struct Wanted {
    planned: Planned,
    resolved: String,
    folder: PathBuf,
    data: Option<sweep::Data>,
}

/// A planned run that is not done: its place among all, and the run that was cut if there is one.
struct Open {
    place: usize,
    cut: Option<RunFolder>,
}

/// Says something that is not the result.
fn say(json: bool, line: &str) {
    let line = shown(line);
    // The terminal may be gone: the runs are looked after nevertheless.
    let _ = if json { writeln!(std::io::stderr(), "{line}") } else { writeln!(std::io::stdout(), "{line}") };
}

/// The arguments of the `copl run` that makes a planned run.
fn run_args(file: &SweepFile, planned: &Planned, args: &SweepArgs) -> RunArgs {
    RunArgs {
        flow: FileArgs { file: planned.dataflow.clone(), set: planned.overrides.clone() },
        epochs: None,
        limit_clips: None,
        seed: planned.seed,
        runs: args.runs.clone(),
        limits: args.limits,
        show: ShowArgs { quiet: true, ..ShowArgs::default() },
        sweep: Some(file.name.clone()),
        case: Some(planned.case.clone()),
        parent: Some(std::process::id()),
    }
}

/// The verb.
pub(crate) fn sweep(args: &SweepArgs) -> Outcome {
    let mut file = SweepFile::read(&args.file).map_err(failed)?;
    if !args.seeds.is_empty() {
        file.seeds.clone_from(&args.seeds);
    }
    let folder = args.file.parent().unwrap_or(Path::new(""));
    let mut planned = sweep::plan(&file, folder);
    for plan in &mut planned {
        plan.overrides.extend(args.set.iter().cloned());
    }
    // Everything is checked before anything is run.
    let (mut wanted, mut data) = (Vec::new(), Datasets::default());
    for planned in planned {
        let (resolved, folder) = run::resolved(&run_args(&file, &planned, args))?;
        let data = data.of(&resolved, &folder, |warning| eprintln!("{}", shown(warning)));
        wanted.push(Wanted { planned, resolved, folder, data });
    }
    let store = Store::new(&args.runs);
    let mut open = Vec::new();
    for (place, one) in wanted.iter().enumerate() {
        match find(&store, one)? {
            Known::Done(_) => {}
            Known::Cut(run) => open.push(Open { place, cut: Some(run) }),
            Known::Nothing => open.push(Open { place, cut: None }),
        }
    }
    let (all, left) = (wanted.len(), open.len());
    let cut = open.iter().filter(|o| o.cut.is_some()).count();
    let cut = if cut == 0 { String::new() } else { format!(", {cut} of them from where they were cut") };
    if args.dry_run && args.json {
        println!("{}", dry(&file, &wanted, &open, args));
        return Ok(ExitCode::Success);
    }
    say(args.json, &format!("{}: {all} runs, {} done, {left} to run{cut}", file.title, all - left));
    if args.dry_run {
        for one in &open {
            say(args.json, &format!("{}: {}", wanted[one.place].planned.case, command(&wanted[one.place], one, args)));
        }
        return Ok(ExitCode::Success);
    }
    let out = args.runs.join("sweeps").join(&file.name);
    fs::create_dir_all(&out).map_err(|e| Failure::new(ExitCode::Internal, format!("{}: {e}", out.display())))?;
    let outcome = if args.table { Ok(()) } else { make(&file, &wanted, &open, args, &out) };
    tabulate(&file, &store, &wanted, &out, args.json)?;
    outcome.map(|()| ExitCode::Success)
}

/// What `--dry-run` says, as JSON.
fn dry(file: &SweepFile, wanted: &[Wanted], open: &[Open], args: &SweepArgs) -> serde_json::Value {
    let run = |one: &Open| {
        let Planned { case, dataflow, overrides, seed, .. } = &wanted[one.place].planned;
        serde_json::json!({
            "case": case, "dataflow": dataflow, "overrides": overrides, "seed": seed,
            "cut_run": one.cut.as_ref().map(|run| &run.id), "command": command(&wanted[one.place], one, args),
        })
    };
    let open: Vec<_> = open.iter().map(run).collect();
    serde_json::json!({ "name": file.name, "title": file.title, "runs": wanted.len(), "open": open })
}

/// The command that makes a run, or goes on with it.
fn command(wanted: &Wanted, open: &Open, args: &SweepArgs) -> String {
    let Planned { dataflow, overrides, seed, .. } = &wanted.planned;
    if let Some(run) = &open.cut {
        return format!("copl resume {} --runs {}", run.id, quoted(&args.runs.display().to_string()));
    }
    let seed = seed.map(|s| format!(" --seed {s}")).unwrap_or_default();
    let set: Vec<String> = overrides.iter().map(|o| format!(" --set {}", quoted(o))).collect();
    format!("copl run {}{seed}{}", quoted(&dataflow.display().to_string()), set.concat())
}

fn find(store: &Store, wanted: &Wanted) -> Result<Known, Failure> {
    let Wanted { resolved, folder, data, .. } = wanted;
    let wanted = sweep::Wanted { resolved, folder, version: env!("CARGO_PKG_VERSION"), data: data.as_ref() };
    sweep::known(store, &wanted).map_err(failed)
}

/// Runs what is open.
fn make(file: &SweepFile, wanted: &[Wanted], open: &[Open], args: &SweepArgs, out: &Path) -> Result<(), Failure> {
    let logs = out.join("logs");
    fs::create_dir_all(&logs).map_err(|e| Failure::new(ExitCode::Internal, format!("{}: {e}", logs.display())))?;
    let job = |one: &Open| {
        let planned = &wanted[one.place].planned;
        let seed = planned.seed.map(|s| format!(", seed {s}")).unwrap_or_default();
        workers::Job {
            name: format!("{}{seed}", planned.case),
            log: logs.join(format!("{:03}.log", one.place)),
            args: run_args(file, planned, args),
            cut: one.cut.as_ref().map(|run| run.id.clone()),
        }
    };
    let jobs: Vec<workers::Job> = open.iter().map(job).collect();
    let count = args.jobs.unwrap_or_else(workers::fitting).max(1);
    let ended = workers::run(&jobs, count, |line| say(args.json, line))?;
    if let Some(code) = ended.interrupted {
        return Err(Failure::new(code, "interrupted: the same command goes on with the rest"));
    }
    match ended.failed.as_slice() {
        [] => Ok(()),
        failed => Err(Failure::new(
            ExitCode::NodeFailed,
            format!("{} of {} runs failed: {}", failed.len(), jobs.len(), failed.join("; ")),
        )),
    }
}

/// Writes and prints the table and the figure.
fn tabulate(file: &SweepFile, store: &Store, wanted: &[Wanted], out: &Path, json: bool) -> Result<(), Failure> {
    let mut views: Vec<(Planned, Option<RunView>)> = Vec::new();
    for one in wanted {
        let view = match find(store, one)? {
            Known::Done(run) => Some(RunView::load(&run, &defaults).map_err(failed)?),
            Known::Cut(_) | Known::Nothing => None,
        };
        views.push((one.planned.clone(), view));
    }
    let table = sweep::table(file, &views);
    let text = sweep::markdown(&table);
    let body = serde_json::to_string_pretty(&table).map_err(|e| Failure::new(ExitCode::Internal, e))?;
    let warnings: String = table.warnings().iter().map(|w| format!("\n{w}.\n")).collect();
    write(&out.join("table.md"), sweep::page(&table, "figure.svg").as_bytes())?;
    write(&out.join("table.json"), (body.clone() + "\n").as_bytes())?;
    write_figure(out, "figure", &sweep::figure(file, &table))?;
    if json {
        println!("{body}");
    } else {
        println!("{}", shown(&format!("\n{text}{warnings}\ntable and figure: {}", out.display())));
    }
    Ok(())
}
