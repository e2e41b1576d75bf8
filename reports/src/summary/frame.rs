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
pub(super) fn texts(frame: &DataFrame, name: &str) -> Result<Vec<String>, ReportError> {
    column(frame, name, |c| Ok(whole(c.str()?)?.iter().flatten().map(str::to_owned).collect()))
}

/// An integer column.
pub(super) fn integers(frame: &DataFrame, name: &str) -> Result<Vec<i64>, ReportError> {
    column(frame, name, |c| Ok(whole(c.i64()?)?.into_no_null_iter().collect()))
}

/// A column of numbers.
pub(super) fn numbers(frame: &DataFrame, name: &str) -> Result<Vec<f64>, ReportError> {
    column(frame, name, |c| Ok(whole(c.f64()?)?.into_no_null_iter().collect()))
}
