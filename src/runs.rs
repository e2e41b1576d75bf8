//! `copl runs`: the run store as the user sees it.

use copl_contract::ExitCode;
use copl_reports::prune::{self, Rules};
use copl_reports::view::RunView;
use copl_reports::{RunFolder, RunRecord, Status, Store};

use crate::args::{RunsArgs, RunsVerb};
use crate::outcome::Outcome;
use crate::report::{columns, defaults, failed};
use crate::terminal::shown;

/// The verb.
pub(crate) fn runs(args: &RunsArgs) -> Outcome {
    let store = Store::new(&args.runs);
    match &args.verb {
        None | Some(RunsVerb::List) => list(&store, args.json),
        Some(RunsVerb::Show { run }) => show(&store, run, args.json),
        Some(RunsVerb::Prune { keep, unfinished, older_than, yes }) => {
            let rules = Rules { keep: *keep, unfinished: *unfinished, older_than_days: *older_than };
            prune(&store, &rules, *yes, args.json)
        }
    }
}

/// The letters of a run, or its whole id where another run has the same letters.
fn short<'a>(run: &'a RunFolder, runs: &'a [RunFolder]) -> &'a str {
    let alone = runs.iter().filter(|r| r.letters().starts_with(run.letters())).count() == 1;
    if alone { run.letters() } else { &run.id }
}

fn list(store: &Store, json: bool) -> Outcome {
    let runs = store.list().map_err(failed)?;
    let mut rows = vec![
        ["run", "started (UTC)", "status", "took", "val %", "test %", "dataflow and changes"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for run in &runs {
        let record = match run.read_record() {
            Ok(record) => record,
            Err(e) => {
                rows.push(vec![short(run, &runs).to_owned(), String::new(), format!("unreadable: {e}")]);
                continue;
            }
        };
        let status = run.status(&record);
        // A run that failed early has no tables, and an unreadable one still has its line.
        let summary = copl_reports::summarise(&run.path).unwrap_or_default();
        if json {
            let line = serde_json::json!({
                "record": record, "status": status, "short": short(run, &runs),
                "val_accuracy": summary.val_accuracy, "test_accuracy": summary.test_accuracy,
            });
            println!("{line}");
            continue;
        }
        let percent = |v: Option<f64>| v.map_or_else(|| "-".to_owned(), |v| format!("{v:.2}"));
        rows.push(vec![
            short(run, &runs).to_owned(),
            record.started.replace('T', " ").trim_end_matches('Z').to_owned(),
            status.to_string(),
            record.wall_secs().map_or_else(|| "-".to_owned(), |s| format!("{s:.0} s")),
            percent(summary.val_accuracy),
            percent(summary.test_accuracy),
            what(&record),
        ]);
    }
    if !json {
        print!("{}", columns(&rows, false));
    }
    Ok(ExitCode::Success)
}

fn what(record: &RunRecord) -> String {
    let mut words = vec![record.dataflow.clone()];
    if let Some(place) = &record.sweep {
        words.push(format!("[{}: {}]", place.sweep, place.case));
    }
    words.extend(record.overrides.iter().filter(|o| !o.contains(".SEED=")).cloned());
    words.extend(record.seed.map(|s| format!("seed {s}")));
    words.join(" ")
}

fn show(store: &Store, id: &str, json: bool) -> Outcome {
    let run = store.open(id).map_err(failed)?;
    let view = RunView::load(&run, &defaults).map_err(failed)?;
    if json {
        println!("{}", serde_json::to_string_pretty(&view).unwrap_or_default());
        return Ok(ExitCode::Success);
    }
    let r = &view.record;
    let mut rows = vec![
        vec!["run".to_owned(), r.id.clone()],
        vec!["folder".to_owned(), run.path.display().to_string()],
        vec!["dataflow".to_owned(), r.dataflow.clone()],
        vec!["changes".to_owned(), if r.overrides.is_empty() { "none".to_owned() } else { r.overrides.join(" ") }],
        vec!["seed".to_owned(), r.seed.map_or_else(|| "the dataflow's".to_owned(), |s| s.to_string())],
        vec!["started".to_owned(), r.started.clone()],
        vec!["status".to_owned(), status(&view)],
        vec!["device".to_owned(), r.device.clone()],
        vec!["data".to_owned(), r.data_fingerprint.clone().unwrap_or_else(|| "-".to_owned())],
    ];
    if let Some(place) = &r.sweep {
        rows.push(vec!["sweep".to_owned(), format!("{}: {}", place.sweep, place.case)]);
    }
    for resumption in &r.resumed {
        rows.push(vec!["resumed".to_owned(), format!("{} from {}", resumption.at, resumption.from)]);
    }
    let versions: Vec<String> = r.versions.iter().map(|(what, version)| format!("{what} {version}")).collect();
    rows.push(vec!["versions".to_owned(), versions.join(", ")]);
    print!("{}\n{}", columns(&rows, false), shown(&view.summary.to_string()));
    Ok(ExitCode::Success)
}

fn status(view: &RunView) -> String {
    let took = view.record.wall_secs().map_or_else(String::new, |s| format!(" after {s:.1} s"));
    let message = view.record.outcome.as_ref().and_then(|o| o.message.clone());
    match message {
        Some(message) if view.status != Status::Finished => format!("{}{took}: {message}", view.status),
        _ => format!("{}{took}", view.status),
    }
}

fn prune(store: &Store, rules: &Rules, yes: bool, json: bool) -> Outcome {
    let found = prune::candidates(store, rules).map_err(failed)?;
    let bytes: u64 = found.iter().map(|c| c.bytes).sum();
    for candidate in &found {
        if yes {
            prune::remove(&candidate.run).map_err(failed)?;
        }
        let (id, status) = (&candidate.run.id, candidate.status);
        if json {
            println!(
                "{}",
                serde_json::json!({ "run": id, "status": status, "bytes": candidate.bytes, "removed": yes })
            );
        } else {
            println!("{}  {status:11}  {:8.1} MB", shown(id), candidate.bytes as f64 / 1e6);
        }
    }
    if !json {
        let what = if yes { "removed" } else { "would be removed; --yes removes them" };
        println!("{} runs, {:.1} MB {what}", found.len(), bytes as f64 / 1e6);
    }
    Ok(ExitCode::Success)
}
