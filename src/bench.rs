//! `copl bench`: how fast the parts are on this machine, at this time: decoding, spectrograms, a training step, and what a
//! run spends beside its model; and whether anything grows over many runs and a long one. `copl run
//! dataflows/bench-messages.yml` measures an edge.

mod decode;
mod features;
mod soak;

use std::time::Instant;

use copl_contract::ExitCode;
use copl_contract::settings::{Env, SettingValue};
use copl_contract::task::Task;
use copl_learning::bench::BenchConfig;
use copl_learning::methods::MethodConfig;
use copl_networks::kernels::{Execution, Stages};
use copl_spectrogram::{Fbank, FbankSettings};

use crate::args::{BenchArgs, BenchVerb, StepArgs};
use crate::outcome::{Failure, Outcome};

/// The `bench` verbs.
pub(crate) fn bench(args: &BenchArgs) -> Outcome {
    match &args.verb {
        BenchVerb::Decode(args) => decode::decode(args),
        BenchVerb::Features(args) => features::features(args),
        BenchVerb::Fbank { clips } => fbank(*clips),
        BenchVerb::Step(args) => step(args),
        BenchVerb::Overhead { run } => overhead(run),
        BenchVerb::Soak(args) => soak::soak(args),
    }
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::new(ExitCode::Internal, error)
}

fn fbank(clips: usize) -> Outcome {
    let settings = FbankSettings::default();
    let samples: Vec<f32> =
        (0..settings.rate * 10).map(|i| (i as f32 * 0.37).sin() * 0.3 + (i as f32 * 0.011).sin() * 0.2).collect();
    let fbank = Fbank::new(settings).map_err(failed)?;
    let start = Instant::now();
    let mut sum = 0.0;
    for _ in 0..clips.max(1) {
        sum += fbank.segments(&samples).map_err(failed)?[0];
    }
    let seconds = start.elapsed().as_secs_f64() / clips.max(1) as f64;
    println!(
        "fbank (preset ave-swin): {:.2} ms a clip of 10 s, {:.0} x realtime on one thread (checksum {sum:.3})",
        1e3 * seconds,
        10.0 / seconds
    );
    Ok(ExitCode::Success)
}

fn step(args: &StepArgs) -> Outcome {
    let usage = |e: String| Failure::new(ExitCode::Usage, e);
    let stages: Stages = args.checkpoint_stages.parse().map_err(usage)?;
    let task = Task::parse(&args.task).map_err(usage)?;
    let method = MethodConfig::read(&args.method, task, &Env::new()).map_err(|(_, problem)| usage(problem))?;
    let config = BenchConfig {
        preset: args.encoder.clone(),
        weights: args.weights.clone(),
        audio: args.audio_encoder.clone().map(|preset| (preset, args.audio_weights.clone())),
        method,
        clips: args.clips,
        steps: args.steps,
        same_size: args.same_size,
        execution: Execution::CPU.recomputing(stages),
        ..BenchConfig::of(task)
    };
    // SAFETY: no thread has been started yet.
    unsafe { copl_engine::prepare_arithmetic() };
    let report = std::thread::Builder::new()
        .stack_size(1 << 29)
        .spawn(move || copl_learning::bench::run(&config))
        .map_err(failed)?
        .join()
        .map_err(|_| failed("the measurement panicked"))?
        .map_err(failed)?;
    if args.json {
        println!("{}", serde_json::to_string(&report).map_err(failed)?);
        return Ok(ExitCode::Success);
    }
    let share = 100.0 * report.gflop / (report.forward_ms + report.backward_ms) * 1e3 / report.machine_gflops;
    println!(
        "{} on {} ({} images a step, {} threads), medians:",
        report.method, report.preset, report.images, report.threads
    );
    println!("  forward   {:8.1} ms", report.forward_ms);
    println!("  backward  {:8.1} ms", report.backward_ms);
    println!("  optimizer {:8.1} ms", report.optimizer_ms);
    println!("  step      {:8.1} ms", report.step_ms);
    println!("  predict   {:8.1} ms (evaluation, no graph)", report.predict_ms);
    println!("  memory    {:8.1} MB at most", report.peak_memory_mb);
    println!("  learn     {:8.3} M numbers beside the head", report.additional as f64 / 1e6);
    println!("  speed     {share:8.1} % of a plain matrix product's {:.0} GFLOP/s", report.machine_gflops);
    Ok(ExitCode::Success)
}

fn overhead(run: &std::path::Path) -> Outcome {
    let summary = copl_reports::summary::summarise(run).map_err(failed)?;
    println!("{summary}");
    Ok(ExitCode::Success)
}
