//! Optimizer state and checkpoints: a run that is cut and resumed takes the same steps.

#![allow(clippy::disallowed_methods, reason = "files of a test")]

use std::collections::BTreeMap;

use candle_core::Device;
use copl_networks::Error;
use copl_networks::encoders::InputShape;
use copl_networks::tensor_file::{read_tensors, write_tensors};
use copl_testing::tensors::{numbers, values};

use super::checkpoint::{card_path, read_adapters, write_adapters};
use super::{Adam, AdamConfig, Schedule};
use crate::config::ModelConfig;
use crate::methods::copl::CoplSettings;
use crate::methods::full::FullSettings;
use crate::methods::linear_probe::LinearProbe;
use crate::methods::{ClipShape, MethodConfig};
use crate::model::{Batch, Inputs, Model, OutputGradients};

fn copl() -> MethodConfig {
    CoplSettings { global_len: 2, interaction_len: 2, bank_len: 3, ..CoplSettings::default() }.into()
}

fn config(method: MethodConfig) -> ModelConfig {
    ModelConfig {
        method,
        segments: 2,
        classes: 4,
        visual_weights: Some("random".to_string()),
        ..ModelConfig::default()
    }
}

fn model(method: MethodConfig) -> Model {
    Model::build(&config(method), &Device::Cpu).unwrap()
}

fn batch(seed: u64) -> Batch {
    let shape = ClipShape { clips: 1, segments: 2 };
    let (frames, spectrogram) = (numbers(2 * 3 * 64 * 64, seed), numbers(2 * 64 * 64, seed + 1));
    let inputs = Inputs { visual: InputShape::picture(64), audio: InputShape::picture(64) };
    Batch::from_slices(&frames, &spectrogram, shape, inputs, &Device::Cpu).unwrap()
}

fn step(model: &Model, adam: &mut Adam, seed: u64) {
    let (predictions, graph) = model.forward(&batch(seed)).unwrap();
    let gradients = OutputGradients {
        others: Vec::new(),
        logits: predictions.logits.clone(),
        visual_features: Some(predictions.visual_features.clone()),
        audio_features: None,
    };
    let gradients = graph.backward(&gradients).unwrap();
    adam.step(model.parameters(), &gradients, 0).unwrap();
}

fn all_values(model: &Model) -> Vec<Vec<f32>> {
    model.parameters().vars().map(|(_, var)| values(var)).collect()
}

fn adam(model: &Model) -> Adam {
    let schedule = Schedule::Cosine { warmup: 2, total: 10 };
    Adam::new(AdamConfig { schedule, ..AdamConfig::default() }, model.parameters()).unwrap()
}

#[test]
fn a_resumed_run_takes_the_same_steps_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let (adapters, moments) = (folder.path().join("adapters.safetensors"), folder.path().join("moments.safetensors"));
    let straight = model(copl());
    let mut optimizer = adam(&straight);
    for seed in 0..2 {
        step(&straight, &mut optimizer, seed);
    }
    write_adapters(&adapters, &straight, &BTreeMap::from([("accuracy".to_string(), 0.5)])).unwrap();
    write_tensors(&moments, &optimizer.state().unwrap(), &BTreeMap::new()).unwrap();
    for seed in 2..4 {
        step(&straight, &mut optimizer, seed);
    }

    let resumed = model(copl());
    let card = read_adapters(&adapters, &resumed).unwrap();
    assert_eq!(card.metrics["accuracy"], 0.5);
    assert_eq!(card.trainable, resumed.parameters().count());
    let mut optimizer = adam(&resumed);
    optimizer.load_state(&read_tensors(&moments, &Device::Cpu).unwrap().0).unwrap();
    assert_eq!(optimizer.steps(), 2);
    for seed in 2..4 {
        step(&resumed, &mut optimizer, seed);
    }
    assert_eq!(all_values(&straight), all_values(&resumed));
}

#[test]
fn a_checkpoint_of_another_method_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("probe.safetensors");
    write_adapters(&path, &model(LinearProbe.into()), &BTreeMap::new()).unwrap();
    let error = read_adapters(&path, &model(copl())).unwrap_err();
    assert!(matches!(&error, Error::OtherModel { what, .. } if what == "method"), "{error}");
}

#[test]
fn a_damaged_checkpoint_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("probe.safetensors");
    let model = model(LinearProbe.into());
    write_adapters(&path, &model, &BTreeMap::new()).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let error = read_adapters(&path, &model).unwrap_err().to_string();
    assert!(error.contains("SHA-256"), "{error}");
    std::fs::remove_file(card_path(&path)).unwrap();
    assert!(matches!(read_adapters(&path, &model), Err(Error::Io { .. })));
}

#[test]
fn an_encoder_trained_in_full_is_loaded_like_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("encoder.safetensors");
    let trained = model(FullSettings { save_encoder: Some(path.clone()) }.into());
    let mut optimizer = adam(&trained);
    let before = values(&trained.predict(&batch(0)).unwrap().visual_features);
    step(&trained, &mut optimizer, 0);
    let after = trained.predict(&batch(0)).unwrap();
    assert_ne!(before, values(&after.visual_features));
    assert_eq!(trained.config().method.export(trained.parameters()).unwrap(), Some(path.clone()));
    let weights = Some(path.display().to_string());
    let probe = ModelConfig { visual_weights: weights, ..config(LinearProbe.into()) };
    let probe = Model::build(&probe, &Device::Cpu).unwrap();
    let found = probe.predict(&batch(0)).unwrap();
    let difference = values(&found.visual_features)
        .iter()
        .zip(values(&after.visual_features))
        .fold(0f32, |m, (a, b)| m.max((a - b).abs()));
    assert!(difference < 1e-4, "frozen and trained encoders differ by {difference}");
    assert_eq!(probe.config().method.export(probe.parameters()).unwrap(), None);
}
