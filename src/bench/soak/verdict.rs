//! What a soak is held to: how much of each quantity may come in an hour, and what may be left after a run.

use serde::Serialize;

use super::series::{Fit, Series};

/// Values below which no line is judged.
const FEW: usize = 5;
const MIB: f64 = 1048576.0;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Quantity {
    /// Resident memory of a process within one long run.
    Memory,
    /// Open file handles of a process within one long run.
    Handles,
    /// Files in shared memory that the processes of one long run map, in bytes.
    SharedMemory,
    /// Greatest resident memory of all processes of a short run, over the runs.
    PeakMemory,
    /// Files in shared memory that no process maps, in bytes, over the runs.
    DeadSharedMemory,
    /// The folder of a run.
    RunFolder,
    /// The cache of decoded clips.
    Cache,
    /// Seconds a short run takes.
    Seconds,
}

/// The most that a quantity may rise.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Bound {
    /// In an hour.
    pub(super) per_hour: f64,
    /// A rise of the line smaller than this, from its first time to its last, is noise whatever the slope.
    pub(super) noise: f64,
}

impl Quantity {
    /// All, in the order in which they are told.
    pub(super) const ALL: [Self; 8] = [
        Self::Memory,
        Self::PeakMemory,
        Self::Handles,
        Self::SharedMemory,
        Self::DeadSharedMemory,
        Self::RunFolder,
        Self::Cache,
        Self::Seconds,
    ];

    /// As the table calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Handles => "handles",
            Self::SharedMemory => "shared memory",
            Self::PeakMemory => "peak memory",
            Self::DeadSharedMemory => "dead shared memory",
            Self::RunFolder => "run's folder",
            Self::Cache => "cache",
            Self::Seconds => "time",
        }
    }

    /// Unit of the table, and how many of the measured unit it is.
    pub(super) fn unit(self) -> (&'static str, f64) {
        match self {
            Self::Handles => ("", 1.0),
            Self::Seconds => ("s", 1.0),
            _ => ("MB", MIB),
        }
    }

    /// What it is held to; none for what is only shown: the folder of a long run grows by its rows, and time depends on
    /// what else the machine does.
    pub(super) fn bound(self, phase: Phase) -> Option<Bound> {
        let bound = |per_hour, noise| Some(Bound { per_hour, noise });
        match (self, phase) {
            (Self::Memory, _) => bound(32.0 * MIB, 8.0 * MIB),
            (Self::Handles, _) => bound(12.0, 2.0),
            (Self::SharedMemory, _) => bound(16.0 * MIB, 4.0 * MIB),
            (Self::PeakMemory, _) => bound(64.0 * MIB, 32.0 * MIB),
            (Self::DeadSharedMemory, _) => bound(0.0, 0.5 * MIB),
            (Self::Cache, _) => bound(MIB, 0.25 * MIB),
            (Self::RunFolder, Phase::Short) => bound(MIB, 0.25 * MIB),
            (Self::RunFolder, Phase::Long) | (Self::Seconds, _) => None,
        }
    }
}

/// Where a series comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Phase {
    /// Many short runs, a value a run.
    Short,
    /// One long run, a value a second.
    Long,
}

/// How it stands with a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// Within its bound.
    Level,
    /// Beyond it.
    Grows,
    /// Too few values to say.
    TooShort,
    /// Not held to anything.
    Shown,
}

/// A line of the table.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    pub(super) phase: Phase,
    /// A node, a dataflow, the machine.
    pub(super) subject: String,
    pub(super) quantity: Quantity,
    pub(super) fit: Option<Fit>,
    pub(super) bound: Option<Bound>,
    pub(super) state: State,
}

impl Row {
    /// Judges a series that is past its warm-up.
    pub(super) fn of(phase: Phase, subject: &str, quantity: Quantity, settled: &Series) -> Self {
        let (fit, bound) = (settled.fit(), quantity.bound(phase));
        let state = match (&fit, &bound) {
            (_, None) => State::Shown,
            (Some(fit), Some(bound)) if fit.count >= FEW => {
                let grows = fit.per_hour > bound.per_hour && fit.growth > bound.noise;
                if grows { State::Grows } else { State::Level }
            }
            _ => State::TooShort,
        };
        Self { phase, subject: subject.to_owned(), quantity, fit, bound, state }
    }
}

/// What must not be there after a run, counted over all runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Left {
    /// Runs.
    pub(super) runs: u64,
    /// Of them, those that did not end as they should.
    pub(super) failed_runs: u64,
    /// Processes that outlived their command by more than two seconds.
    pub(super) orphans: u64,
    /// Files in shared memory that came with a run and that no process maps after it.
    pub(super) shared_files: u64,
}

#[cfg(test)]
mod tests {
    use super::super::series::tests::made;
    use super::*;

    fn state(phase: Phase, quantity: Quantity, series: &Series) -> State {
        Row::of(phase, "model", quantity, series).state
    }

    #[test]
    fn a_level_series_with_noise_passes_and_a_leak_does_not() {
        let noise = |secs: f64| (secs * 12.9898).sin() * 2.0 * MIB;
        let level = made(900, |secs| 200.0 * MIB + noise(secs));
        assert_eq!(state(Phase::Long, Quantity::Memory, &level), State::Level);
        // 60 MB an hour: 15 MB in a quarter of one.
        let leak = made(900, |secs| 200.0 * MIB + noise(secs) + 60.0 * MIB * secs / 3600.0);
        assert_eq!(state(Phase::Long, Quantity::Memory, &leak), State::Grows);
        let handles = made(900, |secs| 40.0 + (secs / 60.0).floor());
        assert_eq!(state(Phase::Long, Quantity::Handles, &handles), State::Grows);
        assert_eq!(state(Phase::Long, Quantity::Handles, &made(900, |secs| 40.0 + secs % 2.0)), State::Level);
    }

    #[test]
    fn a_steep_line_of_a_short_watch_is_noise() {
        // 6 MB in twenty seconds is a gigabyte an hour, and what one batch more takes.
        let short = made(20, |secs| 200.0 * MIB + 0.3 * MIB * secs);
        assert_eq!(state(Phase::Long, Quantity::Memory, &short), State::Level);
        assert_eq!(state(Phase::Long, Quantity::Memory, &made(120, |secs| 0.3 * MIB * secs)), State::Grows);
    }

    #[test]
    fn what_shrinks_is_level_and_few_values_say_nothing() {
        assert_eq!(state(Phase::Long, Quantity::Memory, &made(900, |secs| MIB * (900.0 - secs))), State::Level);
        assert_eq!(state(Phase::Short, Quantity::Cache, &made(3, |secs| MIB * secs)), State::TooShort);
    }

    #[test]
    fn dead_shared_memory_may_not_rise_at_all() {
        assert_eq!(state(Phase::Short, Quantity::DeadSharedMemory, &made(10, |secs| MIB * secs)), State::Grows);
        assert_eq!(state(Phase::Short, Quantity::DeadSharedMemory, &made(10, |_| 9.0 * MIB)), State::Level);
    }

    #[test]
    fn the_folder_of_a_long_run_is_only_shown() {
        let growing = made(900, |secs| MIB * secs);
        assert_eq!(state(Phase::Long, Quantity::RunFolder, &growing), State::Shown);
        assert_eq!(state(Phase::Short, Quantity::RunFolder, &growing), State::Grows);
    }
}
