//! Runs parity fixtures: `cargo run --release -p copl-model --example parity -- FILE...`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files: Vec<String> = std::env::args().skip(1).collect();
    let run = move || {
        for file in &files {
            match copl_model::parity::run(std::path::Path::new(file)) {
                Ok(report) => {
                    println!("{file}: {}", if report.passed() { "passed" } else { "FAILED" });
                    let worst = report.rows.iter().map(|row| row.rel_norm).fold(0.0, f64::max);
                    println!("  {} tensors, worst relative 2-norm {worst:.1e}", report.rows.len());
                    for row in report.rows.iter().filter(|row| !row.passed) {
                        println!("  {row:?}");
                    }
                }
                Err(error) => println!("{file}: {error}"),
            }
        }
    };
    // The graph walk recurses once an operation.
    std::thread::Builder::new().stack_size(64 << 20).spawn(run)?.join().map_err(|_| "the run panicked")?;
    Ok(())
}
