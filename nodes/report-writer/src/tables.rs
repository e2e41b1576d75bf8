//! All tables of a run, and when they are due to be written.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use copl_contract::checkpoint::ReportPart;
use copl_reports::{ReportError, Rows, Table, TableWriter};

/// How long the node waits at most for a message when nothing is due.
const NOTHING_DUE: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(crate) struct Tables {
    writers: Vec<(Table, TableWriter)>,
    /// When the oldest row that is not on disk came.
    waiting_since: Option<Instant>,
}

impl Tables {
    /// Opens every table, behind the rows that a checkpoint counts; the model tells its parameters anew.
    pub(crate) fn open(run_dir: &Path, part_rows: usize, before: Option<&ReportPart>) -> Result<Self, ReportError> {
        let rows = |t: &Table| match (before, t) {
            (Some(part), t) if *t != Table::Params => part.rows.get(t.name()).copied().unwrap_or(0),
            _ => 0,
        };
        let open = |t: &Table| Ok((*t, TableWriter::open_after(run_dir, *t, rows(t))?.part_rows(part_rows)));
        Ok(Self { writers: Table::ALL.iter().map(open).collect::<Result<_, _>>()?, waiting_since: None })
    }

    pub(crate) fn append(&mut self, rows: &Rows) -> Result<(), ReportError> {
        for (table, writer) in &mut self.writers {
            if *table == rows.table() {
                writer.append(rows)?;
            }
        }
        if !rows.is_empty() {
            self.waiting_since.get_or_insert_with(Instant::now);
        }
        Ok(())
    }

    /// Rows of every table, on disk or not.
    pub(crate) fn totals(&self) -> BTreeMap<String, u64> {
        self.writers.iter().map(|(table, writer)| (table.name().to_owned(), writer.total())).collect()
    }

    /// Time until rows must be written that may wait for `every`.
    pub(crate) fn due_in(&self, every: Duration) -> Duration {
        self.waiting_since.map_or(NOTHING_DUE, |since| every.saturating_sub(since.elapsed()))
    }

    /// Writes all that is not on disk yet.
    pub(crate) fn flush(&mut self) -> Result<(), ReportError> {
        self.waiting_since = None;
        self.writers.iter_mut().try_for_each(|(_, writer)| writer.flush())
    }

    /// Writes the tables that have so many rows waiting.
    pub(crate) fn flush_large(&mut self, rows: usize) -> Result<(), ReportError> {
        self.writers.iter_mut().filter(|(_, w)| w.unwritten() >= rows).try_for_each(|(_, writer)| writer.flush())
    }

    /// Makes each table one file.
    pub(crate) fn finish(self) -> Result<(), ReportError> {
        self.writers.into_iter().try_for_each(|(_, writer)| writer.finish())
    }
}
