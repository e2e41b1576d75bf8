//! Moments as UTC text.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;

/// Time since 1970; zero on a machine whose clock stands before.
pub fn since_epoch() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// `20261123-064512`, the second `since_epoch` after 1970-01-01T00:00:00Z: sorts by time.
pub fn compact(since_epoch: Duration) -> String {
    moment(since_epoch).strftime("%Y%m%d-%H%M%S").to_string()
}

/// `2026-11-23T06:45:12Z`, the same second.
pub fn rfc3339(since_epoch: Duration) -> String {
    moment(since_epoch).to_string()
}

/// The whole second; the last one of the calendar for what lies behind it.
fn moment(since_epoch: Duration) -> Timestamp {
    let secs = i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(secs).unwrap_or(Timestamp::MAX)
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
            assert_eq!(rfc3339(Duration::from_millis(secs * 1000 + 999)), text);
        }
        assert_eq!(compact(Duration::from_secs(1_795_416_312)), "20261123-064512");
        assert!(rfc3339(Duration::MAX).starts_with("9999-12-30T"), "{}", rfc3339(Duration::MAX));
    }
}
