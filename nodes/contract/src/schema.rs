//! The Arrow schema of every payload we ship.
//!
//! A message names its payload's schema in the header (`schema`), a receiver accepts the ones its input lists, and both
//! sides check the columns: a wrong name or type is an error at the edge, not a wrong number later.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, Float64Array, Int32Builder, Int64Array, ListArray, ListBuilder, RecordBatch, StringArray,
};
use arrow::datatypes::{DataType, Field, Float32Type, Int32Type, Schema as ArrowSchema, UInt8Type};

use crate::tensor;

/// Type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// Text.
    Utf8,
    /// Signed integer.
    Int64,
    /// Floating point number.
    Float64,
    /// List of i32 of any length.
    ListInt32,
    /// One tensor a row; see [`crate::tensor`].
    TensorU8,
    /// One tensor a row.
    TensorF32,
    /// One tensor a row.
    TensorI32,
}

impl ColumnType {
    /// How the type is written in `copl nodes describe` and the docs.
    pub fn label(self) -> &'static str {
        match self {
            Self::Utf8 => "Utf8",
            Self::Int64 => "Int64",
            Self::Float64 => "Float64",
            Self::ListInt32 => "List<Int32>",
            Self::TensorU8 => "tensor<UInt8>",
            Self::TensorF32 => "tensor<Float32>",
            Self::TensorI32 => "tensor<Int32>",
        }
    }

    fn matches(self, data_type: &DataType) -> bool {
        let fixed = |item: &DataType| matches!(data_type, DataType::FixedSizeList(f, _) if f.data_type() == item);
        match self {
            Self::Utf8 => *data_type == DataType::Utf8,
            Self::Int64 => *data_type == DataType::Int64,
            Self::Float64 => *data_type == DataType::Float64,
            Self::ListInt32 => matches!(data_type, DataType::List(f) if *f.data_type() == DataType::Int32),
            Self::TensorU8 => fixed(&DataType::UInt8),
            Self::TensorF32 => fixed(&DataType::Float32),
            Self::TensorI32 => fixed(&DataType::Int32),
        }
    }
}

/// A column of a schema.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Name.
    pub name: &'static str,
    /// Type.
    pub kind: ColumnType,
    /// Shape, unit and meaning.
    pub meaning: &'static str,
}

macro_rules! schemas {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal { $($column:literal: $kind:ident, $meaning:literal;)* })*) => {
        /// A payload's schema.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Schema { $($(#[doc = $doc])+ $variant,)* }

        impl Schema {
            /// Every schema.
            pub const ALL: &'static [Schema] = &[$(Schema::$variant,)*];

            /// Name in the header.
            pub fn name(self) -> &'static str {
                match self { $(Schema::$variant => $name,)* }
            }

            /// What a row is.
            pub fn meaning(self) -> &'static str {
                match self { $(Schema::$variant => concat!($($doc,)+).trim_ascii_start(),)* }
            }

            /// The columns in order.
            pub fn columns(self) -> &'static [Column] {
                match self { $(Schema::$variant => &[$(Column { name: $column, kind: ColumnType::$kind, meaning: $meaning },)*],)* }
            }
        }
    };
}

