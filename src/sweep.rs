//! `copl sweep FILE.yml`: runs what a sweep file asks for and is not done yet, then writes its table and figure.
//!
//! Every run is a `copl run` of its own process, so a run that fails takes no other with it; what it says goes to a log.
//! Interrupted, the sweep waits for the runs under way to stop and writes the table of what is done; called again, it goes
//! on with the rest.

mod workers;

use std::fs;
use std::path::{Path, PathBuf};

use copl_contract::ExitCode;
use copl_reports::Store;
use copl_reports::sweep::{self, Planned, SweepFile};
use copl_reports::view::RunView;

use crate::args::{FileArgs, RunArgs, ShowArgs, SweepArgs};
use crate::report::{defaults, failed, write, write_figure};
use crate::{Failure, Outcome, run};

/// A planned run with the dataflow it resolves to.
struct Wanted {
    planned: Planned,
    resolved: String,
    folder: PathBuf,
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
    let mut wanted = Vec::new();
    for planned in planned {
        let (resolved, folder) = run::resolved(&run_args(&file, &planned, args))?;
        wanted.push(Wanted { planned, resolved, folder });
    }
    let store = Store::new(&args.runs);
    let mut open = Vec::new();
    for (i, one) in wanted.iter().enumerate() {
        if find(&store, one)?.is_none() {
            open.push(i);
        }
    }
    let (all, left) = (wanted.len(), open.len());
    println!("{}: {all} runs, {} done, {left} to run", file.title, all - left);
    if args.dry_run {
        for i in open {
            let Planned { case, dataflow, overrides, seed, .. } = &wanted[i].planned;
            let seed = seed.map(|s| format!(" --seed {s}")).unwrap_or_default();
            println!("{case}: copl run {}{seed} {}", dataflow.display(), set(overrides));
        }
        return Ok(ExitCode::Success);
    }
    let out = args.runs.join("sweeps").join(&file.name);
    fs::create_dir_all(&out).map_err(|e| Failure::new(ExitCode::Internal, format!("{}: {e}", out.display())))?;
    let outcome = if args.table { Ok(()) } else { make(&file, &wanted, &open, args, &out) };
    tabulate(&file, &store, &wanted, &out, args.json)?;
    outcome.map(|()| ExitCode::Success)
}

fn set(overrides: &[String]) -> String {
    overrides.iter().map(|o| format!("--set '{o}'")).collect::<Vec<_>>().join(" ")
}

fn find(store: &Store, wanted: &Wanted) -> Result<Option<copl_reports::RunFolder>, Failure> {
    sweep::done(store, &wanted.resolved, &wanted.folder, env!("CARGO_PKG_VERSION")).map_err(failed)
}

/// Runs what is open.
fn make(file: &SweepFile, wanted: &[Wanted], open: &[usize], args: &SweepArgs, out: &Path) -> Result<(), Failure> {
    let logs = out.join("logs");
    fs::create_dir_all(&logs).map_err(|e| Failure::new(ExitCode::Internal, format!("{}: {e}", logs.display())))?;
    let jobs: Vec<workers::Job> = open
        .iter()
        .map(|i| {
            let planned = &wanted[*i].planned;
            let seed = planned.seed.map(|s| format!(", seed {s}")).unwrap_or_default();
            workers::Job {
                name: format!("{}{seed}", planned.case),
                log: logs.join(format!("{i:03}.log")),
                args: run_args(file, planned, args),
            }
        })
        .collect();
    let count = args.jobs.unwrap_or_else(workers::fitting).max(1);
    let ended = workers::run(&jobs, count)?;
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
            Some(run) => Some(RunView::load(&run, &defaults).map_err(failed)?),
            None => None,
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
        println!("\n{text}{warnings}\ntable and figure: {}", out.display());
    }
    Ok(())
}
