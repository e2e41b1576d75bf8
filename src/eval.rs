//! `copl eval CHECKPOINT FILE`: a dataflow's test split, predicted with what a checkpoint has learned.
//!
//! It is a run like any other, with EPOCHS 0 and the model's ADAPTERS set: it has its place in the run store, its tables
//! and its page. The checkpoint must be of the dataflow's method and encoders.

use copl_contract::ExitCode;

use crate::args::{EvalArgs, FileArgs, RunArgs, ShowArgs};
use crate::dataflow::document::Document;
use crate::outcome::{Failure, Outcome};
use crate::{run, verbs};

/// The verb.
pub(crate) fn eval(args: &EvalArgs) -> Outcome {
    let checkpoint = verbs::checkpoint(&args.checkpoint, &args.runs)?;
    let text = verbs::read(&args.flow.file)?;
    let file = args.flow.file.display().to_string();
    let document = Document::parse(&file, &text).map_err(|d| verbs::rejected(&d))?;
    let models = verbs::our_nodes(&document).into_iter().filter(|(_, kind)| kind == "copl-model");
    let mut set: Vec<String> = models.map(|(id, _)| format!("{id}.ADAPTERS={}", checkpoint.display())).collect();
    if set.is_empty() {
        return Err(Failure::new(ExitCode::Usage, format!("{file} has no node copl-model to evaluate")));
    }
    set.extend(args.flow.set.iter().cloned());
    run::run(RunArgs {
        flow: FileArgs { file: args.flow.file.clone(), set },
        epochs: Some(0),
        limit_clips: args.limit_clips,
        seed: None,
        runs: args.runs.clone(),
        limits: args.limits,
        show: ShowArgs { quiet: args.quiet, json: args.json, live: false },
        sweep: None,
        case: None,
        parent: None,
    })
}
