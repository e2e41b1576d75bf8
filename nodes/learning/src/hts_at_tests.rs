//! CoPL on a Swin-V2 with an HTS-AT of another width beside it: the frozen blocks and the plain composition learn the same.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use copl_networks::encoders::hts_at::config::HtsAtConfig;
use copl_networks::encoders::swin_v2::config::SwinV2Config;
use copl_networks::encoders::{Architecture, Granularity, LoadedEncoder, PromptBias};
use copl_networks::kernels::Execution;
use copl_networks::weights::{Init, TensorSpec, Tensors};
use copl_testing::tensors::{difference, tensor};

use crate::config::ModelConfig;
use crate::methods::copl::CoplSettings;
use crate::model::{Batch, Model, OutputGradients};

/// Maps of side 8 in windows of 4 with a shift, then of side 4 in one window.
fn hts_at() -> HtsAtConfig {
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
    let lively = Architecture::new("audio", config.clone()).tensors().into_iter().map(|spec| {
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

#[test]
fn copl_with_a_swin_v2_of_another_width_learns_the_same_either_way() {
    let visual = SwinV2Config {
        image_size: 16,
        patch_size: 4,
        window_size: 2,
        embed_dim: 8,
        depths: vec![1, 2],
        num_heads: vec![2, 2],
        mlp_ratio: 2.0,
        pretrained_window_sizes: vec![],
    };
    let fingerprint = || "test".to_string();
    for (granularity, prompt_bias) in [(Granularity::Stage, PromptBias::Zero), (Granularity::Block, PromptBias::Mean)] {
        let settings = ModelConfig {
            method: CoplSettings {
                global_len: 2,
                interaction_len: 3,
                bank_len: 4,
                granularity,
                prompt_bias,
                ..CoplSettings::default()
            }
            .into(),
            segments: 3,
            classes: 5,
            ..ModelConfig::default()
        };
        let batch = Batch {
            frames: tensor(&[2, 3, 3, 16, 16], 1),
            spectrogram: tensor(&[2, 3, 1, 101, 8], 2),
            questions: None,
            step: 0,
        };
        let run = |execution| {
            let swin = Architecture::new("visual", visual.clone());
            let random = Tensors::initial(&swin.tensors(), 1, "test", &Device::Cpu).unwrap();
            let swin = LoadedEncoder { architecture: swin, weights: random, fingerprint: fingerprint() };
            let audio = LoadedEncoder {
                architecture: Architecture::new("audio", hts_at()),
                weights: weights(&hts_at()),
                fingerprint: fingerprint(),
            };
            let model = Model::from_encoders(&settings, swin, Some(audio), execution, &Device::Cpu).unwrap();
            for (index, (_, var)) in model.parameters().vars().enumerate() {
                let lively = (tensor(var.dims(), 100 + index as u64) * 0.3).unwrap();
                var.set(&(var.as_detached_tensor() + lively).unwrap()).unwrap();
            }
            let (predictions, graph) = model.forward(&batch).unwrap();
            let gradients = graph
                .backward(&OutputGradients {
                    others: Vec::new(),
                    logits: tensor(predictions.logits.dims(), 3),
                    visual_features: Some(tensor(predictions.visual_features.dims(), 4)),
                    audio_features: Some(tensor(predictions.audio_features.dims(), 5)),
                })
                .unwrap();
            let names: Vec<String> = model.parameters().vars().map(|(name, _)| name.to_string()).collect();
            let gradients: BTreeMap<String, Tensor> =
                names.into_iter().map(|name| (name.clone(), gradients.get(&name).expect(&name).clone())).collect();
            (predictions, gradients)
        };
        let ((a, ga), (b, gb)) = (run(Execution::CPU), run(Execution::PLAIN));
        assert!(difference(&a.logits, &b.logits) < 5e-5);
        assert!(ga.contains_key("align.weight") && ga.contains_key("coupling.1.visual_to_audio.up.weight"));
        for (name, gradient) in &ga {
            let d = difference(gradient, &gb[name]);
            assert!(d < 5e-4, "gradient of {name} differs by {d}");
        }
    }
}
