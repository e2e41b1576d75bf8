//! The frozen encoder against the same encoder from differentiable operations, on layouts that timm's own sizes do not
//! reach.

use candle_core::{Device, Tensor, Var};
use copl_testing::tensors::{assert_gradients, difference, tensor, values, var};

use super::*;
use crate::encoders::halves_tests::{assert_half_gradients, assert_halves, assert_no_weight_gradients};
use crate::encoders::{Maps, PromptBias, encode};
use crate::kernels::Stages;
use crate::weights::{Init, TensorSpec};

/// A small encoder with lively weights: at their usual start they are too tame to show a wrong bias or norm.
fn encoder(image_size: usize, window_size: usize, depths: &[usize], execution: Execution) -> SwinV2 {
    let config = SwinV2Config {
        image_size,
        patch_size: 2,
        window_size,
        embed_dim: 6,
        depths: depths.to_vec(),
        num_heads: depths.iter().map(|_| 2).collect(),
        mlp_ratio: 3.0,
        pretrained_window_sizes: vec![0, 4],
    };
    let lively = config.tensors().into_iter().map(|spec| {
        let fan_in: usize = spec.shape.iter().skip(1).product();
        let init = match (spec.shape.len(), spec.init) {
            (1 | 3, Init::Constant(value)) if value != 0.0 => return (spec, value),
            (1, _) => Init::Normal { std: 0.1 },
            _ => Init::Normal { std: 1.5 / (fan_in as f64).sqrt() },
        };
        (TensorSpec { init, ..spec }, 0.0)
    });
    let weights: Tensors = lively
        .map(|(spec, centre)| {
            let noise = TensorSpec { init: if centre == 0.0 { spec.init } else { Init::Normal { std: 0.1 } }, ..spec };
            let start = noise.initial(3, "test", &Device::Cpu).unwrap();
            (noise.name.clone(), (start + centre).unwrap())
        })
        .collect();
    SwinV2::new("test", &config, weights, execution).unwrap()
}

