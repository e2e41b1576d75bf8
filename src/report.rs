//! `copl report`: the page of one run or several as HTML, Markdown or JSON, their figures as SVG and PNG; and
//! `copl report compare`, what differs between runs, and `copl report lead`, who is ahead, in the terminal.

mod examples;
mod show;
pub(crate) use show::columns;

use std::fs;
use std::path::{Path, PathBuf};

use copl_contract::ExitCode;
use copl_reports::lead::{self, Judged};
use copl_reports::page::{self, Page};
use copl_reports::view::RunView;
use copl_reports::{ReportError, RunFolder, Store, export, figure, samples};

use crate::args::{CompareArgs, LeadArgs, ReportArgs, ReportExportArgs, ReportVerb, Tracker};
use crate::catalog;
use crate::outcome::{Failure, Outcome};
use crate::terminal::shown;

/// Settings of a node kind that have a default, for those a dataflow leaves out.
pub(crate) fn defaults(kind: &str) -> Vec<(String, String)> {
    let spec = catalog::specs().into_iter().find(|s| s.name == kind);
    let settings = spec.into_iter().flat_map(|s| s.settings);
    settings.filter_map(|s| Some((s.key.to_owned(), s.default.filter(|d| !d.is_empty())?))).collect()
}

pub(crate) fn failed(error: ReportError) -> Failure {
    let code = match &error {
        ReportError::NoRun { .. } | ReportError::BadId(_) | ReportError::Sweep { .. } | ReportError::Lead { .. } => {
            ExitCode::Usage
        }
        _ => ExitCode::Internal,
    };
    Failure::new(code, error)
}

/// The runs of these ids with what their folders tell.
pub(crate) fn load(store: &Store, ids: &[String]) -> Result<Vec<(RunFolder, RunView)>, Failure> {
    let one = |id: &String| {
        let run = store.open(id).map_err(failed)?;
        let view = RunView::load(&run, &defaults).map_err(failed)?;
        Ok((run, view))
    };
    ids.iter().map(one).collect()
}

/// The verb.
pub(crate) fn report(args: &ReportArgs) -> Outcome {
    match &args.verb {
        Some(ReportVerb::Compare(args)) => return compare(args),
        Some(ReportVerb::Lead(args)) => return lead(args),
        Some(ReportVerb::Export(args)) => return export(args),
        None => {}
    }
    let store = Store::new(&args.runs);
    let (runs, views): (Vec<_>, Vec<_>) = load(&store, &args.run)?.into_iter().unzip();
    if args.json {
        let json = serde_json::to_string_pretty(&views).map_err(|e| Failure::new(ExitCode::Internal, e))?;
        match &args.output {
            Some(path) => write(path, (json + "\n").as_bytes())?,
            None => println!("{json}"),
        }
        return Ok(ExitCode::Success);
    }
    let Some(run) = runs.first() else {
        return Err(Failure::new(ExitCode::Usage, "name a run: `copl runs` lists them, `last` is the last one"));
    };
    if args.md {
        let page = Page { views: &views, examples: &[], note: None, dataflow: "" };
        return give(&page::markdown(&page, None), args.output.as_deref());
    }
    let target = match (&args.output, views.len()) {
        (Some(output), _) => output.clone(),
        (None, 1) => run.path.join("report.html"),
        (None, _) => {
            let letters: Vec<&str> = views.iter().map(|v| v.letters.as_str()).collect();
            args.runs.join(format!("report-{}.html", letters.join("-")))
        }
    };
    let folder = write_page(run, &views, args.examples, &target)?;
    println!("{}", shown(&format!("{}\n{}", target.display(), folder.display())));
    Ok(ExitCode::Success)
}

/// Writes the page and the figures of one run into its folder; gives the page's path.
pub(crate) fn page_of(run: &RunFolder, clips: usize) -> Result<PathBuf, Failure> {
    let views = [RunView::load(run, &defaults).map_err(failed)?];
    let target = run.path.join("report.html");
    write_page(run, &views, clips, &target)?;
    Ok(target)
}

/// Writes a page and its figures.
fn write_page(run: &RunFolder, views: &[RunView], clips: usize, target: &Path) -> Result<PathBuf, Failure> {
    let (found, note) = match views.first() {
        Some(view) => examples::examples(run, view, clips),
        None => (Vec::new(), None),
    };
    let dataflow = run.read_dataflow().map_err(failed)?;
    let page = Page { views, examples: &found, note: note.as_deref(), dataflow: &dataflow };
    write(target, page.html().as_bytes())?;
    let folder = target.with_file_name(match target.file_stem().and_then(|s| s.to_str()) {
        Some("report") | None => "figures".to_owned(),
        Some(stem) => format!("{stem}-figures"),
    });
    write_figures(views, &folder)?;
    Ok(folder)
}

