//! The frozen encoder against the same encoder from differentiable operations.

use candle_core::{Device, Var};
use copl_testing::tensors::{assert_gradients, difference, tensor, values, var};

use super::*;
use crate::encoders::halves_tests::{assert_half_gradients, assert_halves, assert_no_weight_gradients};
use crate::encoders::{Maps, PromptBias, encode};
use crate::kernels::Stages;
use crate::weights::{Init, TensorSpec};

fn config(image_size: usize) -> VitConfig {
    VitConfig { image_size, spectrogram: None, patch_size: 4, embed_dim: 12, depth: 2, num_heads: 3, mlp_ratio: 2.0 }
}

/// Lively weights: at their usual start they are too tame to show a wrong bias or norm.
fn weights(config: &VitConfig) -> Tensors {
    let lively = config.tensors().into_iter().map(|spec| {
        let centre = if spec.init == Init::Constant(1.0) { 1.0 } else { 0.0 };
        let fan_in: usize = spec.shape.iter().skip(1).product();
        let std = if spec.shape.len() == 2 { 1.5 / (fan_in as f64).sqrt() } else { 0.1 };
        let noise = TensorSpec { init: Init::Normal { std }, ..spec };
        let start = noise.initial(3, "test", &Device::Cpu).unwrap();
        (noise.name, (start + centre).unwrap())
    });
    lively.collect()
}

fn encoder(image_size: usize, execution: Execution) -> Vit {
    let config = config(image_size);
    Vit::new("test", &config, weights(&config), execution).unwrap()
}

/// Compares a block's output and gradients between the two implementations.
fn compare_block(tokens: usize, (shared, own): (usize, usize), bias: PromptBias) {
    let (fast, plain) = (encoder(16, Execution::CPU), encoder(16, Execution::PLAIN));
    let tokens = var(&[3, tokens, 12], 1);
    let (shared_prompts, own_prompts) = (var(&[shared, 12], 2), var(&[3, own, 12], 3));
    let prompts = (shared + own > 0).then(|| Prompts {
        shared: (shared > 0).then(|| shared_prompts.as_tensor().clone()),
        own: (own > 0).then(|| own_prompts.as_tensor().clone()),
        bias,
    });
    let weight = tensor(tokens.dims(), 9);
    let run = |encoder: &Vit| {
        let out = encoder.block(1, &tokens, prompts.as_ref()).unwrap();
        let grads = (&out * &weight).unwrap().sum_all().unwrap().backward().unwrap();
        (out, grads)
    };
    let ((a, ga), (b, gb)) = (run(&fast), run(&plain));
    assert!(difference(&a, &b) < 5e-5, "output");
    let check = |what: &str, v: &Var| {
        let d = difference(ga.get(v).unwrap(), gb.get(v).unwrap());
        assert!(d < 2e-4, "gradient of {what} differs by {d}");
    };
    check("tokens", &tokens);
    if shared > 0 {
        check("shared prompts", &shared_prompts);
    }
    if own > 0 {
        check("own prompts", &own_prompts);
    }
}

#[test]
fn frozen_block_agrees_with_the_differentiable_one() {
    // 17 tokens of a frame; other numbers as spectrograms have.
    compare_block(17, (3, 2), PromptBias::Zero);
    compare_block(17, (0, 0), PromptBias::Zero);
    compare_block(7, (2, 0), PromptBias::Zero);
    compare_block(40, (0, 3), PromptBias::Mean);
}

#[test]
fn forgetting_activations_changes_nothing() {
    let low = Execution::CPU.recomputing("0".parse().unwrap());
    let (fast, low) = (encoder(16, Execution::CPU), encoder(16, low));
    let (tokens, own) = (var(&[2, 17, 12], 1), var(&[2, 3, 12], 2));
    let run = |encoder: &Vit| {
        let prompts = Prompts { shared: None, own: Some(own.as_tensor().clone()), bias: PromptBias::Zero };
        let out = encoder.block(1, &encoder.block(0, &tokens, Some(&prompts)).unwrap(), None).unwrap();
        let grads = out.sqr().unwrap().sum_all().unwrap().backward().unwrap();
        [&out, grads.get(&tokens).unwrap(), grads.get(&own).unwrap()].map(values)
    };
    assert_eq!(run(&fast), run(&low));
}

