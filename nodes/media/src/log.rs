//! What ffmpeg says on stderr, read as it comes and kept small.
//!
//! ffmpeg is run with `-v repeat+level+info`, so every message carries its level and none is folded into "repeated n
//! times". Kept are the description of the input (see [`crate::probe`]), the first error lines, and some facts that the
//! exit status hides: faulty packets or frames, a file that ends early, and a picture beyond `max_pixels`.

use std::io::{BufRead, BufReader, Read};

/// Lines of the input's description that are kept; a file has a handful of streams.
const MAX_HEADER_LINES: usize = 400;
/// Error lines that are kept; a damaged file can produce one for each block of pixels.
const MAX_ERRORS: usize = 12;
/// Longest line that is kept.
const MAX_LINE: usize = 400;

/// The digest of one run's stderr.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Log {
    /// Of each input, the lines from `Input #` up to the next input's or the output's description, without their level.
    pub inputs: Vec<Vec<String>>,
    /// The first messages of level error and above.
    pub errors: Vec<String>,
    /// Packets the decoder refused plus frames it marked as damaged.
    pub faults: u64,
    /// The demuxer met the end of the file inside something it had been promised.
    pub cut_short: bool,
    /// mp4 or mov without its index.
    pub no_index: bool,
    /// Width and height of a picture the decoder refused to allocate.
    pub refused_size: Option<(u64, u64)>,
    /// How much earlier than its place in the container a stream would be put (see [`crate::origin`]).
    pub late_start_micros: Option<i64>,
    /// ffmpeg was refused memory.
    pub no_memory: bool,
    /// ffmpeg does not know an option, filter or encoder it was asked for: no fault of the clip.
    pub unfit: Option<String>,
}

/// How ffmpeg says that it lacks something.
const LACKS: [&str; 4] = ["Unrecognized option", "No such filter", "Unknown encoder", "not a suitable output format"];

impl Log {
    /// Reads to the end of `stderr`.
    pub fn read(stderr: impl Read) -> Self {
        let mut log = Self::default();
        let mut lines = BufReader::new(stderr);
        let mut line = Vec::new();
        let mut in_header = false;
        loop {
            line.clear();
            // A read error ends the log as an end of file does; the exit status still tells how the run ended.
            match lines.by_ref().take(1 << 16).read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => return log,
                Ok(_) => log.take(String::from_utf8_lossy(&line).trim_end(), &mut in_header),
            }
        }
    }

    fn take(&mut self, line: &str, in_header: &mut bool) {
        let line: String = line.chars().flat_map(readable).take(MAX_LINE).collect();
        if let Some(text) = line.strip_prefix("[info] ") {
            if text.starts_with("Input #") {
                *in_header = true;
                self.inputs.push(Vec::new());
            } else if ["Stream mapping:", "Output #", "Press "].iter().any(|start| text.starts_with(start)) {
                *in_header = false;
            }
            if *in_header
                && let Some(lines) = self.inputs.last_mut()
                && lines.len() < MAX_HEADER_LINES
            {
                lines.push(text.to_owned());
            }
            return;
        }
        self.cut_short |=
            ["partial file", "ended prematurely", "Packet corrupt", "Truncated"].iter().any(|mark| line.contains(mark));
        self.no_memory |= line.contains("Cannot allocate memory");
        self.no_index |= line.contains("moov atom not found");
        if ["corrupt decoded frame", "Error while decoding stream", "Error submitting packet to decoder"]
            .iter()
            .any(|mark| line.contains(mark))
        {
            self.faults += 1;
        }
        if let Some((_, by)) = line.split_once("Correcting start time") {
            let micros = by.split_whitespace().find_map(|word| word.parse().ok());
            self.late_start_micros = self.late_start_micros.or(micros);
        }
        let is_error = ["[error]", "[fatal]", "[panic]"].iter().any(|level| line.contains(level));
        if !is_error {
            return;
        }
        if self.unfit.is_none() && LACKS.iter().any(|words| line.contains(words)) {
            self.unfit = Some(without_context(&line));
        }
        if self.refused_size.is_none() {
            self.refused_size = refused_size(&line);
        }
        if self.errors.len() < MAX_ERRORS {
            self.errors.push(line);
        }
    }

    /// Whether ffmpeg had nothing to say against what it was given.
    pub fn is_clean(&self) -> bool {
        *self == Self { inputs: self.inputs.clone(), late_start_micros: self.late_start_micros, ..Self::default() }
    }

    /// The error lines in one, for the detail of a quarantine row; without addresses that differ from run to run.
    pub fn summary(&self) -> String {
        let mut said: Vec<String> = Vec::new();
        for line in &self.errors {
            let text = without_context(line);
            if !said.contains(&text) && said.len() < 4 {
                said.push(text);
            }
        }
        if said.is_empty() { "ffmpeg gave no reason".to_owned() } else { said.join("; ") }
    }
}

