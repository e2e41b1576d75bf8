//! One Parquet file of a table: rows to a polars frame, a frame to a file under its final name, and back.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use polars::prelude::{
    Column as FrameColumn, DataFrame, DataType, Int32Type, IntoSeries, KeyValueMetadata, ListBuilderTrait,
    ListPrimitiveChunkedBuilder, NamedFrom, ParquetReader, ParquetWriter, PolarsResult, SerReader, Series,
};

use crate::error::ReportError;
use crate::tables::{ColumnType, Rows, TABLES_VERSION, Table, Values};

/// Key of the number of the last part that a file holds; 0 for a part.
const PARTS_KEY: &str = "copl.parts";
const VERSION_KEY: &str = "copl.version";

fn data_type(kind: ColumnType) -> DataType {
    let list = |of: DataType| DataType::List(Box::new(of));
    match kind {
        ColumnType::Utf8 => DataType::String,
        ColumnType::Binary => DataType::Binary,
        ColumnType::Int64 => DataType::Int64,
        ColumnType::Float64 => DataType::Float64,
        ColumnType::ListInt32 | ColumnType::TensorI32 => list(DataType::Int32),
        ColumnType::ListUtf8 => list(DataType::String),
        ColumnType::TensorU8 => list(DataType::UInt8),
        ColumnType::TensorF32 => list(DataType::Float32),
    }
}

/// A table's frame with no rows.
pub(crate) fn empty(table: Table) -> DataFrame {
    let schema = table.columns().map(|c| (c.name.into(), data_type(c.kind))).collect();
    DataFrame::empty_with_schema(&schema)
}

/// The rows as a frame with all columns of their table.
///
/// # Errors
/// If polars refuses the columns.
pub(crate) fn to_frame(rows: &Rows) -> PolarsResult<DataFrame> {
    let height = rows.len();
    let mut columns = vec![
        text("run", std::iter::repeat_n(rows.run.as_str(), height).collect()),
        Series::new("epoch".into(), vec![rows.epoch; height]).into(),
        text("split", std::iter::repeat_n(rows.split.as_str(), height).collect()),
    ];
    columns.extend(rows.table.own_columns().iter().zip(&rows.columns).map(|(c, v)| series(c.name, v)));
    DataFrame::new(height, columns)
}

fn text(name: &str, values: Vec<&str>) -> FrameColumn {
    Series::new(name.into(), values).into()
}

fn series(name: &str, values: &Values) -> FrameColumn {
    match values {
        Values::Text(v) => text(name, v.iter().map(String::as_str).collect()),
        Values::Integer(v) => Series::new(name.into(), v.as_slice()).into(),
        Values::Number(v) => Series::new(name.into(), v.as_slice()).into(),
        Values::Bytes(v) => Series::new(name.into(), v.iter().map(Vec::as_slice).collect::<Vec<&[u8]>>()).into(),
        Values::Integers(v) => {
            let total = v.iter().map(Vec::len).sum();
            let mut list = ListPrimitiveChunkedBuilder::<Int32Type>::new(name.into(), v.len(), total, DataType::Int32);
            for row in v {
                list.append_slice(row);
            }
            list.finish().into_series().into()
        }
    }
}

/// Puts the texts of a frame into few buffers. polars gives each series that is made a block of 8 KiB for texts of more than
/// twelve bytes, and keeps the blocks of all that it joins: rows that came one by one would hold hundreds of times their size.
///
/// # Errors
/// If polars refuses the columns.
fn compact(frame: &mut DataFrame) -> PolarsResult<()> {
    let texts = frame.columns().iter().filter(|c| c.dtype() == &DataType::String).map(|c| c.name().clone());
    for name in texts.collect::<Vec<_>>() {
        let values: Vec<Option<&str>> = frame.column(&name)?.str()?.iter().collect();
        let whole = Series::new(name.clone(), values);
        frame.with_column(whole.into())?;
    }
    Ok(())
}

/// Writes a whole file aside, makes it durable, and gives it its final name. A kill at any moment leaves the old file,
/// or none, or the new one; never a part of one. The frame's texts are in few buffers afterwards.
///
/// # Errors
/// If the disk is full or the folder cannot be written.
pub(crate) fn write(path: &Path, table: Table, frame: &mut DataFrame, parts: u64) -> Result<(), ReportError> {
    compact(frame).map_err(ReportError::parquet("write", path))?;
    let aside = aside(path);
    let written = write_aside(&aside, table, frame, parts).and_then(|()| rename(&aside, path));
    if written.is_err() {
        remove_aside(&aside);
    }
    written
}

fn write_aside(aside: &Path, table: Table, frame: &mut DataFrame, parts: u64) -> Result<(), ReportError> {
    let file = File::create(aside).map_err(ReportError::io("create", aside))?;
    let mut out = Watched { file: BufWriter::new(file), failed: None };
    let written = ParquetWriter::new(&mut out).with_key_value_metadata(Some(metadata(table, parts))).finish(frame);
    if let Some(source) = out.failed.take() {
        return Err(ReportError::io("write", aside)(source));
    }
    written.map_err(ReportError::parquet("write", aside))?;
    out.file.flush().map_err(ReportError::io("write", aside))?;
    out.file.get_ref().sync_all().map_err(ReportError::io("write", aside))
}

/// A file that remembers why it could not be written: polars makes text of it, and a full disk must be known as one.
struct Watched {
    file: BufWriter<File>,
    failed: Option<io::Error>,
}

