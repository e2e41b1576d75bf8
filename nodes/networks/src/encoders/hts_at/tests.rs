//! The frozen encoder against the same encoder from differentiable operations; and which files and inputs it takes.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{Device, Tensor, Var};
use copl_testing::tensors::{assert_gradients, difference, tensor, values, var};

use super::*;
use crate::encoders::halves_tests::{assert_half_gradients, assert_halves, assert_no_weight_gradients};
use crate::encoders::{Architecture, Maps, PromptBias, encode, preset};
use crate::kernels::Stages;
use crate::tensor_file::write_tensors;
use crate::weights::{Init, TensorSpec};

/// Maps of side 8 in windows of 4 with a shift, then of side 4 in one window.
fn config() -> HtsAtConfig {
    HtsAtConfig {
        spec_size: 32,
        mel_bins: 8,
        frames: 101,
        patch_size: 4,
        window_size: 4,
        embed_dim: 6,
        depths: vec![2, 2],
        num_heads: vec![2, 2],
        mlp_ratio: 3.0,
    }
}

/// Lively weights: at their usual start they are too tame to show a wrong bias or norm.
fn weights(config: &HtsAtConfig) -> Tensors {
    let lively = config.tensors().into_iter().map(|spec| {
        let fan_in: usize = spec.shape.iter().skip(1).product();
        let std = if spec.shape.len() == 1 { 0.1 } else { 1.5 / (fan_in as f64).sqrt() };
        let centre = match spec.init {
            Init::Constant(value) => value,
            _ => 0.0,
        };
        let lively = TensorSpec { init: Init::Normal { std }, ..spec };
        let noise = lively.initial(3, "test", &Device::Cpu).unwrap();
        (lively.name, (noise + centre).unwrap())
    });
    lively.collect()
}

fn encoder(execution: Execution) -> HtsAt {
    HtsAt::new("test", &config(), weights(&config()), execution).unwrap()
}

fn prompts(shared: &Var, own: &Var, bias: PromptBias) -> Prompts {
    Prompts { shared: Some(shared.as_tensor().clone()), own: Some(own.as_tensor().clone()), bias }
}

#[test]
fn frozen_block_agrees_with_the_differentiable_one() {
    let (fast, plain) = (encoder(Execution::CPU), encoder(Execution::PLAIN));
    for (block, bias) in [(0, PromptBias::Zero), (1, PromptBias::Mean), (1, PromptBias::Zero), (3, PromptBias::Mean)] {
        let info = fast.blocks()[block];
        let tokens = var(&[3, info.tokens, info.width], 1);
        let (shared, own) = (var(&[3, info.width], 2), var(&[3, 2, info.width], 3));
        let weight = tensor(tokens.dims(), 9);
        for with_prompts in [true, false] {
            let run = |encoder: &HtsAt| {
                let prompts = with_prompts.then(|| prompts(&shared, &own, bias));
                let out = encoder.block(block, &tokens, prompts.as_ref()).unwrap();
                let grads = (&out * &weight).unwrap().sum_all().unwrap().backward().unwrap();
                (out, grads)
            };
            let ((a, ga), (b, gb)) = (run(&fast), run(&plain));
            assert!(difference(&a, &b) < 5e-5, "output of block {block}");
            let vars = if with_prompts { vec![&tokens, &shared, &own] } else { vec![&tokens] };
            for (index, var) in vars.into_iter().enumerate() {
                let d = difference(ga.get(var).unwrap(), gb.get(var).unwrap());
                assert!(d < 2e-4, "gradient {index} of block {block} differs by {d}");
            }
        }
    }
}

#[test]
fn forgetting_activations_changes_nothing() {
    let (fast, low) = (encoder(Execution::CPU), encoder(Execution::CPU.recomputing(Stages::ALL)));
    let (tokens, shared, own) = (var(&[2, 64, 6], 1), var(&[3, 6], 2), var(&[2, 1, 6], 3));
    let run = |encoder: &HtsAt| {
        let first = encoder.block(0, &tokens, None).unwrap();
        let out = encoder.block(1, &first, Some(&prompts(&shared, &own, PromptBias::Mean))).unwrap();
        let grads = out.sqr().unwrap().sum_all().unwrap().backward().unwrap();
        [&out, grads.get(&tokens).unwrap(), grads.get(&shared).unwrap(), grads.get(&own).unwrap()].map(values)
    };
    assert_eq!(run(&fast), run(&low));
    assert_eq!(run(&fast), run(&fast));
}

#[test]
fn frozen_gradients_are_those_of_finite_differences() {
    let encoder = encoder(Execution::CPU);
    let tokens = var(&[2, 64, 6], 1);
    let (shared, own) = (var(&[2, 6], 2), var(&[2, 1, 6], 3));
    assert_gradients(&[&tokens, &shared, &own], 10, 1e-2, || {
        let tokens = encoder.block(1, &tokens, Some(&prompts(&shared, &own, PromptBias::Mean))).unwrap();
        encoder.merge(2, &tokens).unwrap()
    });
}