schemas! {
    /// A clip to be decoded, with its targets: one row.
    Clips = "clips" {
        "clip": Utf8, "clip id, unique in the dataset";
        "path": Utf8, "media file, absolute";
        "category": Int64, "class of the clip's event";
        "category_name": Utf8, "its name";
        "labels": TensorI32, "[T] class of each segment, background included";
    }
    /// The frames of a clip: one row.
    Frames = "frames" {
        "frames": TensorU8, "[T, H, W, 3] RGB, 0..255";
    }
    /// The spectrogram segments of a clip: one row.
    Spectrogram = "spectrogram" {
        "segments": TensorF32, "[T, time, mel] normalised log mel energies";
    }
    /// What a model says of a batch: one row a clip.
    Predictions = "predictions" {
        "clip": Utf8, "clip id";
        "position": Int64, "place of the clip in the run";
        "logits": TensorF32, "[T, classes]";
        "visual_features": TensorF32, "[T, d] pooled visual features";
        "audio_features": TensorF32, "[T, d] pooled audio features, mapped to the visual width where widths differ";
    }
    /// The loss's gradient with respect to every prediction: one row a clip, in the order of the predictions.
    Gradients = "gradients" {
        "logits": TensorF32, "[T, classes]";
        "visual_features": TensorF32, "[T, d]";
        "audio_features": TensorF32, "[T, d]";
    }
    /// The outcome of a validation pass: one row.
    Verdict = "verdict" {
        "metric": Utf8, "the metric the model is picked by";
        "value": Float64, "its value on the validation split";
        "best": Int64, "1 if it is the best so far, else 0";
    }
    /// Clips whose row is in the report: one row a clip. Each frees a place in the window.
    Credits = "credits" {
        "position": Int64, "place of the clip in the run";
        "usable": Int64, "1 if it was trained or evaluated, 0 if it was quarantined";
        "clip": Utf8, "clip id";
    }
    /// A clip that could not be decoded: one row.
    Quarantine = "quarantine" {
        "clip": Utf8, "clip id";
        "path": Utf8, "media file";
        "stage": Utf8, "node that gave it up";
        "reason": Utf8, "reason code";
        "detail": Utf8, "what was seen";
    }
    /// Numbers of a step or an epoch: one row a metric.
    Metrics = "metrics" {
        "step": Int64, "training step, counted over the run";
        "metric": Utf8, "name, such as loss or accuracy/Church bell";
        "value": Float64, "value";
        "unit": Utf8, "percent, nats, ratio, count, seconds";
        "higher_is_better": Int64, "1, 0, or -1 where neither holds";
    }
    /// What became of a clip: one row.
    Samples = "samples" {
        "clip": Utf8, "clip id";
        "position": Int64, "place of the clip in the run";
        "status": Utf8, "trained, evaluated or quarantined";
        "prediction": ListInt32, "[T] predicted class of each segment; empty if quarantined";
        "target": ListInt32, "[T] true class of each segment";
        "score": Float64, "share of segments that are right; NaN if quarantined";
        "loss": Float64, "loss of the clip in nats; NaN if quarantined";
    }
    /// Parameters of a model: one row a group.
    Params = "params" {
        "group": Utf8, "such as visual.global_prompts or encoder/swin-v2-nano";
        "tensors": Int64, "number of tensors";
        "count": Int64, "number of values";
        "trainable": Int64, "1 if trained, 0 if frozen";
    }
    /// How a node spent an epoch's split: one row.
    Nodes = "nodes" {
        "node": Utf8, "node id in the dataflow";
        "items": Int64, "messages handled";
        "busy_secs": Float64, "seconds at work";
        "waiting_secs": Float64, "seconds waiting for messages";
        "compute_secs": Float64, "seconds in the model's arithmetic; 0 for other nodes";
        "wall_secs": Float64, "seconds in all";
        "peak_memory_bytes": Int64, "most memory the process held so far; 0 where the system does not tell";
    }
    /// A checkpoint that is whole on disk: one row.
    Checkpoints = "checkpoints" {
        "path": Utf8, "file, relative to the run's folder";
        "sha256": Utf8, "of the file's bytes";
        "best": Int64, "1 if it is the model the validation split picked";
    }
    /// A tensor with no further meaning, for nodes of one's own and for benchmarks: one row.
    Tensor = "tensor" {
        "tensor": TensorF32, "any shape";
    }
}

impl Schema {
    /// The schema with this name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|s| s.name() == name)
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
            if array.null_count() > 0 {
                return Err(format!("column `{}` of a `{}` message holds nulls", column.name, self.name()));
            }
        }
        Ok(())
    }
}

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

    /// The batch.
    ///
    /// # Errors
    /// If a column is missing, has another length, or could not be built.
    pub fn build(self) -> Result<(Schema, RecordBatch), String> {
        if let Some(problem) = self.problem {
            return Err(problem);
        }
        let batch =
            RecordBatch::try_new(Arc::new(ArrowSchema::new(self.fields)), self.arrays).map_err(|e| e.to_string())?;
        self.schema.check(&batch)?;
        Ok((self.schema, batch))
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        for (i, a) in Schema::ALL.iter().enumerate() {
            assert!(Schema::ALL[i + 1..].iter().all(|b| a.name() != b.name()));
            assert_eq!(Schema::by_name(a.name()), Some(*a));
        }
    }

    #[test]
    fn a_built_batch_passes_its_check_and_no_other() {
        let (schema, batch) = BatchBuilder::new(Schema::Metrics)
            .int64([3])
            .utf8(["loss"])
            .float64([0.5])
            .utf8(["nats"])
            .int64([0])
            .build()
            .unwrap();
        assert!(schema.check(&batch).is_ok());
        assert!(Schema::Verdict.check(&batch).is_err_and(|e| e.contains("columns")));
        assert!(Schema::Predictions.check(&batch).is_err_and(|e| e.contains("metric") || e.contains("clip")));
    }

    #[test]
    fn a_missing_column_is_refused() {
        assert!(BatchBuilder::new(Schema::Frames).build().is_err());
        assert!(BatchBuilder::new(Schema::Frames).tensor_f32(vec![0.0], 1, &[1]).build().is_err());
    }
}
