//! Columns and their types.

use arrow::datatypes::DataType;

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

    /// Whether an Arrow column is of this type.
    pub(super) fn matches(self, data_type: &DataType) -> bool {
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
    /// Unit; empty where there is none, or the meaning says it.
    pub unit: &'static str,
    /// Meaning; of a tensor with its shape.
    pub meaning: &'static str,
    /// Whether the schema gained it after its first release: a sender of an earlier build leaves it out, which says 0. Such
    /// columns are integers at a schema's end.
    pub added: bool,
}