impl Watched {
    fn note<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &result {
            let same = error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error);
            self.failed.get_or_insert(same);
        }
        result
    }
}

impl Write for Watched {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes);
        self.note(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.file.flush();
        self.note(flushed)
    }
}

/// Takes away what could not be finished: on a full disk it would keep room from what is still to be written.
pub(crate) fn remove_aside(aside: &Path) {
    // Where it cannot be removed the next write replaces it; the failure before this one is what is told.
    let _ = fs::remove_file(aside);
}

/// Renames a finished file and makes the new name durable.
///
/// # Errors
/// If the folder cannot be written.
pub(crate) fn rename(aside: &Path, path: &Path) -> Result<(), ReportError> {
    fs::rename(aside, path).map_err(ReportError::io("rename", aside))?;
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|f| f.sync_all()).map_err(ReportError::io("write", folder))
}

/// Name of a file while it is being written: hidden, and not `*.parquet`, so no reader's pattern finds it.
pub(crate) fn aside(path: &Path) -> std::path::PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.writing"))
}

fn metadata(table: Table, parts: u64) -> KeyValueMetadata {
    let mut pairs = vec![
        ("copl.table".to_owned(), table.name().to_owned()),
        (VERSION_KEY.to_owned(), TABLES_VERSION.to_string()),
        ("copl.row".to_owned(), table.meaning().to_owned()),
        (PARTS_KEY.to_owned(), parts.to_string()),
    ];
    pairs.extend(table.columns().map(|c| {
        let unit = if c.unit.is_empty() { String::new() } else { format!(" [{}]", c.unit) };
        (format!("copl.column.{}", c.name), format!("{}{unit}", c.meaning))
    }));
    KeyValueMetadata::from_static(pairs)
}

/// A file's rows, and the number of the last part it holds. Columns that the table gained since the file was written are there
/// too, 0 in every row.
///
/// # Errors
/// If it cannot be read, or is of a newer version than this build's.
pub(crate) fn read(path: &Path, table: Table) -> Result<(DataFrame, u64), ReportError> {
    let file = File::open(path).map_err(ReportError::io("read", path))?;
    let mut reader = ParquetReader::new(file);
    let wrap = || ReportError::parquet("read", path);
    let pairs = reader.get_metadata().map_err(wrap())?.key_value_metadata().clone().unwrap_or_default();
    let value = |key: &str| pairs.iter().find(|p| p.key == key).and_then(|p| p.value.clone());
    let version = value(VERSION_KEY).unwrap_or_default();
    if version.parse::<u32>().is_ok_and(|v| v > TABLES_VERSION) {
        return Err(ReportError::Version { path: path.to_owned(), found: version, known: TABLES_VERSION });
    }
    let parts = value(PARTS_KEY).and_then(|p| p.parse().ok()).unwrap_or(0);
    let mut frame = reader.finish().map_err(wrap())?;
    let height = frame.height();
    for column in table.columns().filter(|column| column.added) {
        if frame.column(column.name).is_err() {
            frame.with_column(Series::new(column.name.into(), vec![0_i64; height]).into()).map_err(wrap())?;
        }
    }
    Ok((frame, parts))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Buffers that hold the texts of a column.
    fn buffers(frame: &DataFrame, name: &str) -> usize {
        frame.column(name).unwrap().str().unwrap().downcast_iter().map(|array| array.data_buffers().len()).sum()
    }

    #[test]
    fn rows_that_came_one_by_one_share_their_buffers_once_they_are_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("params.parquet");
        let mut frame = empty(Table::Params);
        for i in 0..500_i64 {
            let group = Values::Text(vec![format!("visual.global_prompts.{i}"); 2]);
            let number = || Values::Integer(vec![i, i + 1]);
            let columns = vec![group, number(), number(), number()];
            let rows = Rows::new(Table::Params, "20260101-000000-aaaa", 1, "train", columns).unwrap();
            frame.vstack_mut_owned(to_frame(&rows).unwrap()).unwrap();
        }
        frame.rechunk_mut_par();
        let before = frame.clone();
        write(&path, Table::Params, &mut frame, 0).unwrap();
        for name in ["run", "group"] {
            assert!(buffers(&frame, name) < 10, "{name}: {} buffers for 1000 rows", buffers(&frame, name));
        }
        assert!(frame.equals(&before) && read(&path, Table::Params).unwrap().0.equals(&before));
        assert_eq!(frame.get_column_names(), before.get_column_names());
    }

    #[test]
    fn a_file_of_an_earlier_build_gains_the_columns_it_lacks() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.parquet");
        let text = |t: &str| Values::Text(vec![t.to_owned()]);
        let (one, number) = (|| Values::Integer(vec![1]), Values::Number(vec![50.0]));
        let columns = vec![one(), text("accuracy"), number, text("percent"), one(), one()];
        let whole = to_frame(&Rows::new(Table::Metrics, "r", 1, "val", columns).unwrap()).unwrap();
        let mut early = whole.drop("picks").unwrap();
        write(&path, Table::Metrics, &mut early, 0).unwrap();
        let (mut read, _) = read(&path, Table::Metrics).unwrap();
        assert_eq!(read.column("picks").unwrap().i64().unwrap().get(0), Some(0));
        // A run that goes on puts its rows behind the old ones.
        read.vstack_mut_owned(whole).unwrap();
        assert_eq!(read.height(), 2);
    }
}
