//! Messages of nodes that somebody else wrote: read, or refused with words; never a panic, never another number.

#![allow(clippy::disallowed_methods, reason = "files of a test")]

use std::sync::Arc;

use arrow::array::{Array, NullArray, StructArray, UInt8Array};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{ArrowPrimitiveType, Float32Type, Int32Type, UInt8Type};
use arrow::record_batch::RecordBatch;
use copl_contract::credits::Credits;
use copl_contract::schema::{self, BatchBuilder, ColumnType, Schema};
use copl_contract::testing::Harness;
use copl_contract::testing::odd::{self, Bytes};
use copl_contract::{EdgeSpec, Edges, Header, Kind, Node, NodeError, NodeSpec, Split, payload, recording, tensor};
use copl_testing::mutate;
use proptest::prelude::*;

/// Reads every column as a node does.
fn read(schema: Schema, batch: &RecordBatch) {
    fn view<T: ArrowPrimitiveType>(batch: &RecordBatch, name: &str) {
        match tensor::view::<T>(batch, name) {
            Ok(view) => assert_eq!(view.values.len(), view.rows * view.shape.iter().product::<usize>(), "{name}"),
            Err(problem) => assert!(problem.contains(name), "{problem}"),
        }
    }
    for column in schema.columns() {
        let name = column.name;
        match column.kind {
            ColumnType::Utf8 => assert_eq!(schema::utf8(batch, name).unwrap().len(), batch.num_rows()),
            ColumnType::Binary => assert_eq!(schema::binary(batch, name).unwrap().len(), batch.num_rows()),
            ColumnType::Int64 => assert_eq!(schema::int64(batch, name).unwrap().len(), batch.num_rows()),
            ColumnType::Float64 => assert_eq!(schema::float64(batch, name).unwrap().len(), batch.num_rows()),
            ColumnType::ListInt32 => assert_eq!(schema::list(batch, name).unwrap().len(), batch.num_rows()),
            ColumnType::ListUtf8 => {
                (0..batch.num_rows()).for_each(|row| drop(schema::texts(batch, name, row).unwrap()))
            }
            ColumnType::TensorU8 => view::<UInt8Type>(batch, name),
            ColumnType::TensorF32 => view::<Float32Type>(batch, name),
            ColumnType::TensorI32 => view::<Int32Type>(batch, name),
        }
    }
}

copl_contract::settings! {
    /// Settings of the node under test.
    pub struct NoSettings {}
}

/// Sends on what it gets.
struct Echo;

impl Node for Echo {
    type Settings = NoSettings;

    fn spec() -> NodeSpec {
        NodeSpec {
            name: "echo",
            about: "for tests",
            settings: Vec::new(),
            inputs: vec![EdgeSpec::required("heard", &[Schema::Tensor], "tensors")],
            outputs: vec![EdgeSpec::required("said", &[Schema::Tensor], "the same")],
            check: |_| Ok(()),
        }
    }

    fn run(_: NoSettings, edges: &mut Edges) -> Result<(), NodeError> {
        while let Some(message) = edges.recv()? {
            if let (Kind::Data | Kind::Tombstone, Some(schema)) = (message.header.kind, message.header.schema) {
                edges.send("said", message.header, (schema, message.batch))?;
            }
        }
        Ok(())
    }
}

#[test]
fn a_message_that_repeats_another_has_its_rows() {
    let at = |position: u64| Header { position, ..Header::new(Kind::Data, 1, Split::Train) };
    let row = |value: f32| BatchBuilder::new(Schema::Tensor).tensor_f32(vec![value], 1, &[1]).build().unwrap();
    let lost = ["c", "/c.mp4", "file", "missing", ""];
    let lost = lost.into_iter().fold(BatchBuilder::new(Schema::Quarantine), |row, text| row.utf8([text]));
    let sent = Harness::new()
        .outputs(&["said"])
        .message("heard", at(0), row(1.0))
        .again("heard", &at(1))
        .message("heard", at(2).with_kind(Kind::Tombstone), lost.build().unwrap())
        .control("heard", Kind::Boundary, 1, Split::Train)
        .again("heard", &at(3))
        .message("heard", at(4), row(5.0))
        .again("heard", &at(5))
        .control("heard", Kind::End, 1, Split::Train)
        .run::<Echo>()
        .unwrap();
    let data = sent.iter().filter(|sent| sent.header.kind == Kind::Data);
    let got: Vec<(u64, f32)> = data
        .map(|sent| {
            let rows = tensor::view::<Float32Type>(sent.batch.as_ref().unwrap(), "tensor").unwrap();
            (sent.header.position, rows.values[0])
        })
        .collect();
    assert_eq!(got, [(0, 1.0), (1, 1.0), (3, 1.0), (4, 5.0), (5, 5.0)]);

    let refused = Harness::new().outputs(&["said"]).again("heard", &at(0)).run::<Echo>().unwrap_err();
    assert!(refused.to_string().contains("repeats another, and none before it"), "{refused}");
}

