//! What a message's array must be before anything reads it: the rows of its schema, and all of them there. Columns that the
//! schema gained since the sender was built are filled in.

use arrow::array::{Array, RecordBatch, StructArray};

use crate::schema::Schema;
use crate::spec::REPORT_TABLES;

/// The rows of a payload of `schema`.
///
/// # Errors
/// If it is no table, holds nulls, has other columns than the schema, or has no rows where one is what it says.
pub fn rows(schema: Schema, data: &dyn Array) -> Result<RecordBatch, String> {
    let rows = data
        .as_any()
        .downcast_ref::<StructArray>()
        .ok_or_else(|| format!("a payload is a struct array, this one is {}", data.data_type()))?;
    if rows.null_count() > 0 {
        return Err(format!("a `{}` message holds {} nulls in the place of rows", schema.name(), rows.null_count()));
    }
    let batch = schema.completed(RecordBatch::from(rows))?;
    schema.check(&batch)?;
    // A table of the report may have nothing to tell; a tombstone, a clip, a batch are what their rows say.
    let may_be_empty = REPORT_TABLES.contains(&schema) && schema != Schema::Quarantine;
    if batch.num_rows() == 0 && !may_be_empty {
        return Err(format!("a `{}` message without a row", schema.name()));
    }
    Ok(batch)
}