#[test]
fn frozen_block_gradients_are_those_of_finite_differences() {
    let encoder = encoder(8, Execution::CPU);
    let tokens = var(&[2, 5, 12], 1);
    let (shared, own) = (var(&[2, 12], 2), var(&[2, 1, 12], 3));
    assert_gradients(&[&tokens, &shared, &own], 10, 1e-2, || {
        let prompts = Prompts {
            shared: Some(shared.as_tensor().clone()),
            own: Some(own.as_tensor().clone()),
            bias: PromptBias::Zero,
        };
        encoder.block(1, &tokens, Some(&prompts)).unwrap()
    });
}

#[test]
fn a_block_is_its_halves() {
    let [fast, low, plain] = [Execution::CPU, Execution::CPU.recomputing(Stages::ALL), Execution::PLAIN]
        .map(|execution| encoder(16, execution));
    for tokens in [17, 7] {
        assert_halves([&fast, &low, &plain], 1, tokens, PromptBias::Zero);
    }
    assert_half_gradients(&fast, 0, 5);
    assert_no_weight_gradients(&plain, 1, 17);
}

#[test]
fn spectrograms_of_any_size_are_embedded_in_whole_patches() {
    let encoder = encoder(16, Execution::CPU);
    let image = tensor(&[1, 3, 11, 8], 1);
    let tokens = encoder.embed(&image).unwrap();
    assert_eq!(tokens.dims(), [1, 1 + 2 * 2, 12]);
    let whole = encoder.embed(&image.narrow(2, 0, 8).unwrap().contiguous().unwrap()).unwrap();
    assert_eq!(values(&tokens), values(&whole), "rows that fill no patch play no part");
}

#[test]
fn training_all_weights_gives_the_gradients_of_the_plain_composition() {
    let config = config(16);
    let weights = weights(&config);
    let vars: Vec<(String, Var)> =
        weights.iter().map(|(name, t)| (name.to_string(), Var::from_tensor(t).unwrap())).collect();
    // Another number of patches than the position embeddings': they learn through the interpolation.
    let images = tensor(&[2, 3, 12, 16], 4);
    let weight = tensor(&[2, 12], 5);
    let run = |execution| {
        let tracked: Tensors = vars.iter().map(|(name, var)| (name.clone(), var.as_tensor().clone())).collect();
        let encoder = Vit::new("test", &config, tracked, execution).unwrap();
        let out = encode(&encoder, &images, Maps::None).unwrap().pooled;
        let grads = (&out * &weight).unwrap().sum_all().unwrap().backward().unwrap();
        (out, grads)
    };
    let ((a, ga), (b, gb)) = (run(Execution::CPU), run(Execution::PLAIN));
    assert!(difference(&a, &b) < 2e-5);
    for (name, var) in &vars {
        let d = difference(ga.get(var).expect(name), gb.get(var).expect(name));
        assert!(d < 2e-4, "gradient of {name} differs by {d}");
    }
}

#[test]
fn a_frozen_encoder_keeps_no_graph() {
    let encoder = encoder(16, Execution::CPU);
    assert!(!encode(&encoder, &tensor(&[1, 3, 16, 16], 1), Maps::None).unwrap().pooled.track_op());
}

#[test]
fn images_without_a_patch_are_refused() {
    let error = encoder(16, Execution::CPU).embed(&tensor(&[1, 3, 8, 3], 1)).unwrap_err().to_string();
    assert!(error.contains("at least 4"), "{error}");
}
