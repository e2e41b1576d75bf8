#![allow(clippy::disallowed_methods, reason = "files of a test")]

use arrow::array::RecordBatch;
use copl_contract::schema::{self, ColumnType};
use copl_contract::testing::{Harness, Sent};
use copl_contract::{Header, Split};
use copl_reports::{Table, read};

use super::*;

fn samples(rows: &[(i64, &str)]) -> (Schema, RecordBatch) {
    let usable = |status: &str| status != "quarantined";
    let prediction: Vec<Vec<i32>> = rows.iter().map(|r| if usable(r.1) { vec![1, 2] } else { vec![] }).collect();
    let number = |v: f64| rows.iter().map(move |r| if usable(r.1) { v } else { f64::NAN }).collect::<Vec<_>>();
    BatchBuilder::new(Schema::Samples)
        .utf8(rows.iter().map(|r| format!("clip{}", r.0)))
        .int64(rows.iter().map(|r| r.0))
        .utf8(rows.iter().map(|r| r.1))
        .list_i32(prediction.iter().map(Vec::as_slice))
        .list_i32(rows.iter().map(|_| [1, 3].as_slice()))
        .float64(number(0.5))
        .float64(number(1.25))
        .build()
        .unwrap()
}

fn metric(value: f64) -> (Schema, RecordBatch) {
    BatchBuilder::new(Schema::Metrics)
        .int64([7])
        .utf8(["loss"])
        .float64([value])
        .utf8(["nats"])
        .int64([0])
        .build()
        .unwrap()
}

fn quarantine(clip: &str) -> (Schema, RecordBatch) {
    let row = [clip, "x.mp4", "video", "truncated", "ends at 3 s"];
    row.iter().fold(BatchBuilder::new(Schema::Quarantine), |b, text| b.utf8([*text])).build().unwrap()
}

fn header(split: Split) -> Header {
    Header::new(Kind::Data, 2, split)
}

fn ends(harness: Harness, inputs: &[&str]) -> Harness {
    inputs.iter().fold(harness, |h, input| h.control(input, Kind::End, 0, Split::Train))
}

fn credit(sent: &Sent) -> Vec<(i64, i64, String)> {
    let batch = sent.batch.as_ref().unwrap();
    let (position, usable) = (schema::int64(batch, "position").unwrap(), schema::int64(batch, "usable").unwrap());
    let clip = schema::utf8(batch, "clip").unwrap();
    (0..batch.num_rows()).map(|i| (position.value(i), usable.value(i), clip.value(i).to_owned())).collect()
}

#[test]
fn every_sample_frees_a_place_and_every_row_is_in_its_table() {
    let dir = tempfile::tempdir().unwrap();
    let harness = Harness::new()
        .run_dir(dir.path())
        .outputs(&["credits"])
        .message("report_loss", header(Split::Train), samples(&[(0, "trained"), (1, "quarantined")]))
        .message("report_loss", header(Split::Train), metric(0.7))
        .message("report_video", header(Split::Train), quarantine("clip1"))
        .control("report_loss", Kind::Boundary, 2, Split::Train)
        .message("report_loss", header(Split::Val), samples(&[(2, "evaluated")]));
    let sent = ends(harness, &["report_loss", "report_video"]).run::<ReportWriter>().unwrap();

    let credits: Vec<_> = sent.iter().filter(|s| s.header.kind == Kind::Data).flat_map(credit).collect();
    assert_eq!(credits, [(0, 1, "clip0".into()), (1, 0, "clip1".into()), (2, 1, "clip2".into())]);
    assert_eq!(sent.last().map(|s| s.header.kind), Some(Kind::End));

    let table = |t| read(dir.path(), t).unwrap();
    let frame = table(Table::Samples);
    assert_eq!(frame.height(), 3);
    let splits: Vec<_> = frame.column("split").unwrap().str().unwrap().iter().flatten().map(str::to_owned).collect();
    assert_eq!(splits, ["train", "train", "val"]);
    assert_eq!(frame.column("run").unwrap().str().unwrap().get(0), Some("harness"));
    assert_eq!(frame.column("epoch").unwrap().i64().unwrap().get(2), Some(2));
    let prediction = frame.column("prediction").unwrap().list().unwrap().get_as_series(0).unwrap();
    assert_eq!(prediction.i32().unwrap().into_no_null_iter().collect::<Vec<_>>(), [1, 2]);
    assert_eq!(
        (table(Table::Metrics).height(), table(Table::Quarantine).height(), table(Table::Params).height()),
        (1, 1, 0)
    );
    for t in Table::ALL {
        assert!(dir.path().join(format!("{}.parquet", t.name())).is_file(), "{}", t.name());
        assert!(!dir.path().join(format!("{}.parts", t.name())).exists());
    }
}

