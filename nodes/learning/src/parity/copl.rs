//! Fixtures of kind `copl`: predictions, loss, every gradient, and optimizer steps of the method.

use candle_core::{Device, Tensor};
use copl_networks::Result;
use copl_networks::encoders::{Granularity, PromptBias};
use copl_networks::kernels::Execution;
use serde::Deserialize;

use super::fixture::{Fixture, ReferenceAdam};
use super::{Measure, ParityReport};
use crate::config::ModelConfig;
use crate::loss::{Loss, event_loss};
use crate::methods::copl::CoplSettings;
use crate::model::{Graph, Model, OutputGradients, Predictions};
use crate::parameters::Gradients;
use crate::train::Adam;

#[derive(Deserialize)]
struct Config {
    backbone: serde_json::Value,
    audio_backbone: Option<serde_json::Value>,
    copl: ReferenceConfig,
    adam: Option<ReferenceAdam>,
}

/// The reference implementation's settings, in its words.
#[derive(Deserialize)]
struct ReferenceConfig {
    frames: usize,
    global_len: usize,
    interaction_len: usize,
    bank: usize,
    coupled_sites: usize,
    granularity: Granularity,
    prompt_bias: PromptBias,
    bottleneck: usize,
    classes: usize,
    consistency: f64,
}

/// Runs the method on its encoders, and its optimizer.
pub(super) fn compare(fixture: &Fixture, execution: Execution, report: &mut ParityReport) -> Result<()> {
    let config: Config = fixture.config()?;
    let settings = &config.copl;
    let visual = fixture.encoder("backbone.", &config.backbone)?;
    let audio = match &config.audio_backbone {
        Some(sizes) => Some(fixture.encoder("audio_backbone.", sizes)?),
        None => None,
    };
    let model = Model::from_encoders(&model_config(settings), visual, audio, execution, &Device::Cpu)?;
    model.parameters().load(&format!("{} (param.*)", fixture.origin()), &fixture.under("param."))?;
    let (batch, labels) = fixture.events()?;

    let (predictions, graph) = model.forward(&batch)?;
    let loss = loss_of(&predictions, &labels, settings.consistency)?;
    let scalar = |x: f64| Tensor::new(x as f32, &Device::Cpu);
    let mut check = |name: &str, found: &Tensor| match fixture.find(name) {
        Some(expected) => report.compare(name, Measure::Activation, found, expected),
        None => Ok(()),
    };
    check("expect.visual_features", &predictions.visual_features)?;
    // The reference stores audio features before they are aligned.
    check("expect.audio_features", &model.features(&batch)?.audio)?;
    check("expect.logits", &predictions.logits)?;
    check("expect.consistency", &scalar(loss.consistency)?)?;
    check("expect.loss", &scalar(loss.total)?)?;
    let mut gradients = backward(graph, &predictions, &loss)?;
    for (name, expected) in fixture.under("grad.") {
        let found = match gradients.get(&name) {
            Some(found) => found.clone(),
            None => expected.zeros_like()?,
        };
        report.compare(&format!("grad.{name}"), Measure::Gradient, &found, &expected)?;
    }
    let (Some(adam), Some(expected)) = (&config.adam, fixture.find("expect.losses")) else { return Ok(()) };
    let mut optimizer = Adam::new(adam.settings(), model.parameters())?;
    let mut losses = vec![loss.total as f32];
    for _ in 1..expected.elem_count() {
        optimizer.step(model.parameters(), &gradients, 0)?;
        let (predictions, graph) = model.forward(&batch)?;
        let loss = loss_of(&predictions, &labels, settings.consistency)?;
        losses.push(loss.total as f32);
        gradients = backward(graph, &predictions, &loss)?;
    }
    let losses = Tensor::from_vec(losses, expected.elem_count(), &Device::Cpu)?;
    report.compare("expect.losses", Measure::Loss, &losses, expected)
}

fn model_config(settings: &ReferenceConfig) -> ModelConfig {
    ModelConfig {
        method: CoplSettings {
            global_len: settings.global_len,
            interaction_len: settings.interaction_len,
            bank_len: settings.bank,
            coupled_sites: Some(settings.coupled_sites),
            granularity: settings.granularity,
            prompt_bias: settings.prompt_bias,
            bottleneck: settings.bottleneck,
            ..CoplSettings::default()
        }
        .into(),
        segments: settings.frames,
        classes: settings.classes,
        consistency: true,
        ..ModelConfig::default()
    }
}

fn loss_of(predictions: &Predictions, labels: &[u32], weight: f64) -> Result<Loss> {
    let read = |t: &Tensor| -> Result<Vec<f32>> { Ok(t.flatten_all()?.to_vec1()?) };
    let (visual, audio) = (read(&predictions.visual_features)?, read(&predictions.audio_features)?);
    Ok(event_loss(&read(&predictions.logits)?, labels, &visual, &audio, weight))
}

fn backward(graph: Graph, predictions: &Predictions, loss: &Loss) -> Result<Gradients> {
    let like =
        |values: &[f32], of: &Tensor| -> Result<Tensor> { Ok(Tensor::from_slice(values, of.shape(), of.device())?) };
    graph.backward(&OutputGradients {
        others: Vec::new(),
        logits: like(&loss.logits, &predictions.logits)?,
        visual_features: Some(like(&loss.visual, &predictions.visual_features)?),
        audio_features: Some(like(&loss.audio, &predictions.audio_features)?),
    })
}
