//! `copl data`: check a dataset against its descriptor, or make a synthetic one.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use copl_contract::ExitCode;
use copl_datasets::synth::SynthOptions;
use copl_datasets::{Descriptor, ReadOptions, check, synth};

use crate::args::{DataArgs, DataVerb, SynthKind};
use crate::{Failure, Outcome};

/// The `data` verbs.
pub(crate) fn data(args: &DataArgs) -> Outcome {
    match &args.verb {
        DataVerb::Check { dataset, root, json } => {
            let failed = |e: &dyn std::fmt::Display| Failure::new(ExitCode::Data, e);
            let descriptor = Descriptor::load(dataset).map_err(|e| failed(&e))?;
            let data = descriptor.open(root, &ReadOptions::default()).map_err(|e| failed(&e))?;
            let report = check::check(&data, &descriptor);
            if *json {
                println!("{}", serde_json::to_string(&report).map_err(|e| failed(&e))?);
            } else {
                println!("{report}");
            }
            Ok(if report.is_ok() { ExitCode::Success } else { ExitCode::Data })
        }
        DataVerb::Synth { kind, out, seed, train, val, test, size, rebuild } => {
            let mut options = match kind {
                SynthKind::Ave => SynthOptions::ave(),
                SynthKind::Objects => SynthOptions::objects(),
                SynthKind::Avs => SynthOptions::avs(),
            };
            options.seed = seed.unwrap_or(options.seed);
            options.train = train.unwrap_or(options.train);
            options.val = val.unwrap_or(options.val);
            options.test = test.unwrap_or(options.test);
            if let Some(size) = size {
                (options.width, options.height) = (*size, *size);
            }
            options.rebuild = *rebuild;
            make(*kind, out.clone(), &options)
        }
    }
}

fn make(kind: SynthKind, out: Option<PathBuf>, options: &SynthOptions) -> Outcome {
    let out = out.unwrap_or_else(|| match kind {
        SynthKind::Ave => PathBuf::from("data/ave-mini"),
        SynthKind::Objects => PathBuf::from("data/ave-objects"),
        SynthKind::Avs => PathBuf::from("data/avs-s4-mini"),
    });
    let terminal = std::io::stderr().is_terminal();
    let mut tell = |done: usize, total: usize| {
        if terminal {
            eprint!("\r{done} of {total} clips");
            // A terminal that cannot be written to loses only this line.
            let _ = std::io::stderr().flush();
        }
    };
    let made = match kind {
        SynthKind::Ave => synth::ave(&out, options, &mut tell),
        SynthKind::Objects => synth::objects(&out, options, &mut tell),
        SynthKind::Avs => synth::avs(&out, options, &mut tell),
    };
    let summary = made.map_err(|e| Failure::new(ExitCode::Data, e))?;
    if terminal {
        eprintln!();
    }
    let what = if summary.reused { "was there already" } else { "made" };
    println!("{}: {} clips, {:.1} MB, {what}", summary.out.display(), summary.clips, summary.bytes as f64 / 1e6);
    Ok(ExitCode::Success)
}
