//! The times of all decoded frames, as the filter graph wrote them.

use std::fs;
use std::io;
use std::path::Path;

/// Presentation times in seconds from the start of the container, in display order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stamps(pub Vec<f64>);

impl Stamps {
    /// Reads lines such as `frame:12   pts:480000  pts_time:0.48`; no file means no frame was decoded.
    pub fn read(path: &Path) -> io::Result<Self> {
        match fs::read_to_string(path) {
            Ok(text) => Ok(Self::parse(&text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    fn parse(text: &str) -> Self {
        let stamp = |line: &str| {
            let pts = line.strip_prefix("frame:")?.split_whitespace().find_map(|word| word.strip_prefix("pts:"))?;
            Some(pts.parse::<f64>().ok()? / 1e6)
        };
        Self(text.lines().filter_map(stamp).collect())
    }

    /// When the last frame leaves the screen, taking its time on screen as the median of the others'.
    pub fn end_secs(&self) -> f64 {
        let Some(last) = self.0.last() else { return 0.0 };
        let mut gaps: Vec<f64> = self.0.windows(2).map(|pair| pair[1] - pair[0]).filter(|gap| *gap > 0.0).collect();
        gaps.sort_by(f64::total_cmp);
        last + gaps.get(gaps.len() / 2).copied().unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_the_end_is_the_last_plus_the_usual_gap() {
        let text = "frame:0    pts:-7000   pts_time:-0.007\ncopl=1\nframe:1    pts:33000   pts_time:0.033\ncopl=1\n\
                    frame:2    pts:73000   pts_time:0.073\n";
        let stamps = Stamps::parse(text);
        assert_eq!(stamps.0, [-0.007, 0.033, 0.073]);
        assert!((stamps.end_secs() - 0.113).abs() < 1e-9);
        assert_eq!(Stamps::default().end_secs(), 0.0);
    }
}
