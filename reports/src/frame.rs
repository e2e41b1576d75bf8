//! Columns of a polars frame as plain vectors.

use polars::prelude::{ChunkedArray, DataFrame, PolarsDataType, PolarsError, PolarsResult};

use crate::error::ReportError;

fn column<V>(
    frame: &DataFrame,
    name: &str,
    values: impl FnOnce(&polars::prelude::Column) -> PolarsResult<Vec<V>>,
) -> Result<Vec<V>, ReportError> {
    frame.column(name).and_then(values).map_err(|source| ReportError::Parquet {
        action: "use column of",
        path: name.into(),
        source,
    })
}

fn whole<T: PolarsDataType>(array: &ChunkedArray<T>) -> PolarsResult<&ChunkedArray<T>> {
    if array.null_count() == 0 { Ok(array) } else { Err(PolarsError::ComputeError("the column holds nulls".into())) }
}

/// A text column.
pub(crate) fn texts(frame: &DataFrame, name: &str) -> Result<Vec<String>, ReportError> {
    column(frame, name, |c| Ok(whole(c.str()?)?.iter().flatten().map(str::to_owned).collect()))
}

/// An integer column.
pub(crate) fn integers(frame: &DataFrame, name: &str) -> Result<Vec<i64>, ReportError> {
    column(frame, name, |c| Ok(whole(c.i64()?)?.into_no_null_iter().collect()))
}

/// A column of numbers.
pub(crate) fn numbers(frame: &DataFrame, name: &str) -> Result<Vec<f64>, ReportError> {
    column(frame, name, |c| Ok(whole(c.f64()?)?.into_no_null_iter().collect()))
}

/// A column of lists of whole numbers.
pub(crate) fn lists(frame: &DataFrame, name: &str) -> Result<Vec<Vec<i32>>, ReportError> {
    column(frame, name, |c| {
        let rows = c.list()?;
        let row = |i: usize| match rows.get_as_series(i) {
            Some(row) => Ok(row.i32()?.into_no_null_iter().collect()),
            None => Ok(Vec::new()),
        };
        (0..rows.len()).map(row).collect()
    })
}

/// A column of bytes.
pub(crate) fn binaries(frame: &DataFrame, name: &str) -> Result<Vec<Vec<u8>>, ReportError> {
    column(frame, name, |c| Ok(whole(c.binary()?)?.iter().flatten().map(<[u8]>::to_vec).collect()))
}