#[test]
fn odd_messages_are_read_or_refused() {
    let cells = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    mutate::runner(6000)
        .run(&prop::collection::vec(any::<u8>(), 4..160), |bytes| {
            let mut bytes = Bytes::new(&bytes);
            let schema = *bytes.pick(Schema::ALL);
            let claimed = if bytes.below(20) == 19 { *bytes.pick(Schema::ALL) } else { schema };
            let Ok(batch) = odd::rows(schema, &mut bytes) else { return Ok(()) };
            match payload::rows(claimed, &StructArray::from(batch)) {
                Ok(batch) => {
                    cells.0.set(cells.0.get() + 1);
                    read(claimed, &batch);
                }
                Err(problem) => {
                    cells.1.set(cells.1.get() + 1);
                    prop_assert!(!problem.is_empty());
                }
            }
            Ok(())
        })
        .unwrap();
    let (taken, refused) = (cells.0.get(), cells.1.get());
    assert!(taken > 500 && refused > 500, "{taken} were read, {refused} refused");
}

#[test]
fn what_is_no_table_and_rows_that_are_nulls_are_refused() {
    let refused = |array: &dyn Array| payload::rows(Schema::Credits, array).unwrap_err();
    assert!(refused(&NullArray::new(3)).contains("struct array"));
    assert!(refused(&UInt8Array::from(vec![1, 2])).contains("this one is UInt8"));
    let good = copl_contract::schema::BatchBuilder::new(Schema::Credits).int64([0, 1]).int64([1, 1]).utf8(["a", "b"]);
    let (_, good) = good.build().unwrap();
    assert_eq!(payload::rows(Schema::Credits, &StructArray::from(good.clone())).unwrap(), good);
    let (fields, arrays, _) = StructArray::from(good.clone()).into_parts();
    let nulls = StructArray::new(fields, arrays, Some(NullBuffer::from(vec![true, false])));
    assert!(refused(&nulls).contains("1 nulls"));
    assert!(refused(&StructArray::from(good.slice(0, 0))).contains("without a row"));
}

#[test]
fn nulls_inside_a_tensor_are_refused() {
    use arrow::array::{FixedSizeListArray, Float32Array};
    use arrow::datatypes::{DataType, Field};
    let item = Arc::new(Field::new_list_field(DataType::Float32, true));
    let values = Float32Array::from(vec![Some(1.0), None]);
    let list = FixedSizeListArray::new(item.clone(), 2, Arc::new(values), None);
    let field = Field::new("tensor", DataType::FixedSizeList(item, 2), false)
        .with_metadata([("ARROW:extension:metadata".to_owned(), "{\"shape\":[2]}".to_owned())].into());
    let batch =
        RecordBatch::try_new(Arc::new(arrow::datatypes::Schema::new(vec![field])), vec![Arc::new(list)]).unwrap();
    assert!(Schema::Tensor.check(&batch).unwrap_err().contains("holds nulls"));
}

#[test]
fn a_shape_whose_product_wraps_around_is_refused() {
    use arrow::array::FixedSizeListArray;
    use arrow::datatypes::{DataType, Field};
    // 2^32 x 2^32 = 2^64, which is 0 in 64 bits.
    let item = Arc::new(Field::new_list_field(DataType::UInt8, false));
    let list =
        FixedSizeListArray::try_new_with_length(item.clone(), 0, Arc::new(UInt8Array::from(vec![0; 0])), None, 1);
    let field = Field::new("x", DataType::FixedSizeList(item, 0), false).with_metadata(
        [("ARROW:extension:metadata".to_owned(), "{\"shape\":[4294967296,4294967296]}".to_owned())].into(),
    );
    let schema = Arc::new(arrow::datatypes::Schema::new(vec![field]));
    let batch = RecordBatch::try_new(schema, vec![Arc::new(list.unwrap())]).unwrap();
    assert!(tensor::view::<UInt8Type>(&batch, "x").unwrap_err().contains("does not make 0 values"));
    assert!(tensor::column::<UInt8Type>("x", Vec::new(), 1, &[1 << 32, 1 << 32]).unwrap_err().contains("too large"));
}

