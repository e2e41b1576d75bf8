//! Reading the columns of a batch.

use arrow::array::{Array, AsArray, BinaryArray, Float64Array, Int64Array, ListArray, RecordBatch, StringArray};

/// The text column `name`.
///
/// # Errors
/// If there is no such column.
pub fn utf8<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a StringArray, String> {
    downcast(batch, name)
}

/// The integer column `name`.
///
/// # Errors
/// If there is no such column.
pub fn int64<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a Int64Array, String> {
    downcast(batch, name)
}

/// The number column `name`.
///
/// # Errors
/// If there is no such column.
pub fn float64<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a Float64Array, String> {
    downcast(batch, name)
}

/// The column of bytes `name`.
///
/// # Errors
/// If there is no such column.
pub fn binary<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a BinaryArray, String> {
    downcast(batch, name)
}

/// The texts in row `row` of the list column `name`.
///
/// # Errors
/// If there is no such column or row, or its lists hold no texts.
pub fn texts(batch: &RecordBatch, name: &str, row: usize) -> Result<Vec<String>, String> {
    let lists = list(batch, name)?;
    if row >= lists.len() {
        return Err(format!("column `{name}` has {} rows, not {}", lists.len(), row + 1));
    }
    let values = lists.value(row);
    let values = values.as_string_opt::<i32>().ok_or_else(|| format!("column `{name}` holds no text lists"))?;
    Ok(values.iter().flatten().map(str::to_owned).collect())
}

/// The list column `name`.
///
/// # Errors
/// If there is no such column.
pub fn list<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ListArray, String> {
    downcast(batch, name)
}

fn downcast<'a, A: Array + 'static>(batch: &'a RecordBatch, name: &str) -> Result<&'a A, String> {
    batch
        .column_by_name(name)
        .and_then(|c| c.as_any().downcast_ref::<A>())
        .ok_or_else(|| format!("column `{name}` is missing or of another type"))
}
