//! Messages: the input makes a header and a payload, and what an encoder node is sent.

#![no_main]

use arrow::array::StructArray;
use arrow::datatypes::{ArrowPrimitiveType, Float32Type, Int32Type, UInt8Type};
use arrow::record_batch::RecordBatch;
use copl_contract::schema::{self, ColumnType, Schema};
use copl_contract::testing::odd::{self, Bytes};
use copl_contract::{Header, Kind, Message, Split, payload, tensor};
use copl_networks::wire::{self, Introduction};
use libfuzzer_sys::fuzz_target;

fn view<T: ArrowPrimitiveType>(batch: &RecordBatch, name: &str) {
    if let Ok(view) = tensor::view::<T>(batch, name) {
        assert_eq!(view.values.len(), view.rows * view.shape.iter().product::<usize>());
    }
}

fn read(schema: Schema, batch: &RecordBatch) {
    for column in schema.columns() {
        let (name, rows) = (column.name, batch.num_rows());
        match column.kind {
            ColumnType::Utf8 => assert_eq!(schema::utf8(batch, name).map(arrow::array::Array::len), Ok(rows)),
            ColumnType::Int64 => assert_eq!(schema::int64(batch, name).map(arrow::array::Array::len), Ok(rows)),
            ColumnType::ListUtf8 => (0..rows).for_each(|row| assert!(schema::texts(batch, name, row).is_ok())),
            ColumnType::TensorU8 => view::<UInt8Type>(batch, name),
            ColumnType::TensorF32 => view::<Float32Type>(batch, name),
            ColumnType::TensorI32 => view::<Int32Type>(batch, name),
            ColumnType::Binary | ColumnType::Float64 | ColumnType::ListInt32 => {}
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = Bytes::new(bytes);
    let good = Header { clip: "c".into(), ..Header::new(Kind::Data, 1, Split::Train) };
    if let Ok(header) = Header::from_parameters(&odd::parameters(&good, &mut bytes)) {
        assert_eq!(Header::from_parameters(&header.to_parameters()), Ok(header));
    }
    let schema = *bytes.pick(Schema::ALL);
    let Ok(batch) = odd::rows(schema, &mut bytes) else { return };
    if let Ok(batch) = payload::rows(schema, &StructArray::from(batch)) {
        read(schema, &batch);
        if schema == Schema::Encoder {
            drop(Introduction::read(&batch));
        }
        let header = Header { schema: Some(schema), ..good };
        drop(wire::message(&Message { input: "requests".to_owned(), header, batch }));
    }
});
