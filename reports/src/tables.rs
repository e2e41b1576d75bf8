//! The tables of a run: their columns with type, unit and meaning.
//!
//! Every table begins with `run`, `epoch` and `split`, so the tables of many runs can be stacked. Columns are never
//! renamed, retyped or taken away under one [`TABLES_VERSION`], but may be added; the version stands in each Parquet file's key-value metadata
//! (`copl.version`), and so does the meaning of each column (`copl.column.NAME`).

use crate::error::ReportError;

/// Version of all tables. Files of a newer version are refused, those of an older one are read.
pub const TABLES_VERSION: u32 = 1;

/// Type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// UTF-8 text.
    Text,
    /// 64-bit signed integer.
    Integer,
    /// 64-bit floating point number.
    Number,
    /// List of 32-bit signed integers.
    Integers,
    /// Bytes, such as a PNG.
    Bytes,
}

impl ColumnKind {
    /// Name as Arrow writes it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Text => "Utf8",
            Self::Integer => "Int64",
            Self::Number => "Float64",
            Self::Integers => "List<Int32>",
            Self::Bytes => "Binary",
        }
    }
}

/// A column of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Name.
    pub name: &'static str,
    /// Type.
    pub kind: ColumnKind,
    /// Unit; empty where there is none.
    pub unit: &'static str,
    /// Meaning.
    pub meaning: &'static str,
}

const fn column(name: &'static str, kind: ColumnKind, unit: &'static str, meaning: &'static str) -> Column {
    Column { name, kind, unit, meaning }
}

/// Where a row belongs: the first columns of every table.
pub const PLACE: [Column; 3] = [
    column("run", ColumnKind::Text, "", "id of the run"),
    column("epoch", ColumnKind::Integer, "", "epoch, from 1"),
    column("split", ColumnKind::Text, "", "train, val or test"),
];

macro_rules! tables {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal { $($column:literal: $kind:ident, $unit:literal, $meaning:literal;)* })*) => {
        /// A table of a run.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Table { $($(#[doc = $doc])+ $variant,)* }

        impl Table {
            /// Every table.
            pub const ALL: &'static [Table] = &[$(Table::$variant,)*];

            /// Name: of the file, and of the message's schema.
            pub fn name(self) -> &'static str {
                match self { $(Table::$variant => $name,)* }
            }

            /// What a row is.
            pub fn meaning(self) -> &'static str {
                match self { $(Table::$variant => concat!($($doc,)+).trim_ascii(),)* }
            }

            /// Its columns after [`PLACE`], in the order of the message.
            pub fn own_columns(self) -> &'static [Column] {
                match self { $(Table::$variant => const { &[$(column($column, ColumnKind::$kind, $unit, $meaning),)*] },)* }
            }
        }
    };
}

tables! {
    /// Numbers of a step or a pass: one row a metric.
    Metrics = "metrics" {
        "step": Integer, "steps", "training step, counted over the run";
        "metric": Text, "", "name, such as loss or accuracy/Church bell; a / or \\ within a part has a \\ before it";
        "value": Number, "see unit", "value";
        "unit": Text, "", "percent, nats, ratio, count or seconds";
        "higher_is_better": Integer, "", "1, 0, or -1 where neither holds";
        "picks": Integer, "", "1 where it is the metric by which the model is picked on the validation split, else 0";
    }
    /// What became of a clip: one row.
    Samples = "samples" {
        "clip": Text, "", "clip id";
        "position": Integer, "clips", "place of the clip in the run, from 0";
        "status": Text, "", "trained, evaluated or quarantined";
        "prediction": Integers, "class", "predicted class of each segment; of a question, the one answer; of masks, pixels of each segment's; empty if quarantined";
        "target": Integers, "class", "the truth in the same form; of masks -1 where none is known";
        "score": Number, "ratio", "share of segments that are right; of a question 1 or 0; of masks the mean IoU of those known; NaN if quarantined";
        "loss": Number, "nats", "loss of the clip; NaN if quarantined";
    }
    /// A clip that could not be decoded, or whose targets could not be read: one row a pass, of the node that gave it up; where both
    /// picture and sound failed, of the picture's.
    Quarantine = "quarantine" {
        "clip": Text, "", "clip id";
        "path": Text, "", "media file";
        "stage": Text, "", "node that gave it up";
        "reason": Text, "", "reason code";
        "detail": Text, "", "what was seen";
    }
    /// Parameters of a model: one row a group.
    Params = "params" {
        "group": Text, "", "such as visual.global_prompts or encoder/swin-v2-nano";
        "tensors": Integer, "count", "number of tensors";
        "count": Integer, "count", "number of values";
        "trainable": Integer, "", "1 if trained, 0 if frozen";
    }
    /// How a node spent a pass over an epoch's split: one row.
    Nodes = "nodes" {
        "node": Text, "", "node id in the dataflow";
        "items": Integer, "count", "messages handled";
        "busy_secs": Number, "seconds", "at work";
        "waiting_secs": Number, "seconds", "waiting for messages";
        "compute_secs": Number, "seconds", "in the model's arithmetic; 0 for other nodes";
        "wall_secs": Number, "seconds", "in all";
        "peak_memory_bytes": Integer, "bytes", "most memory the process held so far; 0 where the system does not tell";
    }
    /// A checkpoint that is whole on disk: one row.
    Checkpoints = "checkpoints" {
        "path": Text, "", "file, relative to the run's folder";
        "sha256": Text, "", "of the file's bytes";
        "best": Integer, "", "1 if it is the model the validation split picked";
    }
    /// Questions of the validation and test splits with their answers, of question answering only: one row a question.
    Answers = "answers" {
        "clip": Text, "", "clip id";
        "position": Integer, "clips", "place of the clip in the run, from 0";
        "video": Text, "", "id of the video";
        "kind": Text, "", "kind of the question, such as Audio-Visual Counting";
        "question": Text, "", "the question in words";
        "answer": Text, "", "the right answer";
        "predicted": Text, "", "the model's answer";
        "probability": Number, "ratio", "what the model gave its answer";
    }
    /// Masks of some clips of the test split as pictures, of segmentation only: one row a segment.
    Masks = "masks" {
        "clip": Text, "", "clip id";
        "position": Integer, "clips", "place of the clip in the run, from 0";
        "segment": Integer, "segments", "segment of the clip, from 0";
        "category": Text, "", "class of the sounding object";
        "frame": Bytes, "PNG", "the frame the model saw; empty if the loss node did not read the frames";
        "predicted": Bytes, "PNG", "the predicted mask, white on black";
        "target": Bytes, "PNG", "the true mask; empty if none is known";
        "iou": Number, "ratio", "intersection over union of the two; NaN if no true mask is known";
    }
}

