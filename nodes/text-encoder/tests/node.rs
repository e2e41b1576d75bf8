//! The node on recorded messages, without a daemon.

use std::path::Path;

use arrow::array::RecordBatch;
use arrow::datatypes::{Float32Type, Int32Type};
use copl_contract::schema::{BatchBuilder, Schema, int64, utf8};
use copl_contract::testing::{Harness, Sent};
use copl_contract::{Header, Kind, NodeError, Split, tensor};
use copl_text_encoder::node::TextEncoderNode;

fn header(position: u64) -> Header {
    Header { position, clip: format!("v#q{position}"), ..Header::new(Kind::Data, 1, Split::Train) }
}

fn clip(position: u64, question: &str) -> (Schema, RecordBatch) {
    let row = BatchBuilder::new(Schema::QuestionClips).utf8([format!("v#q{position}")]).utf8(["/v.mp4"]).utf8(["v"]);
    let row = row.utf8(["Audio Counting"]).utf8([question]).tensor_i32(vec![1, 2, 0], 1, &[3]);
    row.int64([0]).list_utf8([&["two"][..]]).build().unwrap()
}

fn run(harness: Harness) -> Result<Vec<Sent>, NodeError> {
    let asked = ["How many instruments are sounding", "Is the violin louder", "How many instruments are sounding"];
    let harness = asked.iter().enumerate().fold(harness, |harness, (position, question)| {
        harness.message("clips", header(position as u64), clip(position as u64, question))
    });
    let harness =
        harness.control("clips", Kind::Boundary, 1, Split::Train).control("clips", Kind::End, 0, Split::Train);
    harness.outputs(&["questions"]).run::<TextEncoderNode>()
}

fn data(sent: &[Sent], schema: Schema) -> Vec<&RecordBatch> {
    sent.iter().filter(|s| s.header.schema == Some(schema)).filter_map(|s| s.batch.as_ref()).collect()
}

#[test]
fn word_ids_pass_in_the_clips_order() {
    let sent = run(Harness::new()).unwrap();
    let kinds: Vec<Kind> = sent.iter().map(|s| s.header.kind).collect();
    assert_eq!(kinds, [Kind::Data, Kind::Data, Kind::Data, Kind::Boundary, Kind::End]);
    let words = data(&sent, Schema::QuestionWords);
    assert_eq!(utf8(words[0], "video").unwrap().value(0), "v");
    let view = tensor::view::<Int32Type>(words[2], "words").unwrap();
    assert_eq!((view.shape, view.values), (vec![3], &[1, 2, 0][..]));
}

#[test]
fn a_frozen_encoder_sends_features_and_the_same_for_the_same_question() {
    let weights = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/bert");
    let harness = Harness::new().setting("ENCODER", "minilm").setting("WEIGHTS", weights.display());
    let sent = run(harness.setting("MAX_TOKENS", 16)).unwrap();
    let rows = data(&sent, Schema::QuestionFeatures);
    let features = tensor::view::<Float32Type>(rows[0], "features").unwrap();
    let length = int64(rows[0], "length").unwrap().value(0) as usize;
    assert_eq!(features.shape, [16, 16]);
    assert!(length > 4 && features.values[length * 16..].iter().all(|x| *x == 0.0));
    // The mean over tokens.
    let mean: f32 = (0..length).map(|token| features.values[token * 16]).sum::<f32>() / length as f32;
    let pooled = |row: usize| tensor::view::<Float32Type>(rows[row], "pooled").unwrap().values.to_vec();
    assert!((pooled(0)[0] - mean).abs() < 1e-5);
    assert_eq!(pooled(0), pooled(2));
    assert_ne!(pooled(0), pooled(1));
}

#[test]
fn weights_that_are_not_there_are_asked_for() {
    let nowhere = tempfile::tempdir().unwrap();
    let harness = Harness::new().setting("ENCODER", "bert").setting("WEIGHTS", nowhere.path().display());
    let error = run(harness).unwrap_err().to_string();
    assert!(error.contains("has no config.json in"), "{error}");
    let error = run(Harness::new().setting("WEIGHTS", "x")).unwrap_err().to_string();
    assert!(error.contains("ENCODER tokens has no weights"), "{error}");
}
