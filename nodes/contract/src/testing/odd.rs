//! Messages that no good node sends, made out of bytes: of the right columns with wrong lengths, shapes, values, nulls,
//! and now and then of wrong columns. A test or a fuzzer gives the bytes; the same ones make the same message.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, FixedSizeListArray, Float32Array, Float64Array, Int32Array, Int64Array, ListArray,
    RecordBatch, StringArray, UInt8Array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, Schema as ArrowSchema};
use dora_node_api::{MetadataParameters, Parameter};

use super::Harness;
use crate::header::{Header, Kind, Split};
use crate::launch::Node;
use crate::schema::{ColumnType, Schema};

const NUMBERS: [i64; 10] = [0, 1, 2, 3, -1, 28, 29, i64::MAX, i64::MIN, 1 << 32];
const FLOATS: [f32; 8] = [0.0, 1.0, -1.0, 1e-40, 3e38, f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
const WORDS: [&str; 12] = [
    "",
    "a",
    "clip#1",
    "../x",
    "\0",
    "trained",
    "quarantined",
    "zero",
    "Audio Counting",
    "\u{202e}é",
    "accuracy",
    "metrics",
];

/// Bytes that decide, one after the other; zeros when they are used up.
#[derive(Debug)]
pub struct Bytes<'a>(std::slice::Iter<'a, u8>);

impl<'a> Bytes<'a> {
    /// These bytes.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes.iter())
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        usize::from(self.0.next().copied().unwrap_or_default()) % limit.max(1)
    }

    /// One of some things.
    pub fn pick<'b, T>(&mut self, from: &'b [T]) -> &'b T {
        &from[self.below(from.len())]
    }

    /// True about once in `times`, and never when the bytes are used up.
    fn rarely(&mut self, times: usize) -> bool {
        self.below(times) == times - 1
    }
}

/// A payload of a schema, of up to three rows.
///
/// # Errors
/// If arrow itself refuses what was made.
pub fn rows(schema: Schema, bytes: &mut Bytes<'_>) -> Result<RecordBatch, String> {
    let count = [1, 1, 2, 0, 3][bytes.below(5)];
    let mut columns: Vec<(Field, ArrayRef)> = Vec::new();
    for column in schema.columns() {
        if bytes.rarely(100) {
            continue;
        }
        let kind = if bytes.rarely(60) { *bytes.pick(&KINDS) } else { column.kind };
        let name = if bytes.rarely(100) { bytes.pick(&WORDS) } else { column.name };
        columns.push(self::column(name, kind, count, bytes)?);
    }
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = columns.into_iter().unzip();
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(count));
    RecordBatch::try_new_with_options(Arc::new(ArrowSchema::new(fields)), arrays, &options).map_err(|e| e.to_string())
}

const KINDS: [ColumnType; 9] = [
    ColumnType::Utf8,
    ColumnType::Binary,
    ColumnType::Int64,
    ColumnType::Float64,
    ColumnType::ListInt32,
    ColumnType::ListUtf8,
    ColumnType::TensorU8,
    ColumnType::TensorF32,
    ColumnType::TensorI32,
];

fn column(name: &str, kind: ColumnType, rows: usize, bytes: &mut Bytes<'_>) -> Result<(Field, ArrayRef), String> {
    let nullable = bytes.rarely(30);
    let array: ArrayRef = match kind {
        ColumnType::Utf8 if nullable => Arc::new((0..rows).map(|_| None::<&str>).collect::<StringArray>()),
        ColumnType::Utf8 => Arc::new(StringArray::from_iter_values((0..rows).map(|_| *bytes.pick(&WORDS)))),
        ColumnType::Binary => Arc::new(BinaryArray::from_iter_values((0..rows).map(|_| bytes.pick(&WORDS).as_bytes()))),
        ColumnType::Int64 if nullable => Arc::new((0..rows).map(|_| None::<i64>).collect::<Int64Array>()),
        ColumnType::Int64 => Arc::new(Int64Array::from_iter_values((0..rows).map(|_| *bytes.pick(&NUMBERS)))),
        ColumnType::Float64 => {
            Arc::new(Float64Array::from_iter_values((0..rows).map(|_| f64::from(*bytes.pick(&FLOATS)))))
        }
        ColumnType::ListInt32 | ColumnType::ListUtf8 => list(kind, rows, bytes)?,
        ColumnType::TensorU8 | ColumnType::TensorF32 | ColumnType::TensorI32 => {
            return tensor(name, kind, rows, nullable, bytes);
        }
    };
    Ok((Field::new(name, array.data_type().clone(), true), array))
}

