//! `copl parity`: fixtures of the PyTorch reference, run through our encoders, methods, spectrograms and metrics.

use std::path::Path;

use copl_contract::ExitCode;
use copl_networks::kernels::Execution;

use crate::args::ParityArgs;
use crate::outcome::{Failure, Outcome};

struct Row {
    name: String,
    largest: f64,
    judged: String,
    passed: bool,
}

/// Compares every file; fails if one differs by more than its tolerance.
pub(crate) fn parity(args: &ParityArgs) -> Outcome {
    let mut passed = true;
    let mut all = Vec::new();
    for file in &args.files {
        let rows = rows(file).map_err(|e| Failure::new(ExitCode::ParityFailed, format!("{}: {e}", file.display())))?;
        if rows.is_empty() {
            return Err(Failure::new(ExitCode::ParityFailed, format!("{}: nothing to compare", file.display())));
        }
        let good = rows.iter().all(|r| r.passed);
        passed &= good;
        if args.json {
            for r in &rows {
                all.push(serde_json::json!({ "file": file, "tensor": r.name, "largest": r.largest, "judged": r.judged, "passed": r.passed }));
            }
            continue;
        }
        println!("{}: {}", file.display(), if good { "passed" } else { "FAILED" });
        let width = rows.iter().map(|r| r.name.len()).max().unwrap_or(0);
        for r in &rows {
            let mark = if r.passed { "ok  " } else { "FAIL" };
            println!("  {mark} {:width$}  largest difference {:9.2e}  {}", r.name, r.largest, r.judged);
        }
    }
    if args.json {
        println!("{}", serde_json::Value::Array(all));
    }
    Ok(if passed { ExitCode::Success } else { ExitCode::ParityFailed })
}

fn rows(file: &Path) -> Result<Vec<Row>, String> {
    use copl_spectrogram::parity::{Case, ParityError, has_encoder, log_mel, parity};
    let mut rows: Vec<Row> = match parity(file) {
        Ok(cases) => {
            let row = |c: Case| Row {
                name: c.name,
                largest: c.worst,
                judged: format!("mean {:.2e} (tolerance {})", c.mean, c.allowed),
                passed: c.passed,
            };
            cases.into_iter().map(row).collect()
        }
        // Of another kind: metrics, or encoders and methods.
        Err(ParityError::Config(_)) => return metric_rows(file),
        Err(e) => return Err(e.to_string()),
    };
    match log_mel(file) {
        // An encoder stands behind these spectra.
        Ok(spectra) => rows.extend(model_rows(file, Some(spectra))?),
        Err(ParityError::Config(_)) if has_encoder(file).map_err(|e| e.to_string())? => {
            rows.extend(model_rows(file, None)?);
        }
        Err(ParityError::Config(_)) => {}
        Err(e) => return Err(e.to_string()),
    }
    Ok(rows)
}

/// Metrics; else encoders and methods.
fn metric_rows(file: &Path) -> Result<Vec<Row>, String> {
    use copl_loss_metrics::parity::{Case, ParityError, TOLERANCE, parity};
    let row = |Case { name, worst, passed }| {
        let judged = format!("largest difference (tolerance {TOLERANCE:.0e})");
        Row { name: name.to_owned(), largest: worst, judged, passed }
    };
    match parity(file) {
        Ok(cases) => Ok(cases.into_iter().map(row).collect()),
        Err(ParityError::Config(_)) => model_rows(file, None),
        Err(e) => Err(e.to_string()),
    }
}

/// Encoders and methods; `spectra` where the fixture holds a waveform.
fn model_rows(file: &Path, spectra: Option<Vec<f32>>) -> Result<Vec<Row>, String> {
    // The gradient walk recurses: a large stack.
    let path = file.to_owned();
    let report = std::thread::Builder::new()
        .stack_size(1 << 29)
        .spawn(move || match spectra {
            None => copl_learning::parity::run(&path),
            Some(spectra) => copl_learning::parity::run_spectra(&path, &spectra, Execution::CPU),
        })
        .map_err(|e| e.to_string())?
        .join()
        .map_err(|_| "the comparison panicked".to_owned())?
        .map_err(|e| e.to_string())?;
    Ok(report
        .rows
        .into_iter()
        .map(|r| Row {
            name: r.name,
            largest: r.max_abs,
            judged: format!("relative norm {:.2e} (tolerance {:.0e})", r.rel_norm, r.tolerance),
            passed: r.passed,
        })
        .collect())
}
