//! Several short clips through one ffmpeg.
//!
//! Starting ffmpeg, with its two hundred libraries, costs as much as decoding ten seconds of small pictures. So clips that
//! wait together are decoded together, each to a file of its own; every input and every output has the options it would
//! have alone, and gives the same bytes. What ffmpeg says of one it does not say by name, so where it says anything at all
//! none of them counts: each is then decoded alone, and judged by what is said of it.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::error::Stage;
use crate::ffmpeg::{Output, Run};
use crate::limits::Limits;
use crate::log::Log;
use crate::origin::restarts_its_clock;
use crate::{input, probe};

/// Clips of a process at most.
pub const MOST: usize = 8;

/// Bytes of a clip at most: of a longer or larger one the start is a small part, and decoders of many large pictures side by
/// side are bad for a core's cache.
const SHORT_BYTES: u64 = 4 << 20;

/// What is to come of one clip.
#[derive(Debug)]
pub struct Part {
    /// A file that passed [`input::check`].
    pub absolute: PathBuf,
    /// Filters and format of the output.
    pub args: Vec<OsString>,
    /// Bytes it may give.
    pub max_bytes: u64,
}

/// Whether a file that passed [`input::check`] may be decoded together with others.
pub fn is_short(absolute: &Path) -> bool {
    fs::metadata(absolute).is_ok_and(|about| about.len() <= SHORT_BYTES) && !restarts_its_clock(absolute)
}

/// What came of some parts.
pub struct Together {
    /// Of each, its output; nothing where it has to be decoded alone.
    pub outputs: Vec<Option<Output>>,
    folder: Option<TempDir>,
}

impl Together {
    /// Where ffmpeg ran, until this is dropped: what filters were asked to write lies there.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_ref().map(TempDir::path)
    }
}

/// Runs one ffmpeg over all parts, at least two. Where the run had any fault, each is to be decoded alone.
pub fn outputs(stage: Stage, parts: &[Part], limits: &Limits) -> Together {
    let run = || {
        // What is wrong with the system is told of by the runs that follow.
        let folder = tempfile::Builder::new().prefix("copl-clips-").tempdir().ok().filter(|_| parts.len() > 1)?;
        let args = arguments(stage, parts, limits);
        let output = Run { stage, args, folder: Some(folder.path()), max_bytes: 0 }.output(limits).ok()?;
        (output.success && output.log.is_clean()).then_some((folder, output.log))
    };
    let Some((folder, log)) = run() else {
        return Together { outputs: parts.iter().map(|_| None).collect(), folder: None };
    };
    let given = parts.iter().enumerate();
    let output = |(index, part)| output(stage, index, part, log.inputs.get(index)?, folder.path(), limits);
    Together { outputs: given.map(output).collect(), folder: Some(folder) }
}

fn arguments(stage: Stage, parts: &[Part], limits: &Limits) -> Vec<OsString> {
    let mut args: Vec<OsString> = parts.iter().flat_map(|part| input::arguments(&part.absolute, limits)).collect();
    let kind = if stage == Stage::Audio { "a" } else { "v" };
    for (index, part) in parts.iter().enumerate() {
        args.extend(["-map".to_owned(), format!("{index}:{kind}:0")].map(OsString::from));
        args.extend(part.args.iter().cloned());
        args.push(format!("file:{}", file_name(index)).into());
    }
    args
}

fn file_name(index: usize) -> String {
    format!("{index}.raw")
}

/// Alone, ffmpeg would pick the best of several streams: with one there is nothing to pick.
fn output(stage: Stage, index: usize, part: &Part, lines: &[String], folder: &Path, limits: &Limits) -> Option<Output> {
    let found = probe::from_lines(lines)?;
    let most = part.max_bytes.min(limits.max_output_bytes);
    let streams = if stage == Stage::Audio { found.audio.len() } else { found.video.len() };
    let file = folder.join(file_name(index));
    let is_within = fs::metadata(&file).is_ok_and(|about| about.len() <= most);
    if streams != 1 || !is_within {
        return None;
    }
    let bytes = fs::read(&file).ok()?;
    Some(Output { bytes, log: Log { inputs: vec![lines.to_vec()], ..Log::default() }, success: true })
}
