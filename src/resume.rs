//! `copl resume RUN`: goes on with a run that was cut, in its folder, as if it had not been.
//!
//! The whole dataflow starts again behind the run's last checkpoint; rows that the cut run wrote after it are taken back. A
//! run without a checkpoint starts from its beginning. The final numbers are those of a run that was never cut, bit for
//! bit on the CPU with the same threads; only the table `nodes`, which tells of time, differs.

use copl_contract::{ExitCode, checkpoint};
use copl_reports::status::Status;
use copl_reports::store::{RunFolder, RunRecord, Store};

use crate::args::ResumeArgs;
use crate::dataflow::resolve;
use crate::outcome::{Failure, Outcome};
use crate::run::{Session, guard, parent, versions};
use crate::terminal::shown;
use crate::verbs;

/// The verb.
pub(crate) fn resume(args: &ResumeArgs) -> Outcome {
    args.parent.map_or(Ok(()), parent::end_with)?;
    let failed = |e: copl_reports::ReportError| Failure::new(ExitCode::Usage, e);
    let run = Store::new(args.runs.clone()).open(&args.run).map_err(failed)?;
    let run = RunFolder { path: std::path::absolute(&run.path).unwrap_or(run.path), id: run.id };
    let mut record = run.read_record().map_err(failed)?;
    refuse(&run, &record)?;
    guard::wait_for_orphans(&run.path)?;
    let internal = |e: std::io::Error| Failure::new(ExitCode::Internal, e);
    checkpoint::tidy(&run.path).map_err(internal)?;
    let from = checkpoint::latest(&run.path).map_err(internal)?;
    let resolved = run.read_dataflow().map_err(failed)?;
    let resolved = resolve::of_run("dataflow.yml", &resolved).map_err(|d| verbs::rejected(&d))?;
    let folder = record.folder.clone().ok_or_else(|| {
        Failure::new(ExitCode::Usage, format!("run {} does not say which folder its dataflow lay in", run.id))
    })?;
    warn_of_other_versions(&record);
    let name = from.as_ref().and_then(|path| path.file_name()).map(|name| name.to_string_lossy().into_owned());
    record.resume(name.as_deref().unwrap_or("the beginning"), run.last_sign(&record));
    Session { run, record, resolved, folder, resume: Some(from), limits: args.limits, show: args.show }.execute()
}

/// Refuses a run that goes on, or has come to its end.
fn refuse(run: &RunFolder, record: &RunRecord) -> Result<(), Failure> {
    let problem = match run.status(record) {
        Status::Running => "is still running",
        Status::Finished => "has come to its end: there is nothing to resume",
        Status::Failed | Status::Interrupted | Status::Killed => return Ok(()),
    };
    Err(Failure::new(ExitCode::Usage, format!("run {} {problem}", run.id)))
}

/// Other programs may compute other bits.
fn warn_of_other_versions(record: &RunRecord) {
    for (program, now) in versions() {
        if let Some(then) = record.versions.get(&program).filter(|then| **then != now) {
            let warning = format!(
                "warning: the run began with {program} {then}, this is {now}: its numbers may differ from an uncut run's"
            );
            eprintln!("{}", shown(&warning));
        }
    }
}
