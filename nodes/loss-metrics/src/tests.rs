//! The node on recorded messages, without a daemon.

use std::ops::Range;

use arrow::array::RecordBatch;
use arrow::datatypes::Float32Type;
use copl_contract::schema::{BatchBuilder, Schema, float64, int64, utf8};
use copl_contract::testing::{Harness, Sent};
use copl_contract::{ExitCode, Header, Kind, NodeError, Split, names, tensor};

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

/// A clip of two frames of 2 x 2 pixels whose first pixel is the object; the second frame's mask is known or not.
fn mask_clip(position: u64, second: bool) -> (Schema, RecordBatch) {
    let row = BatchBuilder::new(Schema::MaskClips).utf8([format!("c{position}")]).utf8(["x.mp4"]);
    let row = row.list_utf8([&[] as &[&str]]).int64([0]).utf8(["bell"]);
    let row = row.tensor_u8(vec![1, 0, 0, 0, u8::from(second), 0, 0, 0], 1, &[2, 2, 2]);
    row.tensor_i32(vec![1, i32::from(second)], 1, &[2]).build().unwrap()
}

/// Logits of both frames, or of the first.
fn mask_prediction(position: u64, logits: &[f32]) -> (Schema, RecordBatch) {
    let row = BatchBuilder::new(Schema::MaskPredictions).utf8([format!("c{position}")]).int64([position as i64]);
    let row = row.tensor_f32(logits.to_vec(), 1, &[logits.len() / 4, 2, 2]);
    row.tensor_f32(vec![1.0, 0.0], 1, &[2, 1]).tensor_f32(vec![1.0, 0.0], 1, &[2, 1]).build().unwrap()
}

/// Logits of both frames of some clips, and what sound and picture are matched by, at one scale: they agree in the second
/// frame.
fn matched_masks(positions: Range<u64>) -> (Schema, RecordBatch) {
    let rows = positions.clone().count();
    let row = BatchBuilder::new(Schema::MatchedMaskPredictions).utf8(positions.clone().map(|p| format!("c{p}")));
    let row = row.int64(positions.map(|p| p as i64)).tensor_f32(vec![0.0; 8 * rows], rows, &[2, 2, 2]);
    let row = row.tensor_f32([1.0, 0.0, 0.5, 0.5].repeat(rows), rows, &[2, 1, 2]);
    let row = row.tensor_f32([0.0, 1.0, 0.5, 0.5].repeat(rows), rows, &[2, 1, 2]);
    let features = || [1.0, 0.0].repeat(rows);
    row.tensor_f32(features(), rows, &[2, 1]).tensor_f32(features(), rows, &[2, 1]).build().unwrap()
}