/// The figures of the runs as SVG and PNG files.
fn write_figures(views: &[RunView], folder: &Path) -> Result<(), Failure> {
    fs::create_dir_all(folder).map_err(|e| Failure::new(ExitCode::Internal, format!("{}: {e}", folder.display())))?;
    for drawn in page::figures(views) {
        write_figure(folder, &drawn.file, &drawn.svg)?;
    }
    Ok(())
}

/// A figure as SVG and PNG.
pub(crate) fn write_figure(folder: &Path, name: &str, svg: &str) -> Result<(), Failure> {
    write(&folder.join(format!("{name}.svg")), figure::standalone(svg).as_bytes())?;
    let png = figure::png(svg).map_err(|source| failed(ReportError::Figure { figure: name.to_owned(), source }))?;
    write(&folder.join(format!("{name}.png")), &png)
}

/// Writes a file whole.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    copl_reports::write_file(path, bytes).map_err(failed)
}

fn give(text: &str, output: Option<&Path>) -> Outcome {
    match output {
        Some(path) => write(path, text.as_bytes())?,
        None => print!("{}", shown(text)),
    }
    Ok(ExitCode::Success)
}

/// `copl report compare`.
fn compare(args: &CompareArgs) -> Outcome {
    let views: Vec<RunView> = load(&Store::new(&args.runs), &args.run)?.into_iter().map(|(_, v)| v).collect();
    if args.json {
        let found: Vec<_> =
            copl_reports::compare::settings(&views).into_iter().filter(|c| !args.only_changed || c.differs()).collect();
        let ids: Vec<&str> = views.iter().map(|v| v.record.id.as_str()).collect();
        let all = serde_json::json!({
            "runs": ids, "settings": found, "results": copl_reports::compare::results(&views),
        });
        println!("{all:#}");
        return Ok(ExitCode::Success);
    }
    print!("{}", show::compared(&views, args.only_changed));
    Ok(ExitCode::Success)
}

/// `copl report lead`.
fn lead(args: &LeadArgs) -> Outcome {
    let store = Store::new(&args.runs);
    let judged = |ids: &[String]| -> Result<Vec<Judged>, Failure> {
        let one = |id: &String| {
            let run = store.open(id)?;
            Ok(Judged { samples: samples::last_pass(&run.path)?, run: run.id })
        };
        ids.iter().map(one).collect::<Result<_, ReportError>>().map_err(failed)
    };
    let found = lead::lead(&judged(&args.run)?, &judged(&args.over)?).map_err(failed)?;
    if args.json {
        println!("{:#}", serde_json::json!(found));
    } else {
        print!("{}", show::lead(&found));
    }
    Ok(ExitCode::Success)
}

/// `copl report export`.
fn export(args: &ReportExportArgs) -> Outcome {
    let name = match args.to {
        Tracker::Tensorboard => "tensorboard",
        Tracker::Mlflow => "mlruns",
        Tracker::Wandb => "wandb",
    };
    let folder = args.output.clone().unwrap_or_else(|| args.runs.join(name));
    let made = |path: &Path| {
        fs::create_dir_all(path).map_err(|e| Failure::new(ExitCode::Internal, format!("{}: {e}", path.display())))
    };
    made(&folder)?;
    let folder =
        folder.canonicalize().map_err(|e| Failure::new(ExitCode::Internal, format!("{}: {e}", folder.display())))?;
    for (run, view) in load(&Store::new(&args.runs), &args.run)? {
        let points = export::points(&run.path).map_err(failed)?;
        match args.to {
            Tracker::Tensorboard => {
                let folder = folder.join(&run.id);
                made(&folder)?;
                let start = view.record.started_unix;
                let file = folder.join(format!("events.out.tfevents.{start:.0}.copl"));
                write(&file, &export::tensorboard(&points, start))?;
            }
            Tracker::Mlflow => export::mlflow(&folder, &view, &points, &run.path).map_err(failed)?,
            Tracker::Wandb => export::wandb(&folder, &view, &points).map_err(failed)?,
        }
        println!("{}: {} numbers", run.id, points.len());
    }
    println!("{}", folder.display());
    Ok(ExitCode::Success)
}
