//! Tiny encoders with random weights against what `transformers` 5.23 makes of the same texts (`fixtures/make.py`).

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use copl_hub::Settings;
use copl_text_encoder::{Folder, Kind, TextEncoder};

const TEXTS: [&str; 3] = [
    "How many instruments are sounding in the video?",
    "Is the violin louder than the tuba?",
    "Where is the first sounding instrument?",
];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn files(name: &str) -> Folder {
    Folder::find(fixture(name).to_str().unwrap(), &Settings::from_vars(|_| None, None)).unwrap()
}

fn open(kind: Kind, name: &str) -> TextEncoder {
    TextEncoder::open(kind, &files(name), 32).unwrap()
}

fn expected(name: &str) -> HashMap<String, Tensor> {
    candle_core::safetensors::load(fixture(name).join("expected.safetensors"), &Device::Cpu).unwrap()
}

fn close(found: &[f32], expected: &Tensor) {
    let expected: Vec<f32> = expected.flatten_all().unwrap().to_vec1().unwrap();
    assert_eq!(found.len(), expected.len());
    let worst = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst < 1e-4, "differs by {worst}");
}

#[test]
fn tokens_features_and_vectors_are_those_of_transformers() {
    let cases = [(Kind::Bert, "bert", "class"), (Kind::MiniLm, "bert", "mean"), (Kind::Clip, "clip", "projected")];
    for (kind, name, pooled) in cases {
        let (encoder, expected) = (open(kind, name), expected(name));
        for (index, text) in TEXTS.iter().enumerate() {
            let ids: Vec<i64> = expected[&format!("ids.{index}")].to_vec1().unwrap();
            let found: Vec<i64> = encoder.ids(text).unwrap().into_iter().map(i64::from).collect();
            assert_eq!(found, ids, "{name}: {text}");
            let encoded = encoder.encode(text).unwrap();
            assert_eq!((encoded.length, encoded.pooled.len()), (ids.len(), encoder.pooled_width()));
            close(&encoded.features, &expected[&format!("features.{index}")]);
            close(&encoded.pooled, &expected[&format!("{pooled}.{index}")]);
        }
    }
}

#[test]
fn a_long_text_is_cut_and_keeps_its_end_token() {
    let encoder = TextEncoder::open(Kind::Clip, &files("clip"), 5).unwrap();
    let (cut, whole) = (encoder.ids(TEXTS[0]).unwrap(), open(Kind::Clip, "clip").ids(TEXTS[0]).unwrap());
    assert_eq!(cut.len(), 5);
    assert_eq!((cut[..4].to_vec(), cut.last()), (whole[..4].to_vec(), whole.last()));
}

#[test]
fn weights_are_exactly_those_of_the_sizes() {
    let work = tempfile::tempdir().unwrap();
    for file in ["config.json", "tokenizer.json"] {
        std::fs::copy(fixture("bert").join(file), work.path().join(file)).unwrap();
    }
    let refused = |tensors: &HashMap<String, Tensor>| {
        let path = work.path().join("model.safetensors");
        candle_core::safetensors::save(tensors, &path).unwrap();
        let files = Folder::find(work.path().to_str().unwrap(), &Settings::from_vars(|_| None, None)).unwrap();
        TextEncoder::open(Kind::Bert, &files, 32).unwrap_err()
    };
    let all = candle_core::safetensors::load(files("bert").weights, &Device::Cpu).unwrap();
    let mut more = all.clone();
    more.insert(
        "bert.encoder.layer.2.output.dense.bias".to_owned(),
        Tensor::zeros(16, candle_core::DType::F32, &Device::Cpu).unwrap(),
    );
    let error = refused(&more).to_string();
    assert!(error.contains("unexpected") && error.contains("encoder.layer.2.output.dense.bias"), "{error}");
    let mut fewer = all.clone();
    fewer.remove("bert.encoder.layer.1.output.dense.bias").unwrap();
    let error = refused(&fewer).to_string();
    assert!(error.contains("encoder.layer.1.output.dense.bias"), "{error}");
}
