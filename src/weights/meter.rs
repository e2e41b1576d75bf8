//! How far a pull is: a bar on a terminal, a line every tenth elsewhere.

use std::io::IsTerminal;

use copl_hub::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::names::megabytes;

const BAR: &str =
    "{prefix} {bar:32.cyan/dim} {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {eta} left {msg}";

/// What shows the progress of a pull.
pub(super) struct Meter {
    name: String,
    quiet: bool,
    bar: Option<ProgressBar>,
    total: Option<u64>,
    /// Tenths that have been told of.
    tenths: u64,
}

impl Meter {
    pub(super) fn new(name: &str, quiet: bool) -> Self {
        let terminal = !quiet && std::io::stderr().is_terminal();
        let bar = terminal.then(|| {
            let style = ProgressStyle::with_template(BAR).unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
            bar.with_style(style.progress_chars("━╸─")).with_prefix(name.to_owned())
        });
        Self { name: name.to_owned(), quiet, bar, total: None, tenths: 0 }
    }

    /// Shows what happened.
    pub(super) fn show(&mut self, progress: &Progress) {
        if let Some(bar) = &self.bar {
            match progress {
                Progress::Begun { bytes, kept } => {
                    bar.set_length(bytes.unwrap_or(*kept));
                    bar.set_position(*kept);
                    // Speed is that of this pull, not of the bytes that were here.
                    bar.reset_eta();
                }
                Progress::Received(have) => bar.set_position(*have),
                Progress::Retrying(why) => bar.println(format!("{}: {why}; again", self.name)),
                Progress::Waiting => bar.set_message("another process pulls it; waiting"),
                Progress::Checking => bar.set_message("checking"),
            }
        } else if !self.quiet
            && let Some(line) = self.line(progress)
        {
            eprintln!("{line}");
        }
    }

    /// A line for where there is no terminal, if this is worth one.
    fn line(&mut self, progress: &Progress) -> Option<String> {
        let what = match progress {
            Progress::Begun { bytes, kept } => {
                self.total = *bytes;
                self.tenths = bytes.map_or(0, |bytes| kept * 10 / bytes.max(1));
                let size = bytes.map_or_else(|| "size unknown".to_owned(), megabytes);
                let kept = if *kept > 0 { format!(", {} of them are here", megabytes(*kept)) } else { String::new() };
                format!("{size}{kept}")
            }
            Progress::Received(have) => {
                let total = self.total?;
                let tenths = have * 10 / total.max(1);
                if tenths <= self.tenths {
                    return None;
                }
                self.tenths = tenths;
                format!("{} of {} ({} %)", megabytes(*have), megabytes(total), tenths * 10)
            }
            Progress::Retrying(why) => format!("{why}; again"),
            Progress::Waiting => "another process pulls it; waiting".to_owned(),
            Progress::Checking => "checking".to_owned(),
        };
        Some(format!("{}: {what}", self.name))
    }

    /// Takes the bar off the screen.
    pub(super) fn clear(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_terminal_every_tenth_is_a_line() {
        let mut meter = Meter { name: "x".to_owned(), quiet: false, bar: None, total: None, tenths: 0 };
        let begun = meter.line(&Progress::Begun { bytes: Some(1_000_000), kept: 250_000 });
        assert_eq!(begun.as_deref(), Some("x: 1.0 MB, 0.2 MB of them are here"));
        let lines: Vec<String> = (250..=1000).filter_map(|k| meter.line(&Progress::Received(k * 1000))).collect();
        assert_eq!(lines.len(), 8);
        assert_eq!(lines[0], "x: 0.3 MB of 1.0 MB (30 %)");
        assert_eq!(lines[7], "x: 1.0 MB of 1.0 MB (100 %)");
    }

    #[test]
    fn the_template_is_valid() {
        assert!(ProgressStyle::with_template(BAR).is_ok());
    }
}
