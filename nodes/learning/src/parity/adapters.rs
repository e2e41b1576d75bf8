//! Fixtures of kind `lavish` and `dg-sct`: predictions, loss, features, tokens behind the visual blocks, every gradient,
//! running statistics after a step, predictions with the given ones, and optimizer steps.
//!
//! Gradients may differ by a thousandth of their own norm and a hundred-thousandth of all gradients' together: many lie below
//! the rounding of their neighbours, and a plain relative rule fails PyTorch's own single precision. (`expect.bce_loss`, of a
//! loss that this program has not, is not compared.)

use candle_core::{Device, Tensor};
use copl_contract::settings::Env;
use copl_contract::task;
use copl_networks::encoders::{EncoderShape, Maps};
use copl_networks::kernels::Execution;
use copl_networks::{Error, Result};
use serde::Deserialize;

use super::fixture::{Fixture, ReferenceAdam};
use super::{Measure, ParityReport};
use crate::config::ModelConfig;
use crate::loss::{Loss, event_loss};
use crate::methods::MethodConfig;
use crate::model::{Graph, Model, OutputGradients, Predictions};
use crate::parameters::Gradients;
use crate::train::Adam;

/// Of all gradients together, what one may differ by beside its own part.
const OF_ALL: f64 = 1e-5;

#[derive(Deserialize)]
struct Config {
    backbone: serde_json::Value,
    audio_backbone: Option<serde_json::Value>,
    adapter: ReferenceConfig,
    adam: ReferenceAdam,
}

/// The reference implementation's settings, in its words.
#[derive(Deserialize)]
struct ReferenceConfig {
    frames: usize,
    classes: usize,
    latents: usize,
    reduction: usize,
    groups: usize,
    batch_norm: bool,
    norm_before: bool,
    norm_after: bool,
    audio_gate: bool,
    gate_first: bool,
    align: String,
    channel_weight: f64,
    spatial_weight: f64,
}

/// Runs the method `word` on its encoders, and its optimizer.
pub(super) fn compare(fixture: &Fixture, word: &str, execution: Execution, report: &mut ParityReport) -> Result<()> {
    let config: Config = fixture.config()?;
    let visual = fixture.encoder("backbone.", &config.backbone)?;
    let audio = match &config.audio_backbone {
        Some(sizes) => Some(fixture.encoder("audio_backbone.", sizes)?),
        None => None,
    };
    let blocks = visual.architecture.blocks().len();
    let model = Model::from_encoders(&model_config(word, &config.adapter)?, visual, audio, execution, &Device::Cpu)?;
    model.parameters().load(&format!("{} (param.*)", fixture.origin()), &fixture.under("param."))?;
    let (batch, labels) = fixture.events()?;
    let scalar = |x: f64| Tensor::new(x as f32, &Device::Cpu);
    let mut check = |name: &str, found: &Tensor| match fixture.find(name) {
        Some(expected) => report.compare(name, Measure::Activation, found, expected),
        None => Ok(()),
    };
    // With the running statistics as they are given, before a step changes them.
    let evaluated = model.predict(&batch)?;
    check("expect.eval.logits", &evaluated.logits)?;
    check("expect.eval.loss", &scalar(loss_of(&evaluated, &labels)?.total)?)?;
    let features = model.features_as(&batch, Maps::Blocks, true)?;
    check("expect.visual_features", &features.visual)?;
    check("expect.audio_features", &features.audio)?;
    // The last of them is behind the final norm.
    for (block, tokens) in features.maps.iter().enumerate().take(blocks - 1) {
        check(&format!("expect.visual.block.{block}"), tokens)?;
    }
    let (predictions, graph) = model.forward(&batch)?;
    let loss = loss_of(&predictions, &labels)?;
    check("expect.logits", &predictions.logits)?;
    check("expect.loss", &scalar(loss.total)?)?;
    let now = model.parameters().buffers();
    for (name, expected) in fixture.under("expect.buffer.") {
        report.compare(&format!("expect.buffer.{name}"), Measure::Activation, &now.get(&name)?, &expected)?;
    }
    let mut gradients = backward(graph, &predictions, &loss)?;
    let all = fixture.under("grad.");
    let squares = all.values().map(|g| Ok(g.sqr()?.sum_all()?.to_scalar::<f32>()?)).collect::<Result<Vec<_>>>()?;
    let floor = OF_ALL * squares.into_iter().map(f64::from).sum::<f64>().sqrt();
    for (name, expected) in all {
        let found = match gradients.get(&name) {
            Some(found) => found.clone(),
            None => expected.zeros_like()?,
        };
        report.compare_gradient(&format!("grad.{name}"), &found, &expected, floor)?;
    }
    let Some(expected) = fixture.find("expect.losses") else { return Ok(()) };
    let mut optimizer = Adam::new(config.adam.settings(), model.parameters())?;
    let mut losses = vec![loss.total as f32];
    for _ in 1..expected.elem_count() {
        optimizer.step(model.parameters(), &gradients, 0)?;
        let (predictions, graph) = model.forward(&batch)?;
        let loss = loss_of(&predictions, &labels)?;
        losses.push(loss.total as f32);
        gradients = backward(graph, &predictions, &loss)?;
    }
    let losses = Tensor::from_vec(losses, expected.elem_count(), &Device::Cpu)?;
    report.compare("expect.losses", Measure::Loss, &losses, expected)
}

fn model_config(word: &str, settings: &ReferenceConfig) -> Result<ModelConfig> {
    let order = if settings.gate_first { "before-norm" } else { "after-norm" };
    let mut env: Env = [
        ("LATENTS", settings.latents.to_string()),
        ("REDUCTION", settings.reduction.to_string()),
        ("GROUPS", settings.groups.to_string()),
        ("BATCH_NORM", settings.batch_norm.to_string()),
        ("NORM_BEFORE", settings.norm_before.to_string()),
        ("NORM_AFTER", settings.norm_after.to_string()),
        ("AUDIO_GATE", settings.audio_gate.to_string()),
        ("GATE_ORDER", order.to_string()),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_string(), value))
    .collect();
    if word == "dg-sct" {
        let align = if settings.align == "tokens" { "learned" } else { settings.align.as_str() };
        env.insert("TOKEN_ALIGN".to_string(), align.to_string());
        env.insert("CHANNEL_WEIGHT".to_string(), settings.channel_weight.to_string());
        env.insert("SPATIAL_WEIGHT".to_string(), settings.spatial_weight.to_string());
    }
    let method = MethodConfig::read(word, task::AVE, &env)
        .map_err(|(key, problem)| Error::Config(format!("the fixture's {key}: {problem}")))?;
    Ok(ModelConfig { method, segments: settings.frames, classes: settings.classes, ..ModelConfig::default() })
}

fn loss_of(predictions: &Predictions, labels: &[u32]) -> Result<Loss> {
    Ok(event_loss(&predictions.logits.flatten_all()?.to_vec1::<f32>()?, labels, &[], &[], 0.0))
}

fn backward(graph: Graph, predictions: &Predictions, loss: &Loss) -> Result<Gradients> {
    let logits = Tensor::from_slice(&loss.logits, predictions.logits.shape(), predictions.logits.device())?;
    graph.backward(&OutputGradients { others: Vec::new(), logits, visual_features: None, audio_features: None })
}
