//! Whether a batch is what its schema says.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, FixedSizeListArray, Int64Array, ListArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema as ArrowSchema};

use super::catalogue::Schema;

impl Schema {
    /// The batch with the columns that a sender of an earlier build left out (`Column::added`), 0 in every row. Any other
    /// batch comes back as it is, for [`Schema::check`] to judge.
    ///
    /// # Errors
    /// If Arrow refuses the columns.
    pub fn completed(self, batch: RecordBatch) -> Result<RecordBatch, String> {
        let left_out = self.columns().get(batch.num_columns()..).unwrap_or_default();
        if left_out.is_empty() || !left_out.iter().all(|column| column.added) {
            return Ok(batch);
        }
        let mut fields: Vec<Arc<Field>> = batch.schema_ref().fields().iter().cloned().collect();
        let mut arrays = batch.columns().to_vec();
        for column in left_out {
            fields.push(Arc::new(Field::new(column.name, DataType::Int64, false)));
            arrays.push(Arc::new(Int64Array::from_value(0, batch.num_rows())));
        }
        RecordBatch::try_new(Arc::new(ArrowSchema::new(fields)), arrays).map_err(|e| e.to_string())
    }

    /// Checks that a batch has this schema's columns, in order, with these types and no nulls.
    ///
    /// # Errors
    /// Names the first column that differs.
    pub fn check(self, batch: &RecordBatch) -> Result<(), String> {
        let columns = self.columns();
        let have = batch.schema_ref().fields();
        if have.len() != columns.len() {
            let names: Vec<&str> = have.iter().map(|f| f.name().as_str()).collect();
            let want: Vec<&str> = columns.iter().map(|c| c.name).collect();
            return Err(format!("a `{}` message has the columns {want:?}, this one has {names:?}", self.name()));
        }
        for ((column, field), array) in columns.iter().zip(have).zip(batch.columns()) {
            if column.name != field.name() || !column.kind.matches(field.data_type()) {
                return Err(format!(
                    "a `{}` message has `{}: {}` where this one has `{}: {}`",
                    self.name(),
                    column.name,
                    column.kind.label(),
                    field.name(),
                    field.data_type()
                ));
            }
            if array.null_count() > 0 || inner(array).is_some_and(|inner| inner.null_count() > 0) {
                return Err(format!("column `{}` of a `{}` message holds nulls", column.name, self.name()));
            }
        }
        Ok(())
    }
}

/// The values in a column of lists or tensors: what reads them sees no nulls among them either.
fn inner(array: &ArrayRef) -> Option<&ArrayRef> {
    let fixed = array.as_fixed_size_list_opt().map(FixedSizeListArray::values);
    fixed.or_else(|| array.as_list_opt::<i32>().map(ListArray::values))
}
