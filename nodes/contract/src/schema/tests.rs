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
fn what_a_schema_gained_later_may_be_left_out_and_says_0() {
    for schema in Schema::ALL {
        let columns = schema.columns();
        let first = columns.iter().position(|column| column.added).unwrap_or(columns.len());
        assert!(columns[first..].iter().all(|column| column.added && column.kind == ColumnType::Int64));
    }
    let row = || BatchBuilder::new(Schema::Metrics).int64([3]).utf8(["loss"]).float64([0.5]).utf8(["nats"]).int64([0]);
    let (_, batch) = row().build().unwrap();
    assert_eq!(int64(&batch, "picks").unwrap().value(0), 0);
    let (_, batch) = row().int64([1]).build().unwrap();
    assert_eq!(int64(&batch, "picks").unwrap().value(0), 1);
    // As an earlier build sends them.
    let early = batch.project(&[0, 1, 2, 3, 4]).unwrap();
    let read = crate::payload::rows(Schema::Metrics, &arrow::array::StructArray::from(early.clone())).unwrap();
    assert_eq!((read.num_columns(), int64(&read, "picks").unwrap().value(0)), (6, 0));
    let less = early.project(&[0, 1, 2, 3]).unwrap();
    assert!(crate::payload::rows(Schema::Metrics, &arrow::array::StructArray::from(less)).is_err());
}

#[test]
fn a_missing_column_is_refused() {
    assert!(BatchBuilder::new(Schema::Frames).build().is_err());
    assert!(BatchBuilder::new(Schema::Frames).tensor_f32(vec![0.0], 1, &[1]).build().is_err());
}
