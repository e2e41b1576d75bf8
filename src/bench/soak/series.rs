//! A quantity over time, and the straight line through it.

/// A quantity over time: (seconds, value), in the order of time.
#[derive(Clone, Debug, Default)]
pub(super) struct Series(Vec<(f64, f64)>);

/// The line of least squares through a series, and the values it goes through.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub(super) struct Fit {
    /// Rise in an hour.
    pub(super) per_hour: f64,
    /// Rise of the line from the first time to the last.
    pub(super) growth: f64,
    /// First value.
    pub(super) first: f64,
    /// Last value.
    pub(super) last: f64,
    /// Greatest value.
    pub(super) max: f64,
    /// Seconds from the first value to the last.
    pub(super) secs: f64,
    /// Number of values.
    pub(super) count: usize,
}

impl Series {
    /// A further value.
    pub(super) fn push(&mut self, secs: f64, value: f64) {
        self.0.push((secs, value));
    }

    /// What came after the first `share` of the time: the rest is warm-up.
    pub(super) fn settled(&self, share: f64) -> Self {
        let (Some((start, _)), Some((end, _))) = (self.0.first(), self.0.last()) else { return Self::default() };
        let from = start + share * (end - start);
        Self(self.0.iter().copied().filter(|(secs, _)| *secs >= from).collect())
    }

    /// Without the first `count` values.
    pub(super) fn skip(&self, count: usize) -> Self {
        Self(self.0.iter().copied().skip(count).collect())
    }

    /// The line of least squares; none through fewer than two times.
    pub(super) fn fit(&self) -> Option<Fit> {
        let (&(start, first), &(end, last)) = (self.0.first()?, self.0.last()?);
        let count = self.0.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| self.0.iter().map(of).sum::<f64>() / count;
        let (mean_secs, mean_value) = (mean(|p| p.0), mean(|p| p.1));
        let square: f64 = self.0.iter().map(|(secs, _)| (secs - mean_secs).powi(2)).sum();
        if square <= 0.0 {
            return None;
        }
        let product: f64 = self.0.iter().map(|(secs, value)| (secs - mean_secs) * (value - mean_value)).sum();
        let per_sec = product / square;
        let max = self.0.iter().map(|p| p.1).fold(f64::NEG_INFINITY, f64::max);
        let secs = end - start;
        Some(Fit { per_hour: 3600.0 * per_sec, growth: per_sec * secs, first, last, max, secs, count: self.0.len() })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A value a second for so many seconds.
    pub(in super::super) fn made(secs: usize, value: impl Fn(f64) -> f64) -> Series {
        Series((0..secs).map(|s| (s as f64, value(s as f64))).collect())
    }

    #[test]
    fn a_straight_line_is_found_again() {
        let fit = made(600, |secs| 100.0 + secs / 60.0).fit().unwrap();
        assert!((fit.per_hour - 60.0).abs() < 1e-9, "{fit:?}");
        assert!((fit.growth - 599.0 / 60.0).abs() < 1e-9, "{fit:?}");
        assert_eq!((fit.first, fit.secs, fit.count), (100.0, 599.0, 600));
        assert_eq!(fit.max, fit.last);
    }

    #[test]
    fn noise_about_a_level_has_no_slope_to_speak_of() {
        // A saw between 99 and 101 every seven seconds.
        let fit = made(1800, |secs| 99.0 + 2.0 * (secs % 7.0) / 6.0).fit().unwrap();
        assert!(fit.per_hour.abs() < 0.1, "{fit:?}");
        assert_eq!(fit.max, 101.0);
    }

    #[test]
    fn the_warm_up_is_left_out() {
        let warm = made(300, |secs| 50.0 + 50.0 * (secs / 100.0).min(1.0));
        assert!(warm.fit().unwrap().per_hour > 100.0);
        let settled = warm.settled(1.0 / 3.0).fit().unwrap();
        assert!(settled.per_hour.abs() < 5.0, "{settled:?}");
        assert_eq!(made(5, |secs| secs).skip(2).fit().unwrap().first, 2.0);
    }

    #[test]
    fn one_time_has_no_line() {
        assert_eq!(Series::default().fit(), None);
        let mut series = Series::default();
        series.push(3.0, 1.0);
        assert_eq!(series.fit(), None);
        series.push(3.0, 2.0);
        assert_eq!(series.fit(), None);
        assert_eq!(series.settled(0.5).fit(), None);
    }
}
