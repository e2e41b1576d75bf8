//! What the installed ffmpeg can do, for `copl doctor`.

use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::ask::{self, Patience};
use crate::error::MediaError;
use crate::promise::ffprobe_beside;

/// Decoders the official data sets need: YouTube's mp4 and webm.
const DECODERS: [&str; 6] = ["h264", "aac", "vp8", "vp9", "opus", "vorbis"];
/// Encoders `copl data mini` needs to write its synthetic clips.
const ENCODERS: [&str; 2] = ["libx264", "aac"];
/// A list of codecs takes a moment; a program that hangs is none.
const PATIENCE: Patience = Patience { timeout: Duration::from_secs(30), max_memory_bytes: 4 << 30 };

/// What was found. A missing decoder means clips will be quarantined; a missing encoder only that no mini set is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FfmpegReport {
    pub ffmpeg: PathBuf,
    /// As ffmpeg writes it: `5.1.9-0+deb12u1`.
    pub version: String,
    /// Older versions lack options that are used (see [`MediaError::UnfitFfmpeg`]).
    pub is_5_1_or_later: bool,
    /// ffprobe is used, where present, to tell a truncated clip from a short one.
    pub has_ffprobe: bool,
    pub decoders: Vec<(&'static str, bool)>,
    pub encoders: Vec<(&'static str, bool)>,
}

impl FfmpegReport {
    /// Names of the decoders that are not there.
    pub fn missing_decoders(&self) -> Vec<&'static str> {
        self.decoders.iter().filter(|(_, found)| !found).map(|(name, _)| *name).collect()
    }
}

/// Asks `ffmpeg` (a name on PATH or a path) for its version and codecs.
pub fn doctor(ffmpeg: &Path) -> Result<FfmpegReport, MediaError> {
    let version = version(ffmpeg)?;
    Ok(FfmpegReport {
        ffmpeg: ffmpeg.to_owned(),
        is_5_1_or_later: !is_before_5_1(&version),
        version,
        has_ffprobe: ask(&ffprobe_beside(ffmpeg), "-version").is_ok(),
        decoders: find(&DECODERS, &ask(ffmpeg, "-decoders")?),
        encoders: find(&ENCODERS, &ask(ffmpeg, "-encoders")?),
    })
}

/// Builds from a development tree (`N-1234-gabc`, `git-2026-…`) count as new.
fn is_before_5_1(version: &str) -> bool {
    let mut numbers = version.trim_start_matches('n').split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) < (5, 1),
        (Some(Ok(major)), _) => major < 5,
        _ => false,
    }
}

/// All that ffmpeg says of its version: its own, its compiler's, how it was configured, its libraries'.
pub(crate) fn about(ffmpeg: &Path) -> Result<String, MediaError> {
    ask(ffmpeg, "-version")
}

/// The version as ffmpeg writes it, or `unknown`.
fn version(ffmpeg: &Path) -> Result<String, MediaError> {
    let banner = about(ffmpeg)?;
    let version = banner.strip_prefix("ffmpeg version ").and_then(|rest| rest.split_whitespace().next());
    Ok(version.unwrap_or("unknown").to_owned())
}

fn ask(program: &Path, question: &str) -> Result<String, MediaError> {
    let read = |mut stdout: std::process::ChildStdout| {
        let mut text = Vec::new();
        stdout.read_to_end(&mut text).map(|_| String::from_utf8_lossy(&text).into_owned())
    };
    let answer = ask::ask(Command::new(program).args(["-hide_banner", question]), PATIENCE, read);
    answer.flatten().map_err(|source| match source.kind() {
        ErrorKind::NotFound => MediaError::NoFfmpeg { looked_for: program.to_owned() },
        _ => MediaError::system(format!("run {}", program.display()), source),
    })
}

/// Lines read ` V....D libx264              libx264 H.264 / AVC …`.
fn find(wanted: &[&'static str], listing: &str) -> Vec<(&'static str, bool)> {
    let known: Vec<&str> = listing.lines().filter_map(|line| line.split_whitespace().nth(1)).collect();
    wanted.iter().map(|name| (*name, known.contains(name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_installed_ffmpeg_is_described() {
        let report = doctor(Path::new("ffmpeg")).unwrap();
        assert!(report.version.chars().any(|c| c.is_ascii_digit()));
        assert!(report.missing_decoders().is_empty(), "{report:?}");
    }

    #[test]
    fn versions_are_told_apart_in_every_form_builds_use() {
        for old in ["4.4.2-0ubuntu0.22.04.1", "4.2.2-static", "5.0.1"] {
            assert!(is_before_5_1(old), "{old}");
        }
        for new in ["5.1.9-0+deb12u1", "6", "7.0.2-static", "n9.0.2-17-g2a571b6068-20260930", "N-118-gabc", "git-2026"]
        {
            assert!(!is_before_5_1(new), "{new}");
        }
    }

    #[test]
    fn a_missing_ffmpeg_is_said_so() {
        assert!(matches!(doctor(Path::new("no-such-ffmpeg")), Err(MediaError::NoFfmpeg { .. })));
    }
}