/// Compares one block's output and gradients between the two implementations.
fn compare_block(
    image_size: usize,
    window: usize,
    depths: &[usize],
    block: usize,
    counts: (usize, usize),
    bias: PromptBias,
) {
    let (fast, plain) =
        (encoder(image_size, window, depths, Execution::CPU), encoder(image_size, window, depths, Execution::PLAIN));
    let info = fast.blocks()[block];
    let images = 3;
    let tokens = var(&[images, info.tokens, info.width], 1);
    let (shared, own) = (var(&[counts.0, info.width], 2), var(&[images, counts.1, info.width], 3));
    let prompts = (counts.0 + counts.1 > 0).then(|| Prompts {
        shared: (counts.0 > 0).then(|| shared.as_tensor().clone()),
        own: (counts.1 > 0).then(|| own.as_tensor().clone()),
        bias,
    });
    let weight = tensor(tokens.dims(), 9);
    let run = |encoder: &SwinV2| {
        let out = encoder.block(block, &tokens, prompts.as_ref()).unwrap();
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
    if counts.0 > 0 {
        check("shared prompts", &shared);
    }
    if counts.1 > 0 {
        check("own prompts", &own);
    }
}

#[test]
fn frozen_block_agrees_with_the_differentiable_one() {
    use PromptBias::{Mean, Zero};
    // Maps 8 -> 4 with shift; 10 -> 5 padded to whole windows, with shift and padding in the same window.
    compare_block(16, 4, &[2, 2], 0, (3, 2), Zero);
    compare_block(16, 4, &[2, 2], 1, (3, 2), Mean);
    compare_block(16, 4, &[2, 2], 2, (0, 2), Zero);
    compare_block(16, 4, &[2, 2], 3, (3, 0), Mean);
    compare_block(20, 4, &[2, 2], 0, (2, 1), Zero);
    compare_block(20, 4, &[2, 2], 1, (2, 1), Mean);
    compare_block(20, 3, &[2, 2], 3, (0, 0), Zero);
}

#[test]
fn forgetting_activations_changes_nothing() {
    let low = Execution::CPU.recomputing("0".parse().unwrap());
    let (fast, low) = (encoder(20, 4, &[2, 2], Execution::CPU), encoder(20, 4, &[2, 2], low));
    let (tokens, shared) = (var(&[2, 100, 6], 1), var(&[3, 6], 2));
    let run = |encoder: &SwinV2| {
        let prompts = Prompts { shared: Some(shared.as_tensor().clone()), own: None, bias: PromptBias::Zero };
        let out = encoder.block(1, &encoder.block(0, &tokens, None).unwrap(), Some(&prompts)).unwrap();
        let grads = out.sqr().unwrap().sum_all().unwrap().backward().unwrap();
        [&out, grads.get(&tokens).unwrap(), grads.get(&shared).unwrap()].map(values)
    };
    assert_eq!(run(&fast), run(&low));
}

#[test]
fn frozen_block_gradients_are_those_of_finite_differences() {
    let encoder = encoder(12, 4, &[2], Execution::CPU);
    let tokens = var(&[2, 36, 6], 1);
    let (shared, own) = (var(&[2, 6], 2), var(&[2, 1, 6], 3));
    assert_gradients(&[&tokens, &shared, &own], 10, 1e-2, || {
        let prompts = Prompts {
            shared: Some(shared.as_tensor().clone()),
            own: Some(own.as_tensor().clone()),
            bias: PromptBias::Mean,
        };
        encoder.block(1, &tokens, Some(&prompts)).unwrap()
    });
}

#[test]
fn a_block_is_its_halves() {
    // With shift and padding, with shift, and in one window.
    for (size, window, block, tokens) in [(20, 4, 1, 100), (16, 4, 1, 64), (16, 4, 3, 16)] {
        let [fast, low, plain] = [Execution::CPU, Execution::CPU.recomputing(Stages::ALL), Execution::PLAIN]
            .map(|execution| encoder(size, window, &[2, 2], execution));
        assert_halves([&fast, &low, &plain], block, tokens, PromptBias::Mean);
        assert_half_gradients(&fast, block, tokens);
    }
    assert_no_weight_gradients(&encoder(16, 4, &[2, 2], Execution::PLAIN), 1, 64);
}

#[test]
fn merging_agrees_on_even_and_odd_maps() {
    for size in [16, 20, 18] {
        let (fast, plain) =
            (encoder(size, 4, &[1, 1, 1], Execution::CPU), encoder(size, 4, &[1, 1, 1], Execution::PLAIN));
        for block in 1..3 {
            let before = fast.blocks()[block - 1];
            let tokens = var(&[2, before.tokens, before.width], 1);
            let (a, b) = (fast.merge(block, &tokens).unwrap(), plain.merge(block, &tokens).unwrap());
            assert!(difference(&a, &b) < 2e-5);
            let weight = tensor(a.dims(), 5);
            let grad = |y: &Tensor| {
                let grads = (y * &weight).unwrap().sum_all().unwrap().backward().unwrap();
                grads.get(&tokens).unwrap().clone()
            };
            assert!(difference(&grad(&a), &grad(&b)) < 2e-4);
        }
    }
}

#[test]
fn training_all_weights_gives_the_gradients_of_the_plain_composition() {
    let config = encoder(16, 4, &[2, 2], Execution::CPU).config().clone();
    let weights = Tensors::initial(&config.tensors(), 1, "test", &Device::Cpu).unwrap();
    let vars: Vec<(String, Var)> =
        weights.iter().map(|(name, t)| (name.to_string(), Var::from_tensor(t).unwrap())).collect();
    let images = tensor(&[2, 3, 16, 16], 4);
    let weight = tensor(&[2, 12], 5);
    let run = |execution| {
        let tracked: Tensors = vars.iter().map(|(name, var)| (name.clone(), var.as_tensor().clone())).collect();
        let encoder = SwinV2::new("test", &config, tracked, execution).unwrap();
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
    let encoder = encoder(16, 4, &[1, 1], Execution::CPU);
    assert!(!encode(&encoder, &tensor(&[1, 3, 16, 16], 1), Maps::None).unwrap().pooled.track_op());
}

#[test]
fn images_of_another_size_are_refused() {
    let encoder = encoder(16, 4, &[1], Execution::CPU);
    let error = encoder.embed(&tensor(&[1, 3, 8, 8], 1)).unwrap_err().to_string();
    assert!(error.contains("[N, 3, 16, 16]"), "{error}");
}
