//! A table on disk: parts while the run goes on, one file at its end.
//!
//! `metrics.parts/part-000001.parquet`, `part-000002.parquet`, … hold the rows so far. A flush replaces the newest part
//! with one that holds the new rows too, until it has [`PART_ROWS`] rows and the next one begins: flushing often does
//! not make many files. [`TableWriter::finish`] joins the parts into `metrics.parquet`, whose metadata says which parts
//! it holds, and removes them; so a kill between the two repeats no row, and a table can be carried on after its end.

use std::fs;
use std::path::{Path, PathBuf};

use polars::prelude::DataFrame;

use crate::error::ReportError;
use crate::parquet;
use crate::tables::{Rows, Table};

/// Rows of a part before the next one begins.
pub const PART_ROWS: usize = 20_000;

fn file(run_dir: &Path, table: Table) -> PathBuf {
    run_dir.join(format!("{}.parquet", table.name()))
}

fn folder(run_dir: &Path, table: Table) -> PathBuf {
    run_dir.join(format!("{}.parts", table.name()))
}

fn part(run_dir: &Path, table: Table, number: u64) -> PathBuf {
    folder(run_dir, table).join(format!("part-{number:06}.parquet"))
}

/// Numbers of the parts on disk, in order.
fn numbers(run_dir: &Path, table: Table) -> Result<Vec<u64>, ReportError> {
    let folder = folder(run_dir, table);
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(ReportError::io("read", &folder)(e)),
    };
    let mut numbers = Vec::new();
    for entry in entries {
        let name = entry.map_err(ReportError::io("read", &folder))?.file_name();
        let number: Option<u64> =
            name.to_str().and_then(|n| n.strip_prefix("part-")?.strip_suffix(".parquet")?.parse().ok());
        numbers.extend(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// A table of a run: its file and the parts that are not in it yet. Before the first row it is empty, with all columns.
///
/// # Errors
/// If the run's folder is missing or a file cannot be read.
pub fn read(run_dir: &Path, table: Table) -> Result<DataFrame, ReportError> {
    // A run that ends while it is being read takes a part away under the reader's hands: then its file is there.
    match read_once(run_dir, table) {
        Err(ReportError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            read_once(run_dir, table)
        }
        result => result,
    }
    .map(|(frame, _)| frame)
}

/// The rows, and the number of the last part that has been written.
fn read_once(run_dir: &Path, table: Table) -> Result<(DataFrame, u64), ReportError> {
    fs::metadata(run_dir).map_err(ReportError::io("read", run_dir))?;
    let numbers = numbers(run_dir, table)?;
    let whole = file(run_dir, table);
    let (mut frame, mut last) = if whole.exists() { parquet::read(&whole, table)? } else { (parquet::empty(table), 0) };
    for number in numbers {
        if number <= last {
            continue;
        }
        let path = part(run_dir, table, number);
        frame.vstack_mut_owned(parquet::read(&path, table)?.0).map_err(ReportError::parquet("read", &path))?;
        last = number;
    }
    Ok((frame, last))
}

/// Writes a table of a run. One writer a table.
#[derive(Debug)]
pub struct TableWriter {
    run_dir: PathBuf,
    table: Table,
    part_rows: usize,
    number: u64,
    rows: DataFrame,
    unwritten: usize,
    total: u64,
}

impl TableWriter {
    /// A writer whose rows come after those on disk.
    ///
    /// # Errors
    /// If what is on disk cannot be read.
    pub fn open(run_dir: &Path, table: Table) -> Result<Self, ReportError> {
        let (before, last) = Self::on_disk(run_dir, table)?;
        Ok(Self::behind(run_dir, table, before.height() as u64, last))
    }

    /// A writer whose rows come after the first `rows` of those on disk; the others, which a run wrote after the
    /// checkpoint it is to go on from, are removed.
    ///
    /// # Errors
    /// If fewer are on disk, or it cannot be read or written.
    pub fn open_after(run_dir: &Path, table: Table, rows: u64) -> Result<Self, ReportError> {
        let (before, last) = Self::on_disk(run_dir, table)?;
        let have = before.height() as u64;
        if have < rows {
            let problem = format!("{have} rows are on disk, {rows} were there at the checkpoint");
            return Err(ReportError::Rows { table: table.name(), problem });
        }
        if have > rows {
            // The new file says that it holds all parts: those that lie about count no more from here on.
            let mut kept = before.head(Some(rows as usize));
            kept.rechunk_mut_par();
            parquet::write(&file(run_dir, table), table, &mut kept, last)?;
        }
        Ok(Self::behind(run_dir, table, rows, last))
    }

    /// What a table holds; under dora's own tools the report-writer may be the first to need the run's folder.
    fn on_disk(run_dir: &Path, table: Table) -> Result<(DataFrame, u64), ReportError> {
        fs::create_dir_all(run_dir).map_err(ReportError::io("create", run_dir))?;
        read_once(run_dir, table)
    }

    fn behind(run_dir: &Path, table: Table, total: u64, last: u64) -> Self {
        let rows = parquet::empty(table);
        let number = last + 1;
        Self { run_dir: run_dir.to_owned(), table, part_rows: PART_ROWS, number, rows, unwritten: 0, total }
    }

    /// Rows of the table, on disk or not.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The same writer with parts of another size.
    pub fn part_rows(mut self, rows: usize) -> Self {
        self.part_rows = rows.max(1);
        self
    }

    /// Takes rows; they are on disk after the next [`TableWriter::flush`].
    ///
    /// # Errors
    /// If they are of another table.
    pub fn append(&mut self, rows: &Rows) -> Result<(), ReportError> {
        let wrong = |problem: String| ReportError::Rows { table: self.table.name(), problem };
        if rows.table() != self.table {
            return Err(wrong(format!("rows of the table {}", rows.table().name())));
        }
        let frame = parquet::to_frame(rows).map_err(|e| wrong(e.to_string()))?;
        self.rows.vstack_mut_owned(frame).map_err(|e| wrong(e.to_string()))?;
        self.unwritten += rows.len();
        self.total += rows.len() as u64;
        Ok(())
    }

    /// Rows that are not on disk yet.
    pub fn unwritten(&self) -> usize {
        self.unwritten
    }

    /// Writes what is not on disk yet.
    ///
    /// # Errors
    /// If the disk is full or the folder cannot be written.
    pub fn flush(&mut self) -> Result<(), ReportError> {
        if self.unwritten == 0 {
            return Ok(());
        }
        let folder = folder(&self.run_dir, self.table);
        fs::create_dir_all(&folder).map_err(ReportError::io("create", &folder))?;
        self.rows.rechunk_mut_par();
        parquet::write(&part(&self.run_dir, self.table, self.number), self.table, &mut self.rows, 0)?;
        self.unwritten = 0;
        if self.rows.height() >= self.part_rows {
            self.number += 1;
            self.rows = parquet::empty(self.table);
        }
        Ok(())
    }

    /// Joins all parts into the table's one file and removes them. A table without rows becomes a file without rows.
    ///
    /// # Errors
    /// If the disk is full or the folder cannot be written; the parts then stay.
    pub fn finish(mut self) -> Result<(), ReportError> {
        self.flush()?;
        let (mut frame, last) = read_once(&self.run_dir, self.table)?;
        frame.rechunk_mut_par();
        parquet::write(&file(&self.run_dir, self.table), self.table, &mut frame, last)?;
        let folder = folder(&self.run_dir, self.table);
        match fs::remove_dir_all(&folder) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(ReportError::io("remove", &folder)(e)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "files of a test")]
mod tests {
    use super::*;
    use crate::tables::Values;

    fn params(range: std::ops::Range<i64>) -> Rows {
        let names = range.clone().map(|i| format!("group {i}")).collect();
        let numbers = Values::Integer(range.collect());
        let columns = vec![Values::Text(names), numbers.clone(), numbers.clone(), numbers];
        Rows::new(Table::Params, "r", 1, "train", columns).unwrap()
    }

    fn counts(dir: &Path) -> Vec<i64> {
        let frame = read(dir, Table::Params).unwrap();
        frame.column("count").unwrap().i64().unwrap().into_no_null_iter().collect()
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_table_is_readable_in_the_middle_and_whole_at_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = TableWriter::open(dir.path(), Table::Params).unwrap().part_rows(4);
        assert_eq!(counts(dir.path()), Vec::<i64>::new());
        for i in 0..5 {
            writer.append(&params(2 * i..2 * i + 2)).unwrap();
            assert_eq!(counts(dir.path()).len() as i64, 2 * i, "unflushed rows are not seen");
            writer.flush().unwrap();
            assert_eq!(counts(dir.path()), (0..2 * i + 2).collect::<Vec<_>>());
        }
        let parts = dir.path().join("params.parts");
        assert_eq!(names(&parts), ["part-000001.parquet", "part-000002.parquet", "part-000003.parquet"]);
        writer.finish().unwrap();
        assert_eq!(counts(dir.path()), (0..10).collect::<Vec<_>>());
        assert_eq!(names(dir.path()), ["params.parquet"]);
    }

    #[test]
    fn a_kill_between_write_and_rename_leaves_the_rows_before() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = TableWriter::open(dir.path(), Table::Params).unwrap();
        writer.append(&params(0..3)).unwrap();
        writer.flush().unwrap();
        let cut = parquet::aside(&part(dir.path(), Table::Params, 1));
        fs::write(&cut, b"PAR1 half a file").unwrap();
        assert_eq!(counts(dir.path()), [0, 1, 2]);
        drop(writer);
        let mut writer = TableWriter::open(dir.path(), Table::Params).unwrap();
        writer.append(&params(3..4)).unwrap();
        writer.finish().unwrap();
        assert_eq!(counts(dir.path()), [0, 1, 2, 3]);
        assert_eq!(names(dir.path()), ["params.parquet"]);
    }

    #[test]
    fn a_kill_before_the_parts_are_removed_repeats_no_row() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = TableWriter::open(dir.path(), Table::Params).unwrap();
        writer.append(&params(0..3)).unwrap();
        writer.flush().unwrap();
        let old = fs::read(part(dir.path(), Table::Params, 1)).unwrap();
        writer.finish().unwrap();
        fs::create_dir(folder(dir.path(), Table::Params)).unwrap();
        fs::write(part(dir.path(), Table::Params, 1), old).unwrap();
        assert_eq!(counts(dir.path()), [0, 1, 2]);
        let mut writer = TableWriter::open(dir.path(), Table::Params).unwrap();
        writer.append(&params(3..5)).unwrap();
        writer.flush().unwrap();
        assert_eq!(counts(dir.path()), [0, 1, 2, 3, 4]);
        writer.finish().unwrap();
        assert_eq!(counts(dir.path()), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn rows_behind_a_checkpoint_are_taken_back() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = TableWriter::open(dir.path(), Table::Params).unwrap().part_rows(2);
        for i in 0..5 {
            writer.append(&params(i..i + 1)).unwrap();
            writer.flush().unwrap();
        }
        assert_eq!(writer.total(), 5);
        drop(writer);
        let mut writer = TableWriter::open_after(dir.path(), Table::Params, 3).unwrap();
        assert_eq!((counts(dir.path()), writer.total()), (vec![0, 1, 2], 3));
        writer.append(&params(9..10)).unwrap();
        writer.flush().unwrap();
        assert_eq!(counts(dir.path()), [0, 1, 2, 9]);
        // Cut again before a new checkpoint, and again behind the end of a run.
        for _ in 0..2 {
            let mut writer = TableWriter::open_after(dir.path(), Table::Params, 3).unwrap();
            assert_eq!(counts(dir.path()), [0, 1, 2]);
            writer.append(&params(7..9)).unwrap();
            writer.finish().unwrap();
            assert_eq!(counts(dir.path()), [0, 1, 2, 7, 8]);
        }
        assert!(TableWriter::open_after(dir.path(), Table::Params, 6).unwrap_err().to_string().contains("5 rows"));
    }

    #[test]
    fn a_table_without_rows_is_a_file_without_rows() {
        let dir = tempfile::tempdir().unwrap();
        let made = dir.path().join("made");
        TableWriter::open(&made, Table::Samples).unwrap().finish().unwrap();
        let frame = read(&made, Table::Samples).unwrap();
        assert_eq!((frame.height(), frame.width()), (0, 10));
        assert!(read(&dir.path().join("none"), Table::Samples).is_err());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_full_disk_is_reported_and_leaves_the_rows_before() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = TableWriter::open(dir.path(), Table::Params).unwrap();
        writer.append(&params(0..3)).unwrap();
        writer.flush().unwrap();
        let aside = parquet::aside(&part(dir.path(), Table::Params, 1));
        std::os::unix::fs::symlink("/dev/full", &aside).unwrap();
        writer.append(&params(3..6)).unwrap();
        let problem = writer.flush().unwrap_err().to_string();
        assert!(problem.contains("No space left"), "{problem}");
        assert_eq!(counts(dir.path()), [0, 1, 2]);
        writer.flush().unwrap();
        assert_eq!(counts(dir.path()), [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn lists_and_nan_come_back() {
        let dir = tempfile::tempdir().unwrap();
        let text = |s: &[&str]| Values::Text(s.iter().map(|s| (*s).to_owned()).collect());
        let columns = vec![
            text(&["a", "b"]),
            Values::Integer(vec![0, 1]),
            text(&["trained", "quarantined"]),
            Values::Integers(vec![vec![1, 2, 3], vec![]]),
            Values::Integers(vec![vec![1, 2, 4], vec![28]]),
            Values::Number(vec![0.5, f64::NAN]),
            Values::Number(vec![1.5, f64::NAN]),
        ];
        let mut writer = TableWriter::open(dir.path(), Table::Samples).unwrap();
        writer.append(&Rows::new(Table::Samples, "r", 2, "val", columns).unwrap()).unwrap();
        writer.finish().unwrap();
        let frame = read(dir.path(), Table::Samples).unwrap();
        let lists = frame.column("prediction").unwrap().list().unwrap();
        let first = lists.get_as_series(0).unwrap();
        assert_eq!(first.i32().unwrap().into_no_null_iter().collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(lists.get_as_series(1).unwrap().len(), 0);
        assert!(frame.column("score").unwrap().f64().unwrap().get(1).unwrap().is_nan());
        assert_eq!(frame.column("split").unwrap().str().unwrap().get(1), Some("val"));
    }
}
