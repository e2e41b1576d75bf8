//! Moments as UTC text, without a calendar library: only formatting of the present is needed.

use std::time::{Duration, SystemTime};

/// A moment of the Gregorian calendar, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    year: u64,
    month: u64,
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
}

impl Moment {
    /// The moment `since_epoch` after 1970-01-01T00:00:00Z.
    ///
    /// Days to date after Howard Hinnant, "chrono-compatible low-level date algorithms", `civil_from_days`.
    pub fn at(since_epoch: Duration) -> Self {
        let secs = since_epoch.as_secs();
        let days = secs / 86_400 + 719_468;
        let era = days / 146_097;
        let day_of_era = days % 146_097;
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        Self {
            year: year_of_era + era * 400 + u64::from(month <= 2),
            month,
            day: day_of_year - (153 * shifted + 2) / 5 + 1,
            hour: secs / 3_600 % 24,
            minute: secs / 60 % 60,
            second: secs % 60,
        }
    }

    /// `20261123-064512`: sorts by time.
    pub fn compact(self) -> String {
        let Self { year, month, day, hour, minute, second } = self;
        format!("{year:04}{month:02}{day:02}-{hour:02}{minute:02}{second:02}")
    }

    /// `2026-11-23T06:45:12Z`.
    pub fn rfc3339(self) -> String {
        let Self { year, month, day, hour, minute, second } = self;
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

/// Time since 1970; zero on a machine whose clock stands before.
pub fn since_epoch() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_date_utility() {
        // `date -u -d @N +%FT%TZ`
        for (secs, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_078_099_200, "2004-03-01T00:00:00Z"),
            (1_795_416_312, "2026-11-23T06:45:12Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(Moment::at(Duration::from_secs(secs)).rfc3339(), text);
        }
        assert_eq!(Moment::at(Duration::from_secs(1_795_416_312)).compact(), "20261123-064512");
    }
}
