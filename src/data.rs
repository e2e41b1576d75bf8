//! `copl data`: check a dataset against its descriptor, or make a synthetic one.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use copl_contract::ExitCode;
use copl_datasets::{Descriptor, ReadOptions, check};
use copl_synth::{MusicOptions, Progress, SynthError, SynthOptions, SynthSummary};

use crate::args::{DataArgs, DataVerb, SetArgs, SynthKind};
use crate::outcome::{Failure, Outcome};

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
        DataVerb::Synth { kind, out, set } => {
            if !matches!(kind, SynthKind::Avqa) {
                set.without_ensembles()?;
            }
            let folder = |name: &str| out.clone().unwrap_or_else(|| PathBuf::from("data").join(name));
            match kind {
                SynthKind::Ave => make(folder("ave-mini"), &set.apply(SynthOptions::ave()), copl_synth::ave),
                SynthKind::Avs => make(folder("avs-s4-mini"), &set.apply(SynthOptions::avs()), copl_synth::avs),
                SynthKind::Ms3 => make(folder("avs-ms3-mini"), &set.apply(SynthOptions::ms3()), copl_synth::ms3),
                SynthKind::Objects => {
                    make(folder("ave-objects"), &set.apply(SynthOptions::objects()), copl_synth::objects)
                }
                SynthKind::Avqa => make(folder("music-avqa-mini"), &set.music(), copl_synth::music_avqa),
            }
        }
    }
}

impl SetArgs {
    fn apply(&self, options: SynthOptions) -> SynthOptions {
        SynthOptions {
            seed: self.seed.unwrap_or(options.seed),
            train: self.train.unwrap_or(options.train),
            val: self.val.unwrap_or(options.val),
            test: self.test.unwrap_or(options.test),
            width: self.size.unwrap_or(options.width),
            height: self.size.unwrap_or(options.height),
            raw_videos: self.raw_videos,
            rebuild: self.rebuild,
            ..options
        }
    }

    /// Sets without ensembles have no such options.
    fn without_ensembles(&self) -> Result<(), Failure> {
        let given = [("questions", self.questions), ("instruments", self.instruments), ("players", self.players)];
        match given.iter().find(|(_, value)| value.is_some()) {
            Some((name, _)) => {
                Err(Failure::new(ExitCode::Usage, format!("--{name} is an option of `copl data synth avqa`")))
            }
            None => Ok(()),
        }
    }

    fn music(&self) -> MusicOptions {
        let options = MusicOptions::default();
        MusicOptions {
            seed: self.seed.unwrap_or(options.seed),
            train: self.train.unwrap_or(options.train),
            val: self.val.unwrap_or(options.val),
            test: self.test.unwrap_or(options.test),
            width: self.size.unwrap_or(options.width),
            height: self.size.unwrap_or(options.height),
            questions: self.questions.unwrap_or(options.questions),
            instruments: self.instruments.unwrap_or(options.instruments),
            players: self.players.unwrap_or(options.players),
            rebuild: self.rebuild,
            ..options
        }
    }
}

/// A generator.
type Make<O> = fn(&Path, &O, &mut dyn FnMut(Progress)) -> Result<SynthSummary, SynthError>;

fn make<O>(out: PathBuf, options: &O, generator: Make<O>) -> Outcome {
    let terminal = std::io::stderr().is_terminal();
    let mut tell = |told: Progress| match told {
        Progress::Waiting => eprintln!("another process is making {}: waiting until it is done", out.display()),
        Progress::Clips { done, total } if terminal => {
            eprint!("\r{done} of {total} clips");
            // A terminal that cannot be written to loses only this line.
            let _ = std::io::stderr().flush();
        }
        Progress::Clips { .. } => {}
    };
    let summary = generator(&out, options, &mut tell).map_err(|e| Failure::new(ExitCode::Data, e))?;
    if terminal {
        eprintln!();
    }
    let what = if summary.reused { "was there already" } else { "made" };
    println!("{}: {} clips, {:.1} MB, {what}", summary.out.display(), summary.clips, summary.bytes as f64 / 1e6);
    Ok(ExitCode::Success)
}
