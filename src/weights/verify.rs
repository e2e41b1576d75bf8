//! `copl weights verify`: a file against the encoder it belongs to.

use std::path::{Path, PathBuf};

use copl_contract::ExitCode;
use copl_networks::weights::{Format, TensorSpec, WeightSource, contents};
use copl_networks::{Error, NameMismatch};
use serde::Serialize;

use super::names::unknown;
use super::which::{Which, presets};
use crate::outcome::{Failure, Outcome};
use crate::terminal::shown;

/// Nothing here is random.
const SEED: u64 = 0;

/// What was found.
#[derive(Debug, Default, Serialize)]
struct Report {
    ok: bool,
    /// None for weights inside the program.
    file: Option<PathBuf>,
    format: Option<Format>,
    /// Keys the tensors lie under in a PyTorch file.
    keys: Vec<String>,
    sha256: String,
    preset: String,
    /// Tensors and numbers of the preset.
    tensors: usize,
    parameters: usize,
    /// Tensors in the file that are no weights: heads, tables.
    ignored: usize,
    missing: Vec<String>,
    unexpected: Vec<String>,
    misshaped: Vec<String>,
    /// Tensors with numbers that are infinite or none.
    not_finite: Vec<String>,
}

pub(super) fn verify(what: &str, as_preset: Option<&str>, json: bool) -> Outcome {
    let path = Path::new(what);
    let named = Which::of(what).filter(|_| !path.exists());
    let report = match named {
        Some(architecture) => {
            let source = WeightSource::resolve(architecture.name(), None).map_err(|e| failure(&e))?;
            of_source(&architecture, &source)?
        }
        None if !path.exists() && !looks_like_path(what) => return Err(unknown(what)),
        None => {
            let architecture = match as_preset {
                Some(name) => Which::of(name).ok_or_else(|| unknown(name))?,
                None => nearest(path)?,
            };
            of_source(&architecture, &WeightSource::File(path.to_owned()))?
        }
    };
    if json {
        println!("{}", serde_json::to_string(&report).map_err(|e| Failure::new(ExitCode::Internal, e))?);
    } else {
        print!("{}", shown(&text(&report)));
    }
    Ok(if report.ok { ExitCode::Success } else { ExitCode::Missing })
}

fn looks_like_path(text: &str) -> bool {
    text.contains('/') || text.contains('.')
}

fn failure(error: &Error) -> Failure {
    Failure::new(ExitCode::Missing, error)
}

fn of_source(architecture: &Which, source: &WeightSource) -> Result<Report, Failure> {
    let expected = architecture.tensors();
    let mut report = Report {
        preset: architecture.name().to_owned(),
        tensors: expected.len(),
        parameters: expected.iter().map(TensorSpec::count).sum(),
        sha256: source.fingerprint(SEED).map_err(|e| failure(&e))?,
        ..Report::default()
    };
    let mut stored = expected.len();
    if let WeightSource::File(path) = source {
        let found = contents(path).map_err(|e| failure(&e))?;
        stored = found.shapes.len();
        (report.file, report.format, report.keys) = (Some(path.clone()), Some(found.format), found.keys);
    }
    match architecture.weights(source, SEED) {
        Ok(tensors) => report.not_finite = tensors.not_finite().map_err(|e| failure(&e))?,
        Err(Error::Names(NameMismatch { missing, unexpected, misshaped, .. })) => {
            (report.missing, report.unexpected, report.misshaped) = (missing, unexpected, misshaped);
        }
        Err(error) => return Err(failure(&error)),
    }
    let kept = expected.len() - report.missing.len() + report.unexpected.len();
    report.ignored = stored.saturating_sub(kept);
    report.ok =
        [&report.missing, &report.unexpected, &report.misshaped, &report.not_finite].iter().all(|l| l.is_empty());
    Ok(report)
}

/// The preset a file's tensors fit, or fit best.
fn nearest(path: &Path) -> Result<Which, Failure> {
    // A file that cannot be read at all is said to be so once.
    contents(path).map_err(|e| failure(&e))?;
    let mut best: Option<(usize, Which)> = None;
    for info in presets() {
        let Some(architecture) = Which::of(&info.name) else { continue };
        let problems = match architecture.weights(&WeightSource::File(path.to_owned()), SEED) {
            Ok(_) => return Ok(architecture),
            Err(Error::Names(m)) => m.missing.len() + m.unexpected.len() + m.misshaped.len(),
            Err(error) => return Err(failure(&error)),
        };
        if best.as_ref().is_none_or(|(fewest, _)| problems < *fewest) {
            best = Some((problems, architecture));
        }
    }
    best.map(|(_, architecture)| architecture).ok_or_else(|| Failure::new(ExitCode::Internal, "there are no presets"))
}

fn text(report: &Report) -> String {
    let place = report.file.as_ref().map_or_else(|| "inside the program".to_owned(), |path| path.display().to_string());
    let keys: String = report.keys.iter().map(|key| format!("[{key}]")).collect();
    let format =
        report.format.map_or_else(String::new, |format| format!("\nformat     {format} {keys}").trim_end().to_owned());
    let mut text = format!(
        "weights    {place}{format}\nsha256     {}\nencoder    {}: {} tensors, {} numbers\nignored    {} (heads and tables, by name)\n",
        report.sha256, report.preset, report.tensors, report.parameters, report.ignored
    );
    for (what, names) in [
        ("missing", &report.missing),
        ("unexpected", &report.unexpected),
        ("mis-shaped", &report.misshaped),
        ("not finite", &report.not_finite),
    ] {
        text += &format!("{what:10} {}\n", names.len());
        text.extend(names.iter().map(|name| format!("    {name}\n")));
    }
    text + if report.ok { "ok\n" } else { "these are not its weights, or not all of them\n" }
}