fn frames() -> (Schema, RecordBatch) {
    BatchBuilder::new(Schema::Frames).tensor_u8(vec![7; 2 * 4 * 4 * 3], 1, &[2, 4, 4, 3]).build().unwrap()
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
fn features_of_two_widths_are_not_compared_and_the_run_goes_on() {
    let row = BatchBuilder::new(Schema::Predictions).utf8(["c0"]).int64([0]).tensor_f32(vec![0.0; 4], 1, &[2, 2]);
    let wide = row.tensor_f32(vec![1.0, 0.0], 1, &[2, 1]).tensor_f32(vec![2.0; 6], 1, &[2, 3]).build().unwrap();
    let harness = Harness::new().message("clips", header(Split::Train, 0), clip(0, [0, 1]));
    let sent = run(harness.message("predictions", header(Split::Train, 0), wide)).unwrap();
    let gradients = of(&sent, "gradients", Schema::Gradients);
    let batch = gradients[0].batch.as_ref().unwrap();
    assert_eq!(tensor::view::<Float32Type>(batch, "visual_features").unwrap().values, [0.0; 2]);
    assert_eq!(tensor::view::<Float32Type>(batch, "audio_features").unwrap().values, [0.0; 6]);
}

#[test]
fn sound_and_picture_are_matched_where_the_head_gives_what_they_are_matched_by() {
    let answered = |predicted, matching: &str| {
        let harness = Harness::new().setting("MASKS", "all").setting("MATCHING", matching);
        let harness = harness.message("clips", header(Split::Train, 0), mask_clip(0, true));
        run(harness.message("predictions", header(Split::Train, 0), predicted))
    };
    let slopes = |sent: &[Sent], column: &str| {
        let gradients = of(sent, "gradients", Schema::MatchedMaskGradients);
        tensor::view::<Float32Type>(gradients[0].batch.as_ref().unwrap(), column).unwrap().values.to_vec()
    };
    let sent = answered(matched_masks(0..1), "kl").unwrap();
    let maps = slopes(&sent, "matched_maps");
    // Half the softmax of the map less that of the sound, in the first frame; in the second they agree.
    let softmax = 1.0 / (1.0 + (-1.0f32).exp());
    assert!((maps[0] - 0.5 * (softmax - (1.0 - softmax))).abs() < 1e-6 && maps[2..] == [0.0; 2], "{maps:?}");
    assert_eq!(slopes(&answered(matched_masks(0..1), "none").unwrap(), "matched_sounds"), [0.0; 4]);
    let failed = answered(mask_prediction(0, &[0.0; 8]), "euclid").unwrap_err().to_string();
    assert!(failed.contains("MATCHING_SCALES"), "{failed}");
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
fn masks_are_answered_by_the_gradient_of_their_first_frame() {
    // sigmoid(0) - mask, the mean over four pixels; the second frame has no loss.
    let slopes = [-0.125, 0.125, 0.125, 0.125, 0.0, 0.0, 0.0, 0.0];
    for predicted in [4, 8] {
        let sent = run(Harness::new().message("clips", header(Split::Train, 0), mask_clip(0, false)).message(
            "predictions",
            header(Split::Train, 0),
            mask_prediction(0, &[0.0; 8][..predicted]),
        ))
        .unwrap();
        let gradients = of(&sent, "gradients", Schema::MaskGradients);
        let gradient = tensor::view::<Float32Type>(gradients[0].batch.as_ref().unwrap(), "logits").unwrap();
        assert_eq!((gradient.values, gradient.shape), (&slopes[..predicted], vec![predicted / 4, 2, 2]));
        let samples = of(&sent, "report", Schema::Samples);
        let list = |name: &str| {
            let list = copl_contract::schema::list(samples[0].batch.as_ref().unwrap(), name).unwrap().value(0);
            format!("{list:?}")
        };
        assert_eq!(list("target").matches("-1").count(), 1, "the second mask is not known: {}", list("target"));
        assert_eq!(list("prediction").matches("-1").count(), 2 - predicted / 4, "{}", list("prediction"));
    }
}

#[test]
fn all_masks_are_supervised_where_they_should_be() {
    let answered = |second: bool, logits: &[f32]| {
        run(Harness::new()
            .setting("MASKS", "all")
            .message("clips", header(Split::Train, 0), mask_clip(0, second))
            .message("predictions", header(Split::Train, 0), mask_prediction(0, logits)))
    };
    let sent = answered(true, &[0.0; 8]).unwrap();
    let gradients = of(&sent, "gradients", Schema::MaskGradients);
    let slopes = tensor::view::<Float32Type>(gradients[0].batch.as_ref().unwrap(), "logits").unwrap();
    // sigmoid(0) - mask, the mean over eight pixels.
    let expected = [-0.0625, 0.0625, 0.0625, 0.0625, -0.0625, 0.0625, 0.0625, 0.0625];
    assert_eq!(slopes.values, expected);
    assert!(answered(true, &[0.0; 4]).unwrap_err().to_string().contains("not all frames are predicted"));
    assert!(answered(false, &[0.0; 8]).unwrap_err().to_string().contains("MASKS first"));
}

#[test]
fn an_evaluated_clip_needs_the_logits_of_every_frame() {
    let failed = run(Harness::new().message("clips", header(Split::Val, 0), mask_clip(0, true)).message(
        "predictions",
        header(Split::Val, 0),
        mask_prediction(0, &[0.0; 4]),
    ))
    .unwrap_err();
    assert!(failed.to_string().contains("masks of [1, 2, 2] are predicted"), "{failed}");
}

#[test]
fn masks_are_judged_by_miou_and_shown_over_their_frames() {
    let right = [9.0, -9.0, -9.0, -9.0, 9.0, -9.0, -9.0, -9.0];
    let half = [9.0, 9.0, -9.0, -9.0, 9.0, -9.0, -9.0, -9.0];
    let mut harness = Harness::new();
    for (split, position, logits) in [(Split::Val, 0, right), (Split::Val, 1, half), (Split::Test, 2, half)] {
        harness = harness
            .message("clips", header(split, position), mask_clip(position, true))
            .message("predictions", header(split, position), mask_prediction(position, &logits))
            .message("frames", header(split, position), frames());
        if position == 1 {
            harness = harness.control("predictions", Kind::Boundary, 1, Split::Val);
        }
    }
    let sent = run(harness.control("frames", Kind::End, 0, Split::Train)).unwrap();
    let verdicts = of(&sent, "gradients", Schema::Verdict);
    let verdict = verdicts[0].batch.as_ref().unwrap();
    assert_eq!(utf8(verdict, "metric").unwrap().value(0), "miou");
    // Frames of 1, 1, 1/2 and 1.
    assert!((float64(verdict, "value").unwrap().value(0) - 87.5).abs() < 1e-4);
    let shown = of(&sent, "report", Schema::Masks);
    let rows = shown[0].batch.as_ref().unwrap();
    assert_eq!((shown.len(), rows.num_rows()), (1, 2), "the test clip's two segments");
    let scores = float64(rows, "iou").unwrap();
    assert!((scores.value(0) - 0.5).abs() < 1e-6 && (scores.value(1) - 1.0).abs() < 1e-6);
    for column in ["frame", "predicted", "target"] {
        let png = copl_contract::schema::binary(rows, column).unwrap().value(0).to_vec();
        assert!(png.starts_with(b"\x89PNG"), "{column}");
    }
}

#[test]
fn predictions_of_another_task_are_refused_by_name() {
    let failed = run(Harness::new().message("clips", header(Split::Val, 0), mask_clip(0, true)).message(
        "predictions",
        header(Split::Val, 0),
        prediction(0, [0.0; 4]),
    ))
    .unwrap_err();
    assert!(failed.to_string().contains("`predictions` where `mask-predictions` or"), "{failed}");
}

#[test]
fn a_setting_of_another_task_ends_the_run_by_name() {
    let failed = run(Harness::new()
        .setting("ANSWER", 1)
        .message("clips", header(Split::Val, 0), mask_clip(0, true))
        .message("predictions", header(Split::Val, 0), mask_prediction(0, &[0.0; 8])))
    .unwrap_err();
    assert_eq!(failed.exit_code(), ExitCode::InvalidDataflow);
    for words in ["ANSWER", "question answering", "segmentation"] {
        assert!(failed.to_string().contains(words), "{failed}");
    }
}

#[test]
fn masks_of_another_size_are_refused_by_name() {
    let small = BatchBuilder::new(Schema::MaskPredictions).utf8(["c0"]).int64([0]).tensor_f32(vec![0.0], 1, &[1, 1, 1]);
    let small = small.tensor_f32(vec![1.0], 1, &[1, 1]).tensor_f32(vec![1.0], 1, &[1, 1]).build().unwrap();
    let failed = run(Harness::new().message("clips", header(Split::Val, 0), mask_clip(0, true)).message(
        "predictions",
        header(Split::Val, 0),
        small,
    ))
    .unwrap_err();
    assert!(failed.to_string().contains("MASK_SIZE"), "{failed}");
}

#[test]
fn a_clip_the_source_gave_up_leaves_its_rows_too() {
    let bad = Header { kind: Kind::Tombstone, ..header(Split::Train, 0) };
    let harness = Harness::new().message("clips", bad.clone(), tombstone(0)).message("predictions", bad, tombstone(0));
    let sent = run(harness).unwrap();
    assert_eq!(of(&sent, "report", Schema::Quarantine).len(), 1);
    assert_eq!(of(&sent, "report", Schema::Samples).len(), 1);
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

/// The question "how many", answered "one" (class 1).
fn question(position: u64, kind: &str) -> (Schema, RecordBatch) {
    let row = BatchBuilder::new(Schema::QuestionClips).utf8([format!("c{position}")]).utf8(["x.mp4"]).utf8(["v"]);
    let row = row.utf8([kind]).utf8(["how many"]).tensor_i32(vec![1, 2], 1, &[2]);
    row.int64([1]).list_utf8([&["yes", "one", "two"][..]]).build().unwrap()
}

/// Answer logits of three answers; matches of one second.
fn answers(position: u64, logits: [f32; 3], matches: [[f32; 2]; 2]) -> (Schema, RecordBatch) {
    let row = BatchBuilder::new(Schema::AnswerPredictions).utf8([format!("c{position}")]).int64([position as i64]);
    let row = row.tensor_f32(logits.to_vec(), 1, &[3]);
    let row = matches.iter().fold(row, |row, logits| row.tensor_f32(logits.to_vec(), 1, &[1, 2]));
    row.tensor_f32(vec![1.0], 1, &[1, 1]).tensor_f32(vec![1.0], 1, &[1, 1]).build().unwrap()
}

#[test]
fn questions_are_answered_by_gradients_of_answers_and_matches() {
    let sent = run(Harness::new().message("clips", header(Split::Train, 0), question(0, "Audio Counting")).message(
        "predictions",
        header(Split::Train, 0),
        answers(0, [0.0; 3], [[0.0; 2]; 2]),
    ))
    .unwrap();
    let gradients = of(&sent, "gradients", Schema::AnswerGradients);
    let batch = gradients[0].batch.as_ref().unwrap();
    let slope = |name: &str| tensor::view::<Float32Type>(batch, name).unwrap().values.to_vec();
    let third = 1.0 / 3.0f32;
    assert!(slope("logits").iter().zip([third, third - 1.0, third]).all(|(a, b)| (a - b).abs() < 1e-6));
    // Half the mean over two matches of equal logits.
    assert_eq!((slope("match_positive"), slope("match_negative")), (vec![0.125, -0.125], vec![-0.125, 0.125]));
}

#[test]
fn questions_are_counted_by_kind_and_shown_with_their_answers() {
    let none = [f32::NAN; 2];
    let mut harness = Harness::new();
    let asked = [
        ("Audio Counting", [0.0, 9.0, 0.0]),
        ("Visual Location", [9.0, 0.0, 0.0]),
        ("Visual Location", [0.0, 9.0, 0.0]),
    ];
    for (position, (kind, logits)) in asked.into_iter().enumerate() {
        let position = position as u64;
        harness = harness.message("clips", header(Split::Val, position), question(position, kind)).message(
            "predictions",
            header(Split::Val, position),
            answers(position, logits, [[0.0, 1.0], none]),
        );
    }
    let sent = run(harness.control("predictions", Kind::Boundary, 1, Split::Val)).unwrap();
    let verdicts = of(&sent, "gradients", Schema::Verdict);
    let verdict = verdicts[0].batch.as_ref().unwrap();
    assert!((float64(verdict, "value").unwrap().value(0) - 200.0 / 3.0).abs() < 1e-9);
    let metrics = of(&sent, "report", Schema::Metrics);
    let metrics = metrics[0].batch.as_ref().unwrap();
    let (names, values) = (utf8(metrics, "metric").unwrap(), float64(metrics, "value").unwrap());
    let value = |name: &str| names.iter().position(|n| n == Some(name)).map(|row| values.value(row));
    assert_eq!((value("accuracy/AQ"), value("accuracy/VQ"), value("accuracy/AVQ")), (Some(100.0), Some(50.0), None));
    assert_eq!((value("majority"), value("match_accuracy")), (Some(100.0), Some(100.0)));
    assert_eq!(value("confusion/Visual Location/one/yes"), Some(1.0));
    let rows = of(&sent, "report", Schema::Answers);
    assert_eq!(rows.len(), 3);
    let row = rows[1].batch.as_ref().unwrap();
    let text = |name: &str| utf8(row, name).unwrap().value(0).to_owned();
    assert_eq!([text("question"), text("answer"), text("predicted")], ["how many", "one", "yes"]);
    assert!(float64(row, "probability").unwrap().value(0) > 0.99);
}

#[test]
fn grounding_alone_is_judged_by_its_matches() {
    let sent = run(Harness::new()
        .setting("ANSWER", 0)
        .message("clips", header(Split::Val, 0), question(0, "Audio Counting"))
        .message("predictions", header(Split::Val, 0), answers(0, [0.0, 9.0, 0.0], [[0.0, 1.0], [0.0, 1.0]]))
        .control("predictions", Kind::Boundary, 1, Split::Val))
    .unwrap();
    let verdicts = of(&sent, "gradients", Schema::Verdict);
    let verdict = verdicts[0].batch.as_ref().unwrap();
    assert_eq!(utf8(verdict, "metric").unwrap().value(0), "match_accuracy");
    assert_eq!(float64(verdict, "value").unwrap().value(0), 50.0);
}

/// Value and `picks` of the metrics of the last message about a whole pass.
fn of_pass(sent: &[Sent]) -> Vec<(String, f64, i64)> {
    let metrics = of(sent, "report", Schema::Metrics);
    let rows = metrics.last().unwrap().batch.as_ref().unwrap();
    let (names, values) = (utf8(rows, "metric").unwrap(), float64(rows, "value").unwrap());
    let picks = int64(rows, "picks").unwrap();
    (0..rows.num_rows()).map(|i| (names.value(i).to_owned(), values.value(i), picks.value(i))).collect()
}

/// The loss that is told of a pass, and the mean over its clips of those of its steps; `clips` are the sizes of its batches.
fn told_and_trained_on(sent: &[Sent], clips: &[f64]) -> (f64, f64) {
    let steps = of(sent, "report", Schema::Metrics);
    let of_step = |(sent, clips): (&Sent, &f64)| {
        let rows = sent.batch.as_ref().unwrap();
        let at = utf8(rows, "metric").unwrap().iter().position(|n| n == Some("step/loss")).unwrap();
        clips * float64(rows, "value").unwrap().value(at)
    };
    let trained_on = steps.iter().zip(clips).map(of_step).sum::<f64>() / clips.iter().sum::<f64>();
    (of_pass(sent).iter().find(|(name, ..)| name == "loss").unwrap().1, trained_on)
}

#[test]
fn the_loss_of_an_epoch_of_questions_is_the_one_that_was_trained_on() {
    for weights in [(1.0, 0.5), (2.0, 0.5), (0.0, 1.0)] {
        let mut harness = Harness::new().setting("ANSWER", weights.0).setting("MATCH", weights.1);
        let matches = [[[0.0, 1.0], [0.5, 1.0]], [[2.0, 1.0], [f32::NAN; 2]]];
        for (position, matches) in matches.into_iter().enumerate() {
            let position = position as u64;
            let header = header(Split::Train, position);
            harness = harness.message("clips", header.clone(), question(position, "Audio Counting"));
            harness = harness.message("predictions", header, answers(position, [0.0, 1.0, position as f32], matches));
        }
        let sent = run(harness.control("predictions", Kind::Boundary, 1, Split::Train)).unwrap();
        let (told, trained_on) = told_and_trained_on(&sent, &[1.0, 1.0]);
        assert!((told - trained_on).abs() < 1e-12, "weights {weights:?}: told {told}, trained on {trained_on}");
    }
}

#[test]
fn the_loss_of_an_epoch_of_matched_masks_is_the_one_that_was_trained_on() {
    for matching in ["kl", "euclid", "none"] {
        let mut harness = Harness::new().setting("MASKS", "all").setting("MATCHING", matching);
        // A batch of two clips, whose frames are matched together, and one of the last.
        for positions in [0..2, 2..3] {
            for position in positions.clone() {
                harness = harness.message("clips", header(Split::Train, position), mask_clip(position, true));
            }
            let first = header(Split::Train, positions.start);
            harness = harness.message("predictions", first, matched_masks(positions));
        }
        let sent = run(harness.control("predictions", Kind::Boundary, 1, Split::Train)).unwrap();
        let (told, trained_on) = told_and_trained_on(&sent, &[2.0, 1.0]);
        assert!((told - trained_on).abs() < 1e-12, "{matching}: told {told}, trained on {trained_on}");
    }
}

#[test]
fn every_pass_says_which_of_its_metrics_picks_the_model() {
    for (weight, expected) in [(1, "accuracy"), (0, "match_accuracy")] {
        for split in [Split::Train, Split::Val, Split::Test] {
            let sent = run(Harness::new()
                .setting("ANSWER", weight)
                .message("clips", header(split, 0), question(0, "Audio Counting"))
                .message("predictions", header(split, 0), answers(0, [0.0; 3], [[0.0, 1.0], [0.0, 1.0]]))
                .control("predictions", Kind::Boundary, 1, split))
            .unwrap();
            let picked: Vec<String> =
                of_pass(&sent).into_iter().filter(|(.., picks)| *picks == 1).map(|(name, ..)| name).collect();
            assert_eq!(picked, [expected], "{split}");
        }
    }
}

#[test]
fn a_class_called_with_a_slash_keeps_its_name() {
    let named = BatchBuilder::new(Schema::Clips).utf8(["c0"]).utf8(["x.mp4"]).int64([0]).utf8(["AC/DC"]);
    let named = named.tensor_i32(vec![0, 1], 1, &[2]).build().unwrap();
    let sent = run(Harness::new()
        .message("clips", header(Split::Val, 0), named)
        .message("predictions", header(Split::Val, 0), prediction(0, [5.0, 0.0, 5.0, 0.0]))
        .control("predictions", Kind::Boundary, 1, Split::Val))
    .unwrap();
    let parts: Vec<Vec<String>> = of_pass(&sent).iter().map(|(name, ..)| names::parts(name)).collect();
    for expected in
        [&["accuracy", "AC/DC"][..], &["confusion", "AC/DC", "AC/DC"], &["confusion", "background", "AC/DC"]]
    {
        assert!(parts.iter().any(|parts| parts == expected), "{expected:?} is not in {parts:?}");
    }
}