#[test]
fn a_pass_is_on_disk_when_it_ends_though_the_run_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    // The stream breaks off after the boundary: what came before it can be read.
    let harness = Harness::new()
        .run_dir(dir.path())
        .setting("FLUSH_SECS", 1000)
        .outputs(&["credits"])
        .message("report_loss", header(Split::Train), metric(0.7))
        .control("report_loss", Kind::Boundary, 2, Split::Train)
        .message("report_loss", header(Split::Val), metric(0.6));
    assert!(harness.run::<ReportWriter>().is_err());
    assert_eq!(read(dir.path(), Table::Metrics).unwrap().height(), 1);
    assert!(dir.path().join("metrics.parts/part-000001.parquet").is_file());
}

#[test]
fn a_disk_that_cannot_be_written_stops_the_node_after_the_credits() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("samples.parts"), "in the way").unwrap();
    let result = ends(
        Harness::new().run_dir(dir.path()).outputs(&["credits"]).message(
            "report",
            header(Split::Train),
            samples(&[(0, "trained")]),
        ),
        &["report"],
    )
    .run::<ReportWriter>();
    let error = result.unwrap_err();
    assert!(error.to_string().contains("the report cannot be written"), "{error}");
    assert!(error.to_string().contains("samples.parts"), "{error}");
}

/// A column of one row that holds nothing.
fn nothing(builder: BatchBuilder, kind: ColumnType) -> BatchBuilder {
    match kind {
        ColumnType::Utf8 => builder.utf8([""]),
        ColumnType::Int64 => builder.int64([0]),
        ColumnType::Float64 => builder.float64([f64::NAN]),
        ColumnType::ListInt32 => builder.list_i32([&[][..]]),
        ColumnType::Binary => builder.binary([b""]),
        other => panic!("no table keeps {}", other.label()),
    }
}

#[test]
fn a_row_of_every_table_is_written_with_all_its_columns() {
    let dir = tempfile::tempdir().unwrap();
    let mut harness = Harness::new().run_dir(dir.path()).outputs(&["credits"]);
    for table in Table::ALL {
        let columns = table.own_columns().iter().fold(BatchBuilder::new(table.schema()), |row, c| nothing(row, c.kind));
        harness = harness.message("report", header(Split::Val), columns.build().unwrap());
    }
    ends(harness, &["report"]).run::<ReportWriter>().unwrap();
    for table in Table::ALL {
        let frame = read(dir.path(), *table).unwrap();
        let names: Vec<&str> = table.columns().map(|c| c.name).collect();
        let found: Vec<&str> = frame.get_column_names().into_iter().map(|name| name.as_str()).collect();
        assert_eq!(found, names);
        assert_eq!(frame.height(), 1, "{}", table.name());
    }
}

#[test]
fn a_flush_time_of_zero_is_refused() {
    let result = Harness::new().setting("FLUSH_SECS", 0).input("report").run::<ReportWriter>();
    assert!(result.unwrap_err().to_string().contains("FLUSH_SECS"));
}
