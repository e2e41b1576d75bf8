//! Times one training step: `cargo run --release -p copl-model --example step -- [PRESET] [CLIPS] [SEGMENTS] [STEPS] [METHOD] [plain | low-memory]`.

use copl_model::bench::{BenchConfig, run};
use copl_model::kernels::Execution;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let mut config = BenchConfig::default();
    let get = |index: usize| args.get(index).map(String::as_str);
    if let Some(preset) = get(0) {
        config.preset = preset.to_string();
    }
    for (index, field) in [(1, &mut config.clips), (2, &mut config.segments), (3, &mut config.steps)] {
        if let Some(text) = get(index) {
            *field = text.parse()?;
        }
    }
    if let Some(method) = get(4) {
        config.method = method.parse()?;
    }
    config.execution = match get(5) {
        Some("plain") => Execution::Plain,
        Some("low-memory") => Execution::LowMemory,
        _ => Execution::Fast,
    };
    // The graph walk recurses once an operation.
    let timed = std::thread::Builder::new().stack_size(64 << 20).spawn(move || run(&config))?;
    let report = timed.join().map_err(|_| "the timed thread panicked")??;
    println!("{report:#?}");
    Ok(())
}