/// A character as a table, a page and a terminal show it alike. ffmpeg repeats what files say of themselves, and they may say
/// anything: control characters, and those that turn the direction of text or break lines, are written out as `\u{1b}`.
fn readable(letter: char) -> impl Iterator<Item = char> {
    let turns_or_breaks = matches!(letter, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let is_written_out = letter.is_control() || turns_or_breaks;
    let as_it_is = (!is_written_out).then_some(letter);
    as_it_is.into_iter().chain(is_written_out.then(|| letter.escape_default()).into_iter().flatten())
}

/// `[h264 @ 0x55…] [error] no frame!` -> `h264: no frame!`
fn without_context(line: &str) -> String {
    let mut rest = line;
    let mut name = None;
    while let Some(inside) = rest.strip_prefix('[') {
        let Some((tag, after)) = inside.split_once(']') else { break };
        if let Some((who, _)) = tag.split_once(" @ ") {
            name.get_or_insert_with(|| who.to_owned());
        }
        rest = after.trim_start();
    }
    match name {
        Some(who) => format!("{who}: {rest}"),
        None => rest.to_owned(),
    }
}

/// Width and height of `Picture size 16384x16384 is invalid`; 0x0, which follows it, does not count.
fn refused_size(line: &str) -> Option<(u64, u64)> {
    let (_, rest) = line.split_once("Picture size ")?;
    let (size, _) = rest.split_once(" is invalid")?;
    let (width, height) = size.split_once('x')?;
    let (width, height) = (width.parse().ok()?, height.parse().ok()?);
    (width > 0 && height > 0).then_some((width, height))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_corrected_start_is_read_in_the_words_of_every_version() {
        for line in [
            "[verbose] Correcting start time of Input #0 by 119000 us.",
            "[mpegts @ 0x55f7dda3e940] [verbose] Correcting start time by 119000",
        ] {
            assert_eq!(Log::read(line.as_bytes()).late_start_micros, Some(119_000));
        }
    }

    #[test]
    fn what_a_file_says_of_itself_is_kept_as_readable_text() {
        let said = "[error] no decoder for '\u{1b}[2J\u{7}\u{202e}gpj\u{9b}31m\0' in \u{fc}ber.mp4\r\n";
        let log = Log::read(said.as_bytes());
        assert_eq!(log.summary(), "no decoder for '\\u{1b}[2J\\u{7}\\u{202e}gpj\\u{9b}31m\\u{0}' in \u{fc}ber.mp4");
    }

    #[test]
    fn a_log_keeps_the_header_and_the_facts_and_stays_small() {
        let mut text = String::from(
            "[info] Input #0, matroska,webm, from 'file:/x':\n[info]   Stream #0:0: Video: vp8, yuv420p, 72x48\n\
             [info] Stream mapping:\n[info]   Stream #0:0 -> #0:0\n\
             [matroska,webm @ 0x55ba58188c80] [error] File ended prematurely\n\
             [q @ 0x1] [IMGUTILS @ 0x2] [error] Picture size 16384x16384 is invalid\n\
             [q @ 0x1] [IMGUTILS @ 0x2] [error] Picture size 0x0 is invalid\n",
        );
        for _ in 0..1000 {
            text.push_str("[warning] file:x: corrupt decoded frame in stream 0\n[h264 @ 0x3] [error] bad block\n");
        }
        let log = Log::read(text.as_bytes());
        assert_eq!(log.inputs.iter().map(Vec::len).collect::<Vec<_>>(), [2]);
        assert!(!log.is_clean());
        assert_eq!(log.errors.len(), MAX_ERRORS);
        assert_eq!(log.faults, 1000);
        assert!(log.cut_short && !log.no_index);
        assert_eq!(log.refused_size, Some((16384, 16384)));
        assert!(log.summary().starts_with("matroska,webm: File ended prematurely; q: Picture size"));
    }
}