fn list(kind: ColumnType, rows: usize, bytes: &mut Bytes<'_>) -> Result<ArrayRef, String> {
    let lengths: Vec<usize> = (0..rows).map(|_| bytes.below(12)).collect();
    let all: usize = lengths.iter().sum();
    let values: ArrayRef = match kind {
        ColumnType::ListUtf8 => Arc::new(StringArray::from_iter_values((0..all).map(|_| *bytes.pick(&WORDS)))),
        _ => Arc::new(Int32Array::from_iter_values((0..all).map(|_| *bytes.pick(&NUMBERS) as i32))),
    };
    let item = Arc::new(Field::new_list_field(values.data_type().clone(), true));
    let list = ListArray::try_new(item, OffsetBuffer::from_lengths(lengths), values, None);
    Ok(Arc::new(list.map_err(|e| e.to_string())?))
}

/// A column of tensors whose shape is most often that of its values.
fn tensor(
    name: &str,
    kind: ColumnType,
    rows: usize,
    nullable: bool,
    bytes: &mut Bytes<'_>,
) -> Result<(Field, ArrayRef), String> {
    let shape: Vec<usize> = (0..bytes.below(5)).map(|_| [1, 2, 3, 5, 10, 14, 0][bytes.below(7)]).collect();
    let width: usize = shape.iter().product();
    let all = rows * width;
    let nulls = nullable.then(|| NullBuffer::from_iter((0..all).map(|i| i % 3 != 0)));
    let values: ArrayRef = match kind {
        ColumnType::TensorU8 => Arc::new(UInt8Array::new((0..all).map(|i| i as u8).collect(), nulls)),
        ColumnType::TensorI32 => {
            Arc::new(Int32Array::new((0..all).map(|_| *bytes.pick(&NUMBERS) as i32).collect(), nulls))
        }
        _ => Arc::new(Float32Array::new((0..all).map(|_| *bytes.pick(&FLOATS)).collect(), nulls)),
    };
    let item = Arc::new(Field::new_list_field(values.data_type().clone(), true));
    let length = i32::try_from(width).map_err(|e| e.to_string())?;
    let list = FixedSizeListArray::try_new_with_length(item.clone(), length, values, None, rows);
    let list = list.map_err(|e| e.to_string())?;
    let told = match bytes.below(40) {
        39 => None,
        38 => Some("{\"shape\":[-1]}".to_owned()),
        37 => Some("{\"shape\":[4294967296,4294967296]}".to_owned()),
        36 => Some("not json".to_owned()),
        35 => Some("{\"shape\":[1000000]}".to_owned()),
        _ => Some(format!("{{\"shape\":{shape:?}}}")),
    };
    let metadata = told.map(|told| ("ARROW:extension:metadata".to_owned(), told));
    let field = Field::new(name, DataType::FixedSizeList(item, length), true);
    Ok((field.with_metadata(metadata.into_iter().collect()), Arc::new(list)))
}

/// The parameters of a header with some of them wrong.
pub fn parameters(header: &Header, bytes: &mut Bytes<'_>) -> MetadataParameters {
    let mut parameters = header.to_parameters();
    let mut keys: Vec<String> = parameters.keys().cloned().collect();
    keys.sort();
    for key in keys {
        match bytes.below(12) {
            11 => drop(parameters.remove(&key)),
            10 => drop(parameters.insert(key, Parameter::Integer(*bytes.pick(&NUMBERS)))),
            9 => drop(parameters.insert(key, Parameter::String((*bytes.pick(&WORDS)).to_owned()))),
            8 => drop(parameters.insert(key, Parameter::Float(f64::from(*bytes.pick(&FLOATS))))),
            7 => drop(parameters.insert(key, Parameter::Bool(true))),
            6 => drop(parameters.insert(key, Parameter::ListInt(vec![1, 2]))),
            _ => {}
        }
    }
    parameters
}

/// What a node is sent on all its inputs: up to a dozen messages, most of them odd, each input's stream ended.
///
/// # Errors
/// If arrow refuses a message.
pub fn play<N: Node>(mut harness: Harness, bytes: &mut Bytes<'_>) -> Result<Harness, String> {
    let inputs = N::spec().inputs;
    for position in 0..bytes.below(12) as u64 {
        let edge = bytes.pick(&inputs);
        let name = if edge.many { format!("{}_other", edge.name) } else { edge.name.to_owned() };
        let split = *bytes.pick(&[Split::Train, Split::Val, Split::Test]);
        let header = Header { position, clip: (*bytes.pick(&WORDS)).to_owned(), ..Header::new(Kind::Data, 1, split) };
        let header = if bytes.below(4) == 0 { header } else { header.with_step(position) };
        harness = match bytes.below(10) {
            7 => harness.control(&name, Kind::Boundary, 1, split),
            8 => harness.control(&name, Kind::Repeat, 1, split),
            9 => harness.message(
                &name,
                header.with_kind(Kind::Tombstone),
                (Schema::Quarantine, rows(Schema::Quarantine, bytes)?),
            ),
            _ => {
                let schema = *bytes.pick(edge.schemas);
                harness.message(&name, header, (schema, rows(schema, bytes)?))
            }
        };
    }
    for edge in &inputs {
        let name = if edge.many { format!("{}_other", edge.name) } else { edge.name.to_owned() };
        harness = harness.control(&name, Kind::End, 1, Split::Train);
    }
    Ok(harness)
}