impl Table {
    /// The table of this name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|t| t.name() == name)
    }

    /// All its columns in the order of the file.
    pub fn columns(self) -> impl Iterator<Item = Column> {
        PLACE.into_iter().chain(self.own_columns().iter().copied())
    }
}

/// The values of one column.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// For [`ColumnKind::Text`].
    Text(Vec<String>),
    /// For [`ColumnKind::Integer`].
    Integer(Vec<i64>),
    /// For [`ColumnKind::Number`].
    Number(Vec<f64>),
    /// For [`ColumnKind::Integers`].
    Integers(Vec<Vec<i32>>),
    /// For [`ColumnKind::Bytes`].
    Bytes(Vec<Vec<u8>>),
}

impl Values {
    /// The type of column they are for.
    pub fn kind(&self) -> ColumnKind {
        match self {
            Self::Text(_) => ColumnKind::Text,
            Self::Integer(_) => ColumnKind::Integer,
            Self::Number(_) => ColumnKind::Number,
            Self::Integers(_) => ColumnKind::Integers,
            Self::Bytes(_) => ColumnKind::Bytes,
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(v) => v.len(),
            Self::Integer(v) => v.len(),
            Self::Number(v) => v.len(),
            Self::Integers(v) => v.len(),
            Self::Bytes(v) => v.len(),
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Rows of a column that a file of an earlier build lacks: nothing is known there.
    pub(crate) fn unknown(kind: ColumnKind, rows: usize) -> Self {
        match kind {
            ColumnKind::Text => Self::Text(vec![String::new(); rows]),
            ColumnKind::Integer => Self::Integer(vec![0; rows]),
            ColumnKind::Number => Self::Number(vec![f64::NAN; rows]),
            ColumnKind::Integers => Self::Integers(vec![Vec::new(); rows]),
            ColumnKind::Bytes => Self::Bytes(vec![Vec::new(); rows]),
        }
    }
}

/// Rows of a table that belong to one epoch's split.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    pub(crate) table: Table,
    pub(crate) run: String,
    pub(crate) epoch: i64,
    pub(crate) split: String,
    pub(crate) columns: Vec<Values>,
}

impl Rows {
    /// Rows from the columns of [`Table::own_columns`].
    ///
    /// # Errors
    /// If a column is missing, of another type, or of another length than the first.
    pub fn new(table: Table, run: &str, epoch: i64, split: &str, columns: Vec<Values>) -> Result<Self, ReportError> {
        let wrong = |problem: String| ReportError::Rows { table: table.name(), problem };
        let want = table.own_columns();
        if columns.len() != want.len() {
            return Err(wrong(format!("{} columns are needed, {} were given", want.len(), columns.len())));
        }
        let rows = columns.first().map_or(0, Values::len);
        for (column, values) in want.iter().zip(&columns) {
            if column.kind != values.kind() {
                return Err(wrong(format!(
                    "`{}` is {}, not {}",
                    column.name,
                    column.kind.label(),
                    values.kind().label()
                )));
            }
            if values.len() != rows {
                return Err(wrong(format!("`{}` has {} rows, the first column has {rows}", column.name, values.len())));
            }
        }
        Ok(Self { table, run: run.to_owned(), epoch, split: split.to_owned(), columns })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.columns.first().map_or(0, Values::len)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Their table.
    pub fn table(&self) -> Table {
        self.table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found() {
        for table in Table::ALL {
            assert_eq!(Table::by_name(table.name()), Some(*table));
            let names: Vec<&str> = table.columns().map(|c| c.name).collect();
            assert_eq!(&names[..3], ["run", "epoch", "split"]);
            assert!(names.iter().enumerate().all(|(i, n)| !names[i + 1..].contains(n)));
        }
    }

    #[test]
    fn rows_of_another_shape_are_refused() {
        let text = |s: &str| Values::Text(vec![s.to_owned()]);
        let whole = vec![text("a.safetensors"), text("00"), Values::Integer(vec![1])];
        assert_eq!(Rows::new(Table::Checkpoints, "r", 1, "val", whole.clone()).unwrap().len(), 1);
        assert!(Rows::new(Table::Checkpoints, "r", 1, "val", whole[..2].to_vec()).is_err());
        let mistyped = vec![text("a"), text("b"), text("1")];
        assert!(
            Rows::new(Table::Checkpoints, "r", 1, "val", mistyped)
                .is_err_and(|e| e.to_string().contains("`best` is Int64"))
        );
        let uneven = vec![text("a"), text("b"), Values::Integer(vec![])];
        assert!(Rows::new(Table::Checkpoints, "r", 1, "val", uneven).is_err_and(|e| e.to_string().contains("0 rows")));
    }
}
