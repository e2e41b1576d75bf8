//! `copl weights list`.

use std::path::PathBuf;

use copl_contract::ExitCode;
use copl_hub::{Settings, partial_bytes};
use copl_networks::weights::WeightSource;
use copl_networks::weights::hub::{self, Entry, Origin};
use serde::Serialize;

use super::which::presets;
use crate::outcome::{Failure, Outcome};

/// A preset's weights, as `--json` shows them.
#[derive(Debug, Serialize)]
struct Row {
    preset: String,
    parameters: usize,
    /// Millions of bytes; none inside the program, or where it is not known.
    megabytes: Option<u32>,
    licence: Option<&'static str>,
    #[serde(flatten)]
    origin: Source,
    /// `inside`, `cached`, `partial` or `absent`.
    state: &'static str,
    path: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "origin", rename_all = "snake_case")]
enum Source {
    Program,
    Hub { repo: &'static str, file: &'static str },
    ByHand { how: &'static str },
    Unknown,
}

pub(super) fn list(json: bool) -> Outcome {
    let settings = Settings::from_env();
    let rows: Vec<Row> = presets().into_iter().map(|p| row(&settings, p.name, p.parameters)).collect();
    if json {
        let text = serde_json::to_string(&rows).map_err(|e| Failure::new(ExitCode::Internal, e))?;
        println!("{text}");
        return Ok(ExitCode::Success);
    }
    print!("{}", table(&rows));
    let offline = if settings.offline { "; HF_HUB_OFFLINE forbids the network" } else { "" };
    println!(
        "\nCache: {}{offline}\n`copl weights pull NAME` brings one there; VISUAL_WEIGHTS and AUDIO_WEIGHTS name a file of yours.",
        settings.cache.display()
    );
    Ok(ExitCode::Success)
}

fn row(settings: &Settings, preset: String, parameters: usize) -> Row {
    let entry = hub::entry(&preset);
    let origin = match entry.map(|entry| &entry.origin) {
        Some(Origin::Hub { repo, file }) => Source::Hub { repo, file },
        Some(Origin::ByHand { how }) => Source::ByHand { how },
        None => Source::Unknown,
    };
    let (state, path, origin) = match WeightSource::resolve_in(settings, &preset, None) {
        Ok(WeightSource::File(path)) => ("cached", Some(path), origin),
        Ok(_) => ("inside", None, Source::Program),
        Err(_) => {
            let part = entry.and_then(Entry::file).map_or(0, |file| partial_bytes(settings, &file));
            (if part > 0 { "partial" } else { "absent" }, None, origin)
        }
    };
    let (megabytes, licence) = (entry.and_then(|e| e.megabytes), entry.map(|e| e.licence));
    Row { preset, parameters, megabytes, licence, origin, state, path }
}

fn table(rows: &[Row]) -> String {
    let mut lines = vec![["preset", "parameters", "size", "licence", "from", "where"].map(str::to_owned)];
    lines.extend(rows.iter().map(|row| {
        let from = match row.origin {
            Source::Program => "the program",
            Source::Hub { repo, .. } => repo,
            Source::ByHand { .. } => "its authors, by hand",
            Source::Unknown => "a file of yours",
        };
        let place = match (row.state, &row.path) {
            (_, Some(path)) => path.display().to_string(),
            ("inside", _) => "inside".to_owned(),
            ("partial", _) => "partly here".to_owned(),
            _ => "-".to_owned(),
        };
        let size = row.megabytes.map_or_else(|| "-".to_owned(), |size| format!("{size} MB"));
        let parameters = format!("{:.1} M", row.parameters as f64 / 1e6);
        let licence = row.licence.unwrap_or("-").to_owned();
        [row.preset.clone(), parameters, size, licence, from.to_owned(), place]
    }));
    let widths: [usize; 6] =
        std::array::from_fn(|column| lines.iter().map(|l| l[column].chars().count()).max().unwrap_or(0));
    let mut text = String::new();
    for [preset, parameters, size, licence, from, place] in &lines {
        let [a, b, c, d, e, _] = widths;
        text += &format!("{preset:a$}  {parameters:>b$}  {size:>c$}  {licence:d$}  {from:e$}  {place}\n");
    }
    text
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "files of a test")]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_it_is_and_where() {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings::from_vars(|_| None, None);
        settings.cache = folder.path().to_owned();
        let rows =
            ["swin-v2-nano", "swin-v2-large-window12-192"].map(|name| row(&settings, name.to_owned(), 195_200_000));
        assert_eq!(rows.each_ref().map(|row| row.state), ["inside", "absent"]);
        let text = table(&rows);
        let last = text.lines().last().unwrap();
        let words: Vec<&str> = last.split_whitespace().collect();
        assert_eq!(
            words,
            [
                "swin-v2-large-window12-192",
                "195.2",
                "M",
                "917",
                "MB",
                "MIT",
                "timm/swinv2_large_window12_192.ms_in22k",
                "-"
            ]
        );
        let blobs = folder.path().join("models--timm--swinv2_large_window12_192.ms_in22k/blobs");
        std::fs::create_dir_all(&blobs).unwrap();
        std::fs::write(blobs.join("ab.incomplete"), [0; 9]).unwrap();
        assert_eq!(row(&settings, "swin-v2-large-window12-192".to_owned(), 1).state, "partial");
    }
}
