//! The node on recorded messages, without a daemon.

use arrow::array::RecordBatch;
use arrow::datatypes::Float32Type;
use copl_contract::schema::{BatchBuilder, Schema, float64, int64, utf8};
use copl_contract::testing::{Harness, Sent};
use copl_contract::{ExitCode, Header, Kind, NodeError, Split, tensor};

use crate::LossMetrics;

fn header(split: Split, position: u64) -> Header {
    Header { position, clip: format!("c{position}"), step: Some(position), ..Header::new(Kind::Data, 1, split) }
}

fn clip(position: u64, labels: [i32; 2]) -> (Schema, RecordBatch) {
    let id = format!("c{position}");
    let row = BatchBuilder::new(Schema::Clips).utf8([&id]).utf8(["x.mp4"]).int64([0]).utf8(["Bell"]);
    row.tensor_i32(labels.to_vec(), 1, &[2]).build().unwrap()
}

fn prediction(position: u64, logits: [f32; 4]) -> (Schema, RecordBatch) {
    let row = BatchBuilder::new(Schema::Predictions).utf8([format!("c{position}")]).int64([position as i64]);
    let row = row.tensor_f32(logits.to_vec(), 1, &[2, 2]);
    row.tensor_f32(vec![1.0, 0.0], 1, &[2, 1]).tensor_f32(vec![0.0, 0.0], 1, &[2, 1]).build().unwrap()
}

fn tombstone(position: u64) -> (Schema, RecordBatch) {
    let row = BatchBuilder::new(Schema::Quarantine).utf8([format!("c{position}")]).utf8(["x.mp4"]);
    row.utf8(["video"]).utf8(["empty_file"]).utf8(["0 bytes"]).build().unwrap()
}

fn of(sent: &[Sent], output: &str, schema: Schema) -> Vec<Sent> {
    sent.iter().filter(|s| s.output == output && s.header.schema == Some(schema)).cloned().collect()
}

fn run(harness: Harness) -> Result<Vec<Sent>, NodeError> {
    let ended = harness.control("clips", Kind::End, 0, Split::Train).control("predictions", Kind::End, 0, Split::Train);
    ended.outputs(&["gradients", "report"]).run::<LossMetrics>()
}

#[test]
fn a_training_batch_is_answered_with_its_gradient() {
    let sent = run(Harness::new().message("clips", header(Split::Train, 0), clip(0, [0, 1])).message(
        "predictions",
        header(Split::Train, 0),
        prediction(0, [0.0; 4]),
    ))
    .unwrap();
    let gradients = of(&sent, "gradients", Schema::Gradients);
    assert_eq!((gradients.len(), gradients[0].header.step), (1, Some(0)));
    let batch = gradients[0].batch.as_ref().unwrap();
    // Two classes of equal logits, the mean over two segments: (p - 1) / 2 and p / 2.
    assert_eq!(tensor::view::<Float32Type>(batch, "logits").unwrap().values, [-0.25, 0.25, 0.25, -0.25]);
    // 0.005 * 2 * (1 - 0) / 2 for the segment that differs.
    assert_eq!(tensor::view::<Float32Type>(batch, "visual_features").unwrap().values, [0.005, 0.0]);
    assert_eq!(tensor::view::<Float32Type>(batch, "audio_features").unwrap().values, [-0.005, -0.0]);
}

#[test]
fn a_prediction_that_overtakes_its_target_waits_for_it() {
    let sent = run(Harness::new()
        .message("predictions", header(Split::Val, 0), prediction(0, [5.0, 0.0, 5.0, 0.0]))
        .message("clips", header(Split::Val, 0), clip(0, [0, 1])))
    .unwrap();
    let samples = of(&sent, "report", Schema::Samples);
    assert_eq!(float64(samples[0].batch.as_ref().unwrap(), "score").unwrap().value(0), 0.5);
    assert!(of(&sent, "gradients", Schema::Gradients).is_empty(), "evaluation is not answered");
}

#[test]
fn the_verdict_follows_the_validation_pass_and_every_segment_weighs_the_same() {
    let mut harness = Harness::new();
    for (position, logits) in [(0, [5.0, 0.0, 5.0, 0.0]), (1, [5.0, 0.0, 0.0, 5.0]), (2, [0.0, 5.0, 0.0, 5.0])] {
        harness = harness.message("clips", header(Split::Val, position), clip(position, [0, 1])).message(
            "predictions",
            header(Split::Val, position),
            prediction(position, logits),
        );
    }
    let sent = run(harness.control("predictions", Kind::Boundary, 1, Split::Val)).unwrap();
    let verdicts = of(&sent, "gradients", Schema::Verdict);
    let verdict = verdicts[0].batch.as_ref().unwrap();
    assert!((float64(verdict, "value").unwrap().value(0) - 100.0 * 4.0 / 6.0).abs() < 1e-9);
    assert_eq!(int64(verdict, "best").unwrap().value(0), 1);
    let metrics = of(&sent, "report", Schema::Metrics);
    let names = utf8(metrics[0].batch.as_ref().unwrap(), "metric").unwrap();
    assert!(names.iter().any(|n| n == Some("accuracy/background")) && names.iter().any(|n| n == Some("accuracy/Bell")));
}

#[test]
fn a_quarantined_clip_leaves_its_rows() {
    let sent = run(Harness::new().message("clips", header(Split::Train, 0), clip(0, [0, 1])).message(
        "predictions",
        Header { kind: Kind::Tombstone, ..header(Split::Train, 0) },
        tombstone(0),
    ))
    .unwrap();
    assert_eq!(of(&sent, "report", Schema::Quarantine).len(), 1);
    let samples = of(&sent, "report", Schema::Samples);
    assert_eq!(utf8(samples[0].batch.as_ref().unwrap(), "status").unwrap().value(0), "quarantined");
}

#[test]
fn a_loss_that_is_not_finite_stops_the_run_and_names_the_clips() {
    let failed = run(Harness::new().message("clips", header(Split::Train, 4), clip(4, [0, 1])).message(
        "predictions",
        header(Split::Train, 4),
        prediction(4, [f32::NAN, 0.0, 0.0, 0.0]),
    ))
    .unwrap_err();
    assert_eq!(failed.exit_code(), ExitCode::NotFinite);
    assert!(failed.to_string().contains("clips c4"), "{failed}");
}

#[test]
fn a_prediction_without_a_target_is_refused() {
    // The harness numbers messages; a prediction for a clip that never came stays without target.
    let failed =
        run(Harness::new().message("predictions", header(Split::Val, 0), prediction(0, [0.0; 4])).input("clips"))
            .unwrap_err();
    assert_eq!(failed.exit_code(), ExitCode::Contract);
}
