//! Makes a synthetic set: `cargo run --release -p copl-synth --example make -- ave FOLDER noise=8 train=16`.

use std::{path::Path, time::Instant};

use copl_synth::{Progress, SynthError, SynthOptions, SynthSummary};

type Make = fn(&Path, &SynthOptions, &mut dyn FnMut(Progress)) -> Result<SynthSummary, SynthError>;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [kind, out, settings @ ..] = arguments.as_slice() else {
        return Err("usage: make ave|avs|ms3|objects FOLDER [OPTION=VALUE]...".into());
    };
    let (make, mut options): (Make, SynthOptions) = match kind.as_str() {
        "ave" => (copl_synth::ave, SynthOptions::ave()),
        "objects" => (copl_synth::objects, SynthOptions::objects()),
        "avs" => (copl_synth::avs, SynthOptions::avs()),
        "ms3" => (copl_synth::ms3, SynthOptions::ms3()),
        other => return Err(format!("'{other}' is no generator; there are ave, avs, ms3 and objects").into()),
    };
    for setting in settings {
        let (name, value) = setting.split_once('=').ok_or_else(|| format!("'{setting}' is not OPTION=VALUE"))?;
        options.set(name, value)?;
    }
    let started = Instant::now();
    let summary = make(Path::new(out), &options, &mut |told| match told {
        Progress::Waiting => eprintln!("waiting for another maker"),
        Progress::Clips { done, total } => eprint!("\r{done}/{total}"),
    })?;
    eprintln!();
    println!("{summary:?} in {:.1} s", started.elapsed().as_secs_f32());
    Ok(())
}