#[test]
fn headers_with_anything_in_them_are_read_or_refused_by_key() {
    mutate::runner(6000)
        .run(&prop::collection::vec(any::<u8>(), 0..60), |bytes| {
            let header = Header { run: "r".into(), seq: 7, clip: "c".into(), ..Header::new(Kind::Data, 2, Split::Val) };
            let parameters = odd::parameters(&header, &mut Bytes::new(&bytes));
            match Header::from_parameters(&parameters) {
                Ok(read) => prop_assert_eq!(Header::from_parameters(&read.to_parameters()), Ok(read)),
                Err(problem) => prop_assert!(!problem.is_empty()),
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn any_header_survives_its_journey() {
    let kind = prop::sample::select(vec![Kind::Data, Kind::Repeat, Kind::Tombstone, Kind::Boundary, Kind::End]);
    let split = prop::sample::select(vec![Split::Train, Split::Val, Split::Test]);
    let number = || 0..=i64::MAX as u64;
    let schema = prop::option::of(prop::sample::select(Schema::ALL.to_vec()));
    let numbers = (number(), any::<u32>(), number(), prop::option::of(number()));
    mutate::runner(2000)
        .run(
            &(kind, split, numbers, ".*", ".*", schema),
            |(kind, split, (seq, epoch, position, step), run, clip, schema)| {
                let header = Header { kind, seq, run, epoch, split, position, clip, step, schema };
                prop_assert_eq!(Header::from_parameters(&header.to_parameters()), Ok(header));
                Ok(())
            },
        )
        .unwrap();
}

#[test]
fn a_damaged_recording_is_read_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = recording::Recorder::create(folder.path(), "node").unwrap();
    for number in 0..3 {
        let row = copl_contract::schema::BatchBuilder::new(Schema::Tensor);
        let (schema, batch) = row.tensor_f32(vec![number as f32; 6], 1, &[2, 3]).build().unwrap();
        let header = Header { schema: Some(schema), seq: number, ..Header::new(Kind::Data, 1, Split::Train) };
        recorder.record(&copl_contract::Message { input: "tensors".into(), header, batch }).unwrap();
    }
    drop(recorder);
    let path = folder.path().join("node.messages");
    let seed = std::fs::read(&path).unwrap();
    mutate::each(2000, &[seed], &["\"seq\":-1", "null", "{}", "\u{0}\u{0}\u{0}\u{40}"], |bytes| {
        std::fs::write(&path, bytes).unwrap();
        match recording::read(&path) {
            Ok(messages) => messages.iter().for_each(|m| {
                if m.header.schema == Some(Schema::Tensor) && Schema::Tensor.check(&m.batch).is_ok() {
                    read(Schema::Tensor, &m.batch);
                }
            }),
            Err(problem) => assert!(problem.contains("node.messages"), "{problem}"),
        }
    });
}

#[test]
fn credits_bound_what_is_under_way_whatever_comes() {
    // True takes, false gives back; a position may be under way already, or not at all.
    let steps = prop::collection::vec((any::<bool>(), 0..12_u64), 0..200);
    mutate::runner(2000)
        .run(&(0..9_usize, steps), |(window, steps)| {
            let mut credits = Credits::new(window);
            let mut under_way = std::collections::BTreeSet::new();
            for (takes, position) in steps {
                let free = under_way.len() < window.max(1);
                prop_assert_eq!(credits.available(), free);
                if takes {
                    let may = free && !under_way.contains(&position);
                    prop_assert_eq!(credits.take(position).is_ok(), may);
                    if may {
                        under_way.insert(position);
                    }
                } else {
                    prop_assert_eq!(credits.give_back(position).is_ok(), under_way.remove(&position));
                }
                prop_assert_eq!(credits.in_flight(), under_way.len());
                prop_assert_eq!(credits.all_returned(), under_way.is_empty());
            }
            Ok(())
        })
        .unwrap();
}
