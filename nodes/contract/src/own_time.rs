//! Time in which a process itself ran.
//!
//! A process that was stopped (Ctrl-Z, a freezer) or starved has heard nothing in the meantime, so what it waits for has not
//! failed to come. Its deadlines count this time, which stands still while it does: the time between two ticks counts up to a
//! second.

use std::time::{Duration, Instant};

/// The most that one step of time can be. Ticks come several times a second.
const LONGEST: Duration = Duration::from_secs(1);

/// A clock of the process's own time.
#[derive(Debug)]
pub struct OwnTime {
    ticked: Instant,
    now: Duration,
}

impl OwnTime {
    /// Begins at zero.
    pub fn start() -> Self {
        Self { ticked: Instant::now(), now: Duration::ZERO }
    }

    /// The own time now. To be called several times a second.
    pub fn tick(&mut self) -> Duration {
        self.tick_at(Instant::now())
    }

    fn tick_at(&mut self, instant: Instant) -> Duration {
        self.now += instant.duration_since(self.ticked).min(LONGEST);
        self.ticked = instant;
        self.now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_counts_as_its_first_second() {
        let mut time = OwnTime::start();
        let start = time.ticked;
        assert_eq!(time.tick_at(start + Duration::from_millis(200)), Duration::from_millis(200));
        assert_eq!(time.tick_at(start + Duration::from_secs(3600)), Duration::from_millis(1200));
        assert_eq!(time.tick_at(start + Duration::from_millis(3_600_500)), Duration::from_millis(1700));
    }
}
