//! Making a batch of a schema.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BinaryArray, Float64Array, Int32Builder, Int64Array, ListArray, ListBuilder, RecordBatch,
    StringArray, StringBuilder,
};
use arrow::datatypes::{Field, Float32Type, Int32Type, Schema as ArrowSchema, UInt8Type};

use super::catalogue::Schema;
use crate::tensor;

/// Builds a batch of a schema column by column, in the schema's order.
#[derive(Debug)]
pub struct BatchBuilder {
    schema: Schema,
    fields: Vec<Field>,
    arrays: Vec<ArrayRef>,
    problem: Option<String>,
}

impl BatchBuilder {
    /// An empty batch of `schema`.
    pub fn new(schema: Schema) -> Self {
        Self { schema, fields: Vec::new(), arrays: Vec::new(), problem: None }
    }

    fn push(mut self, make: impl FnOnce(&'static str) -> Result<(Field, ArrayRef), String>) -> Self {
        match self.schema.columns().get(self.fields.len()) {
            None => {
                self.problem = self.problem.or_else(|| Some(format!("`{}` has no more columns", self.schema.name())))
            }
            Some(column) => match make(column.name) {
                Ok((field, array)) => {
                    self.fields.push(field);
                    self.arrays.push(array);
                }
                Err(problem) => self.problem = self.problem.or(Some(problem)),
            },
        }
        self
    }

    fn plain(self, array: ArrayRef) -> Self {
        self.push(|name| Ok((Field::new(name, array.data_type().clone(), false), array)))
    }

    /// A text column.
    pub fn utf8<S: AsRef<str>>(self, values: impl IntoIterator<Item = S>) -> Self {
        self.plain(Arc::new(StringArray::from_iter_values(values)))
    }

    /// An integer column.
    pub fn int64(self, values: impl IntoIterator<Item = i64>) -> Self {
        self.plain(Arc::new(Int64Array::from_iter_values(values)))
    }

    /// A column of numbers.
    pub fn float64(self, values: impl IntoIterator<Item = f64>) -> Self {
        self.plain(Arc::new(Float64Array::from_iter_values(values)))
    }

    /// A column of integer lists.
    pub fn list_i32<'a>(self, rows: impl IntoIterator<Item = &'a [i32]>) -> Self {
        let mut builder = ListBuilder::new(Int32Builder::new());
        for row in rows {
            builder.values().append_slice(row);
            builder.append(true);
        }
        let list: ListArray = builder.finish();
        self.plain(Arc::new(list))
    }

    /// A column of text lists.
    pub fn list_utf8<'a, S: AsRef<str> + 'a>(self, rows: impl IntoIterator<Item = &'a [S]>) -> Self {
        let mut builder = ListBuilder::new(StringBuilder::new());
        for row in rows {
            row.iter().for_each(|text| builder.values().append_value(text));
            builder.append(true);
        }
        let list: ListArray = builder.finish();
        self.plain(Arc::new(list))
    }

    /// A column of bytes.
    pub fn binary<B: AsRef<[u8]>>(self, values: impl IntoIterator<Item = B>) -> Self {
        self.plain(Arc::new(BinaryArray::from_iter_values(values)))
    }

    /// A tensor column: `rows` tensors of `shape`.
    pub fn tensor_u8(self, values: Vec<u8>, rows: usize, shape: &[usize]) -> Self {
        self.push(|name| tensor::column::<UInt8Type>(name, values, rows, shape))
    }

    /// A tensor column: `rows` tensors of `shape`.
    pub fn tensor_f32(self, values: Vec<f32>, rows: usize, shape: &[usize]) -> Self {
        self.push(|name| tensor::column::<Float32Type>(name, values, rows, shape))
    }

    /// A tensor column: `rows` tensors of `shape`.
    pub fn tensor_i32(self, values: Vec<i32>, rows: usize, shape: &[usize]) -> Self {
        self.push(|name| tensor::column::<Int32Type>(name, values, rows, shape))
    }

    /// The batch; columns that the schema gained later may be left out.
    ///
    /// # Errors
    /// If a column is missing, has another length, or could not be built.
    pub fn build(self) -> Result<(Schema, RecordBatch), String> {
        if let Some(problem) = self.problem {
            return Err(problem);
        }
        let batch =
            RecordBatch::try_new(Arc::new(ArrowSchema::new(self.fields)), self.arrays).map_err(|e| e.to_string())?;
        let batch = self.schema.completed(batch)?;
        self.schema.check(&batch)?;
        Ok((self.schema, batch))
    }
}