#[test]
fn a_block_is_its_halves() {
    let [fast, low, plain] = [Execution::CPU, Execution::CPU.recomputing(Stages::ALL), Execution::PLAIN].map(encoder);
    for (block, tokens) in [(0, 64), (1, 64), (3, 16)] {
        assert_halves([&fast, &low, &plain], block, tokens, PromptBias::Mean);
        assert_half_gradients(&fast, block, tokens);
    }
    assert_no_weight_gradients(&plain, 1, 64);
}

#[test]
fn training_all_weights_gives_the_gradients_of_the_plain_composition() {
    let vars: Vec<(String, Var)> =
        weights(&config()).iter().map(|(name, t)| (name.to_string(), Var::from_tensor(t).unwrap())).collect();
    let segments = tensor(&[2, 1, 101, 8], 4);
    let weight = tensor(&[2, 12], 5);
    let run = |execution| {
        let tracked: Tensors = vars.iter().map(|(name, var)| (name.clone(), var.as_tensor().clone())).collect();
        let encoder = HtsAt::new("test", &config(), tracked, execution).unwrap();
        let out = encode(&encoder, &segments, Maps::None).unwrap().pooled;
        let grads = (&out * &weight).unwrap().sum_all().unwrap().backward().unwrap();
        (out, grads)
    };
    let ((a, ga), (b, gb)) = (run(Execution::CPU), run(Execution::PLAIN));
    assert!(difference(&a, &b) < 2e-5);
    for (name, var) in vars.iter().filter(|(name, _)| !name.contains("running_")) {
        let d = difference(ga.get(var).expect(name), gb.get(var).expect(name));
        assert!(d < 2e-4, "gradient of {name} differs by {d}");
    }
}

fn file(folder: &Path, tensors: BTreeMap<String, Tensor>) -> std::path::PathBuf {
    let path = folder.join("weights.safetensors");
    write_tensors(&path, &tensors, &BTreeMap::new()).unwrap();
    path
}

#[test]
fn checkpoints_are_read_with_their_prefix_and_without_and_what_is_no_weight_is_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let architecture = Architecture::new("test", config());
    let ours = weights(&config()).into_map();
    let extra = [
        "spectrogram_extractor.stft.conv_real.weight",
        "logmel_extractor.melW",
        "tscam_conv.weight",
        "head.bias",
        "bn0.num_batches_tracked",
        "layers.0.blocks.1.attn_mask",
        "layers.0.blocks.0.attn.relative_position_index",
    ];
    for prefix in ["", "sed_model."] {
        let mut stored: BTreeMap<String, Tensor> =
            ours.iter().map(|(name, t)| (format!("{prefix}{name}"), t.clone())).collect();
        stored.extend(extra.map(|name| (format!("{prefix}{name}"), tensor(&[2], 1))));
        let read = architecture.read(&file(folder.path(), stored), &Device::Cpu).unwrap().into_map();
        assert_eq!(read.keys().collect::<Vec<_>>(), ours.keys().collect::<Vec<_>>());
        assert_eq!(values(&read["bn0.running_var"]), values(&ours["bn0.running_var"]));
    }
    let mut stored = ours.clone();
    stored.insert("sed_model.norm.bias".into(), tensor(&[12], 1));
    stored.insert("layers.0.surprise".into(), tensor(&[2], 1));
    stored.remove("bn0.running_mean");
    let error = architecture.read(&file(folder.path(), stored), &Device::Cpu).unwrap_err();
    let Error::Names(mismatch) = error else { panic!("{error}") };
    assert_eq!(mismatch.missing, ["bn0.running_mean"]);
    assert_eq!(mismatch.unexpected, ["layers.0.surprise", "sed_model.norm.bias"]);
}

#[test]
fn it_takes_spectrograms_alone() {
    let published = preset("hts-at").unwrap();
    let shape = InputShape { channels: 1, height: 1001, width: 64 };
    assert_eq!(published.input(Modality::Audio).unwrap(), shape);
    assert_eq!(preset("hts-at-5s").unwrap().input(Modality::Audio).unwrap().height, 501);
    let error = published.input(Modality::Visual).unwrap_err().to_string();
    assert!(error.contains("takes no frames"), "{error}");
    let error = encoder(Execution::CPU).embed(&tensor(&[1, 1, 100, 8], 1)).unwrap_err().to_string();
    assert!(error.contains("[N, 1, 101, 8]"), "{error}");
    assert!(!encode(&encoder(Execution::CPU), &tensor(&[1, 1, 101, 8], 1), Maps::None).unwrap().pooled.track_op());
}
