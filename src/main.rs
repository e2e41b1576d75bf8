//! The `copl` command: launches dataflows of audio-visual learning experiments, checks and draws them, and looks at what
//! they need and what they wrote. One file a verb.

mod args;
mod bench;
mod catalog;
mod data;
mod dataflow;
mod doctor;
mod eval;
mod export;
mod graph;
mod interrupt;
mod nodes;
mod outcome;
mod params;
mod parity;
mod predict;
mod progress;
mod report;
mod resume;
mod run;
mod runs;
mod schema;
mod sweep;
mod terminal;
mod verbs;
mod weights;

use clap::Parser;
use nix::sys::signal::{SigHandler, Signal, signal};

use args::{Args, Verb};

/// Lets `copl runs | head` end in silence, as other commands do.
fn end_with_the_reader() {
    // SAFETY: no thread runs yet, and the default action of a signal needs no code of ours.
    let taken = unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) };
    debug_assert!(taken.is_ok(), "this signal can be given its default action");
}

fn main() {
    let verb = Args::parse().verb;
    if matches!(verb, Verb::Runs(_) | Verb::Report(_) | Verb::Nodes(_)) {
        end_with_the_reader();
    }
    let outcome = match verb {
        Verb::Run(args) => run::run(args),
        Verb::Resume(args) => resume::resume(&args),
        Verb::Runs(args) => runs::runs(&args),
        Verb::Report(args) => report::report(&args),
        Verb::Eval(args) => eval::eval(&args),
        Verb::Predict(args) => predict::predict(&args),
        Verb::Export(args) => export::export(&args),
        Verb::Sweep(args) => sweep::sweep(&args),
        Verb::Check(args) => verbs::check(&args),
        Verb::Graph(args) => verbs::graph(&args),
        Verb::Nodes(args) => verbs::nodes(&args),
        Verb::Doctor(args) => verbs::doctor(&args),
        Verb::Params(args) => params::params(&args),
        Verb::Parity(args) => parity::parity(&args),
        Verb::Data(args) => data::data(&args),
        Verb::Weights(args) => weights::weights(&args),
        Verb::Bench(args) => bench::bench(&args),
        Verb::ExitCodes => verbs::exit_codes(),
        Verb::Completions { shell } => verbs::completions(shell),
        Verb::Guard { run_dir } => run::guard::guard(&run_dir),
        Verb::Node { name } => catalog::launch(&name),
    };
    let code = outcome.unwrap_or_else(|failure| {
        eprintln!("copl: {}", failure.message());
        failure.code
    });
    std::process::exit(code.code())
}
