//! The Arrow schema of every payload we ship.
//!
//! A message names its payload's schema in the header (`schema`), a receiver accepts the ones its input lists, and both
//! sides check the columns: a wrong name or type is an error at the edge, not a wrong number later.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, FixedSizeListArray, Float64Array, Int32Builder, Int64Array, ListArray,
    ListBuilder, RecordBatch, StringArray, StringBuilder,
};
use arrow::datatypes::{DataType, Field, Float32Type, Int32Type, Schema as ArrowSchema, UInt8Type};

use crate::tensor;

/// Type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// Text.
    Utf8,
    /// Bytes, such as a PNG.
    Binary,
    /// Signed integer.
    Int64,
    /// Floating point number.
    Float64,
    /// List of i32 of any length.
    ListInt32,
    /// List of texts of any length.
    ListUtf8,
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
            Self::Binary => "Binary",
            Self::Int64 => "Int64",
            Self::Float64 => "Float64",
            Self::ListInt32 => "List<Int32>",
            Self::ListUtf8 => "List<Utf8>",
            Self::TensorU8 => "tensor<UInt8>",
            Self::TensorF32 => "tensor<Float32>",
            Self::TensorI32 => "tensor<Int32>",
        }
    }

    fn matches(self, data_type: &DataType) -> bool {
        let fixed = |item: &DataType| matches!(data_type, DataType::FixedSizeList(f, _) if f.data_type() == item);
        match self {
            Self::Utf8 => *data_type == DataType::Utf8,
            Self::Binary => *data_type == DataType::Binary,
            Self::Int64 => *data_type == DataType::Int64,
            Self::Float64 => *data_type == DataType::Float64,
            Self::ListInt32 => matches!(data_type, DataType::List(f) if *f.data_type() == DataType::Int32),
            Self::ListUtf8 => matches!(data_type, DataType::List(f) if *f.data_type() == DataType::Utf8),
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
    /// A clip of event localisation to be decoded, with its targets: one row.
    Clips = "clips" {
        "clip": Utf8, "clip id, unique in the dataset";
        "path": Utf8, "media file, absolute";
        "category": Int64, "class of the clip's event";
        "category_name": Utf8, "its name";
        "labels": TensorI32, "[T] class of each segment, background included";
    }
    /// A clip of segmentation to be decoded, with its targets: one row.
    MaskClips = "mask-clips" {
        "clip": Utf8, "clip id, unique in the dataset";
        "path": Utf8, "media file, absolute: the video, or the sound where pictures are extracted";
        "pictures": ListUtf8, "picture files of the segments, absolute; empty where the video holds them";
        "category": Int64, "class of the sounding object, -1 where the dataset has no categories";
        "category_name": Utf8, "its name; empty where there is none";
        "masks": TensorU8, "[T, H, W] 1 on the sounding objects, 0 elsewhere, and where no mask is known";
        "known": TensorI32, "[T] 1 where the dataset has a mask of the segment, else 0";
    }
    /// A question about a video to be decoded, with its answer: one row.
    QuestionClips = "question-clips" {
        "clip": Utf8, "clip id, unique in the dataset: one a question";
        "path": Utf8, "media file, absolute; questions of one video follow each other";
        "video": Utf8, "id of the video";
        "kind": Utf8, "kind of the question: Audio, Visual or Audio-Visual, a blank, and what is asked, such as Counting";
        "question": Utf8, "the question in words, without question mark";
        "words": TensorI32, "[14] the question's words by their number in the vocabulary, filled with 0";
        "answer": Int64, "class of the answer";
        "answers": ListUtf8, "the dataset's answers in order of class";
    }
    /// A question as word ids: one row.
    QuestionWords = "question-words" {
        "video": Utf8, "id of the video it is about";
        "words": TensorI32, "[W] the question's words by their number in the vocabulary, filled with 0";
    }
    /// A question as a frozen text encoder has it: one row.
    QuestionFeatures = "question-features" {
        "video": Utf8, "id of the video it is about";
        "features": TensorF32, "[L, d] last hidden states of its tokens; 0 behind the last token";
        "length": Int64, "tokens, special ones included";
        "pooled": TensorF32, "[d] the vector that stands for the whole question";
    }
    /// The frames of a clip: one row.
    Frames = "frames" {
        "frames": TensorU8, "[T, H, W, 3] RGB, 0..255";
    }
    /// The spectrogram segments of a clip: one row.
    Spectrogram = "spectrogram" {
        "segments": TensorF32, "[T, time, mel] normalised log mel energies";
    }
    /// What a model says of a batch in event localisation: one row a clip.
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
    /// What a model says of a batch in segmentation: one row a clip.
    MaskPredictions = "mask-predictions" {
        "clip": Utf8, "clip id";
        "position": Int64, "place of the clip in the run";
        "logits": TensorF32, "[T, H, W] of the sounding object, against all else; in training [1, H, W], of the first frame, which alone has a mask";
        "visual_features": TensorF32, "[T, d] pooled visual features";
        "audio_features": TensorF32, "[T, d] pooled audio features, mapped to the visual width where widths differ";
    }
    /// The loss's gradient with respect to every prediction of segmentation: one row a clip, in their order.
    MaskGradients = "mask-gradients" {
        "logits": TensorF32, "[1, H, W], as predicted";
        "visual_features": TensorF32, "[T, d]";
        "audio_features": TensorF32, "[T, d]";
    }
    /// What a model says of a batch in question answering: one row a clip.
    AnswerPredictions = "answer-predictions" {
        "clip": Utf8, "clip id";
        "position": Int64, "place of the clip in the run";
        "logits": TensorF32, "[answers]";
        "match_positive": TensorF32, "[T, 2] whether sound and picture belong together, of those that do";
        "match_negative": TensorF32, "[T, 2] the same of pictures of other videos; NaN where there were none at hand";
        "visual_features": TensorF32, "[T, d] pooled visual features";
        "audio_features": TensorF32, "[T, d] pooled audio features, mapped to the visual width where widths differ";
    }
    /// The loss's gradient with respect to every prediction of question answering: one row a clip, in their order.
    AnswerGradients = "answer-gradients" {
        "logits": TensorF32, "[answers]";
        "match_positive": TensorF32, "[T, 2]";
        "match_negative": TensorF32, "[T, 2]";
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
        "prediction": ListInt32, "[T] predicted class of each segment; of a question, the one answer; of masks, pixels of each segment's; empty if quarantined";
        "target": ListInt32, "the truth in the same form; of masks -1 where none is known";
        "score": Float64, "share of segments that are right; of a question 1 or 0; of masks the mean IoU of those known; NaN if quarantined";
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
    /// A place in the run where every node's state is kept: one row, of a `checkpoint` message.
    Checkpoint = "checkpoint" {
        "name": Utf8, "name of the checkpoint, a folder of resume/";
        "items": Int64, "clips and boundaries that are done, counted over the run";
        "done": Int64, "clips of the header's epoch and split that are done";
        "checkpoint_rows": Int64, "rows of the table `checkpoints` that the model sent before it";
        "requested": Int64, "1 if it was asked for, else 0";
        "parts": ListUtf8, "files that nodes have put into its folder; each node adds its own";
    }
    /// A question of the validation or test split with its answer: one row.
    Answers = "answers" {
        "clip": Utf8, "clip id";
        "position": Int64, "place of the clip in the run";
        "video": Utf8, "id of the video";
        "kind": Utf8, "kind of the question, such as Audio-Visual Counting";
        "question": Utf8, "the question in words";
        "answer": Utf8, "the right answer";
        "predicted": Utf8, "the model's answer";
        "probability": Float64, "what the model gave its answer";
    }
    /// What an encoder node says of its encoder before anything else: one row.
    Encoder = "encoder" {
        "name": Utf8, "architecture and size";
        "weights": Utf8, "SHA-256 of its weights in hexadecimal, or another fingerprint of them";
        "parameters": Int64, "numbers in its weights";
        "tensors": Int64, "tensors in its weights";
        "frames": ListInt32, "channels, height and width of the frames it takes; empty if it takes none";
        "spectrogram": ListInt32, "channels, time and mel of the spectrogram segments it takes; empty if it takes none";
        "widths": ListInt32, "width of the tokens of each block";
        "tokens": ListInt32, "number of tokens of each block for a frame, class tokens included; for a spectrogram where it takes no frames";
        "stages": ListInt32, "stage of each block, from 0";
        "class_tokens": Int64, "tokens that stand for no place of the image, before all others";
        "out_dim": Int64, "width of the pooled feature";
        "coupled_sites": Int64, "sites at its end that exchange prompts, unless the model is told otherwise";
    }
    /// Runs blocks with prompts beside the tokens; from an encoder, the gradients of those prompts: one row.
    Prompts = "prompts" {
        "first": Int64, "first block";
        "end": Int64, "the block after the last";
        "keep": Int64, "1 if gradients will be asked for, else 0";
        "map": Int64, "1 if the tokens after the last of these blocks are asked for as a map, else 0";
        "bias": Utf8, "position bias of a prompt in a Swin: zero or mean";
        "shared": TensorF32, "[S, d] prompts that all images see; S may be 0";
        "own": TensorF32, "[N, O, d] prompts of each image; O may be 0";
    }
    /// Asks what learned latents gather from the tokens that enter a block; from an encoder, the latents' gradient: one row.
    Latents = "latents" {
        "block": Int64, "the block, the first of a stage where tokens are merged";
        "keep": Int64, "1 if gradients will be asked for, else 0";
        "latents": TensorF32, "[p, d]";
    }
    /// What latents L gathered from the tokens Z, L + softmax(L Zᵀ) Z; to an encoder, the gradient of it: one row.
    Condensed = "condensed" {
        "block": Int64, "the block the tokens enter";
        "condensed": TensorF32, "[N, p, d]";
    }
    /// Asks for the features, all blocks having run: one row.
    Finish = "finish" {
        "map": Int64, "1 if the tokens after the final norm are asked for as a map, else 0";
    }
    /// Tokens a head asked for; to an encoder, the gradient of them: one row.
    Map = "map" {
        "block": Int64, "the block they left; the number of blocks for those after the final norm";
        "tokens": TensorF32, "[N, L, d]";
    }
    /// The pooled feature of every image; to an encoder, the gradient of it: one row.
    Features = "features" {
        "pooled": TensorF32, "[N, d]";
    }
    /// Masks of some evaluated clips as pictures: one row a segment.
    Masks = "masks" {
        "clip": Utf8, "clip id";
        "position": Int64, "place of the clip in the run";
        "segment": Int64, "segment of the clip, from 0";
        "category": Utf8, "name of the sounding object's class";
        "frame": Binary, "PNG of the frame the model saw; empty if the loss node does not read the frames";
        "predicted": Binary, "PNG of the predicted mask, white on black";
        "target": Binary, "PNG of the true mask; empty if none is known";
        "iou": Float64, "intersection over union of the two; NaN if no true mask is known";
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
    fn texts_and_bytes_come_back_as_they_were() {
        let row = BatchBuilder::new(Schema::MaskClips).utf8(["c"]).utf8(["/c.wav"]);
        let row = row.list_utf8([&["/c_1.png", "/c_2.png"][..]]).int64([3]).utf8(["bell"]);
        let (schema, batch) = row.tensor_u8(vec![0; 8], 1, &[2, 2, 2]).tensor_i32(vec![1, 0], 1, &[2]).build().unwrap();
        assert!(schema.check(&batch).is_ok());
        assert_eq!(texts(&batch, "pictures", 0).unwrap(), ["/c_1.png", "/c_2.png"]);
        assert!(texts(&batch, "pictures", 1).is_err() && texts(&batch, "clip", 0).is_err());
        let row = BatchBuilder::new(Schema::Masks).utf8(["c"]).int64([0]).int64([1]).utf8(["bell"]);
        let (_, batch) = row.binary([b""]).binary([b"png"]).binary([b""]).float64([0.5]).build().unwrap();
        assert_eq!(binary(&batch, "predicted").unwrap().value(0), b"png");
    }

    #[test]
    fn a_missing_column_is_refused() {
        assert!(BatchBuilder::new(Schema::Frames).build().is_err());
        assert!(BatchBuilder::new(Schema::Frames).tensor_f32(vec![0.0], 1, &[1]).build().is_err());
    }
}
