//! Comparison with reference results: a fixture file holds weights, inputs, and what PyTorch made of them.
//!
//! A fixture is a safetensors file whose metadata key `config` is JSON: kind, encoder sizes, settings. Two kinds are
//! run here: `backbone` (tokens after every block) and `copl` (predictions, loss, every gradient, five optimizer
//! steps). Tensors are named `backbone.*`, `audio_backbone.*`, `param.*`, `input.*`, `expect.*`, `grad.*`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::config::{CoplConfig, FramePrompts, Granularity, HeadKind, MethodKind, ModelConfig, PromptBias};
use crate::encoders::swin_v2::config::SwinV2Config;
use crate::encoders::{Architecture, LoadedEncoder};
use crate::error::{Error, Result, bad_file};
use crate::kernels::Execution;
use crate::loss::{Loss, event_loss};
use crate::model::{Batch, Graph, Model, OutputGradients, Predictions};
use crate::train::checkpoint::read_tensors;
use crate::train::{Adam, AdamConfig};
use crate::weights::{Tensors, check_names};

/// Largest difference of activations, relative to the larger of 1 and the largest expected number.
const ACTIVATION_TOLERANCE: f64 = 1e-4;
/// Largest 2-norm of a gradient's difference, relative to the expected gradient's.
const GRADIENT_TOLERANCE: f64 = 1e-3;
/// Largest difference of the losses after optimizer steps.
const LOSS_TOLERANCE: f64 = 1e-3;

/// What is compared, and so by which measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// Largest difference, relative to the larger of 1 and the largest expected number.
    Activation,
    /// Relative 2-norm of the difference.
    Gradient,
    /// Largest difference of losses.
    Loss,
}

/// One compared tensor.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ParityRow {
    /// Its name in the fixture.
    pub name: String,
    /// How it is judged.
    pub measure: Measure,
    /// Largest absolute difference.
    pub max_abs: f64,
    /// 2-norm of the difference over that of the expected tensor.
    pub rel_norm: f64,
    /// What the judged number may be at most.
    pub tolerance: f64,
    /// True if it is.
    pub passed: bool,
}

/// Every compared tensor of a fixture.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ParityReport {
    /// The fixture.
    pub path: PathBuf,
    /// Its kind.
    pub kind: String,
    /// The comparisons.
    pub rows: Vec<ParityRow>,
}

impl ParityReport {
    /// True if every tensor is within its tolerance.
    pub fn passed(&self) -> bool {
        !self.rows.is_empty() && self.rows.iter().all(|row| row.passed)
    }

    fn compare(&mut self, name: &str, measure: Measure, found: &Tensor, expected: &Tensor) -> Result<()> {
        let read = |t: &Tensor| -> Result<Vec<f32>> { Ok(t.flatten_all()?.to_vec1()?) };
        let (a, b) = (read(found)?, read(expected)?);
        if a.len() != b.len() {
            return Err(Error::Shape {
                what: name.to_string(),
                found: found.dims().to_vec(),
                expected: format!("{:?}", expected.dims()),
            });
        }
        let (mut max_abs, mut difference, mut norm, mut largest) = (0f64, 0f64, 0f64, 0f64);
        for (a, b) in a.iter().zip(&b) {
            let (d, b) = (f64::from(a - b), f64::from(*b));
            max_abs = if d.is_nan() { f64::NAN } else { max_abs.max(d.abs()) };
            difference += d * d;
            norm += b * b;
            largest = largest.max(b.abs());
        }
        // A tensor of zeros, as the gradient of what plays no part, is compared absolutely.
        let rel_norm = if norm > 0.0 { (difference / norm).sqrt() } else { difference.sqrt() };
        let (judged, tolerance) = match measure {
            Measure::Activation => (max_abs, ACTIVATION_TOLERANCE * largest.max(1.0)),
            Measure::Gradient => (rel_norm, GRADIENT_TOLERANCE),
            Measure::Loss => (max_abs, LOSS_TOLERANCE * largest.max(1.0)),
        };
        let passed = judged <= tolerance;
        self.rows.push(ParityRow { name: name.to_string(), measure, max_abs, rel_norm, tolerance, passed });
        Ok(())
    }
}

#[derive(Deserialize)]
struct FixtureConfig {
    kind: String,
    backbone: Option<serde_json::Value>,
    audio_backbone: Option<serde_json::Value>,
    copl: Option<ReferenceConfig>,
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

#[derive(Deserialize)]
struct ReferenceAdam {
    lr_prompts: f64,
    lr_head: f64,
    beta1: f64,
    beta2: f64,
    eps: f64,
}

/// A fixture in memory.
struct Fixture {
    path: PathBuf,
    tensors: BTreeMap<String, Tensor>,
}

impl Fixture {
    fn get(&self, name: &str) -> Result<&Tensor> {
        self.tensors.get(name).ok_or_else(|| Error::BadFile {
            path: self.path.clone(),
            reason: format!("the fixture has no tensor '{name}'"),
        })
    }

    /// The tensors behind a prefix, under their names without it.
    fn under(&self, prefix: &str) -> BTreeMap<String, Tensor> {
        let all = self.tensors.iter();
        all.filter_map(|(name, tensor)| Some((name.strip_prefix(prefix)?.to_string(), tensor.clone()))).collect()
    }

    fn encoder(&self, prefix: &str, sizes: &serde_json::Value) -> Result<LoadedEncoder> {
        let arch = sizes.get("arch").and_then(serde_json::Value::as_str).unwrap_or("none");
        if arch != "swin-v2" {
            return Err(Error::Unsupported(format!("a fixture of encoder '{arch}'")));
        }
        let config: SwinV2Config = serde_json::from_value(sizes.clone()).map_err(bad_file(&self.path))?;
        let architecture = Architecture::swin_v2("swin-v2", config);
        let weights: Tensors =
            self.under(prefix).into_iter().filter(|(name, _)| !SwinV2Config::is_ignored(name)).collect();
        let origin = format!("{} ({prefix}*)", self.path.display());
        check_names(&origin, weights.iter().map(|(name, t)| (name, t.dims())), &architecture.tensors())?;
        Ok(LoadedEncoder { architecture, weights, fingerprint: "fixture".to_string() })
    }
}

/// Runs a fixture and compares everything it expects.
///
/// # Errors
/// If the file is no fixture, or of a kind or encoder this program does not have.
pub fn run(path: &Path) -> Result<ParityReport> {
    run_with(path, Execution::Fast)
}

/// [`run`] with a choice of implementation.
///
/// # Errors
/// As [`run`].
pub fn run_with(path: &Path, execution: Execution) -> Result<ParityReport> {
    let (tensors, metadata) = read_tensors(path, &Device::Cpu)?;
    let text = metadata.get("config").ok_or_else(|| Error::BadFile {
        path: path.to_path_buf(),
        reason: "no fixture: its metadata has no 'config'".to_string(),
    })?;
    let config: FixtureConfig = serde_json::from_str(text).map_err(bad_file(path))?;
    let fixture = Fixture { path: path.to_path_buf(), tensors };
    let mut report = ParityReport { path: path.to_path_buf(), kind: config.kind.clone(), rows: Vec::new() };
    let Some(sizes) = &config.backbone else {
        return Err(Error::Unsupported(format!("a fixture of kind '{}'", config.kind)));
    };
    match (config.kind.as_str(), &config.copl) {
        ("backbone", _) => backbone(&fixture, sizes, execution, &mut report)?,
        ("copl", Some(settings)) => copl(&fixture, sizes, &config, settings, execution, &mut report)?,
        (kind, _) => return Err(Error::Unsupported(format!("a fixture of kind '{kind}'"))),
    }
    Ok(report)
}

/// Tokens after the embedding, every block, the final norm, and the pooled feature.
fn backbone(
    fixture: &Fixture,
    sizes: &serde_json::Value,
    execution: Execution,
    report: &mut ParityReport,
) -> Result<()> {
    let loaded = fixture.encoder("backbone.", sizes)?;
    let encoder = loaded.architecture.build(loaded.weights, execution)?;
    let mut check = |name: &str, found: &Tensor| report.compare(name, Measure::Activation, found, fixture.get(name)?);
    let mut tokens = encoder.embed(fixture.get("input.images")?)?;
    check("expect.embed", &tokens)?;
    for block in 0..encoder.blocks().len() {
        tokens = encoder.block(block, &encoder.merge(block, &tokens)?, None)?;
        check(&format!("expect.block.{block}"), &tokens)?;
    }
    let tokens = encoder.finish(&tokens)?;
    check("expect.final", &tokens)?;
    check("expect.pooled", &encoder.pool(&tokens)?)
}

/// Predictions, loss, gradients, and optimizer steps of the method.
fn copl(
    fixture: &Fixture,
    sizes: &serde_json::Value,
    config: &FixtureConfig,
    settings: &ReferenceConfig,
    execution: Execution,
    report: &mut ParityReport,
) -> Result<()> {
    let visual = fixture.encoder("backbone.", sizes)?;
    let audio = match &config.audio_backbone {
        Some(sizes) => Some(fixture.encoder("audio_backbone.", sizes)?),
        None => None,
    };
    let model = Model::from_encoders(&model_config(settings), visual, audio, execution, &Device::Cpu)?;
    model.parameters().load(&format!("{} (param.*)", fixture.path.display()), &fixture.under("param."))?;
    let batch =
        Batch { frames: fixture.get("input.frames")?.clone(), spectrogram: fixture.get("input.spectrogram")?.clone() };
    let labels: Vec<u32> = fixture.get("input.labels")?.flatten_all()?.to_dtype(candle_core::DType::U32)?.to_vec1()?;

    let (predictions, graph) = model.forward(&batch)?;
    let loss = loss_of(&predictions, &labels, settings.consistency)?;
    let scalar = |x: f64| Tensor::new(x as f32, &Device::Cpu);
    let mut check = |name: &str, found: &Tensor| match fixture.tensors.get(name) {
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
    let (Some(adam), Some(expected)) = (&config.adam, fixture.tensors.get("expect.losses")) else { return Ok(()) };
    let mut optimizer = Adam::new(
        AdamConfig {
            lr_prompts: adam.lr_prompts,
            lr_head: adam.lr_head,
            beta1: adam.beta1,
            beta2: adam.beta2,
            eps: adam.eps,
            ..AdamConfig::default()
        },
        model.parameters(),
    )?;
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
        method: MethodKind::Copl,
        copl: CoplConfig {
            global_len: settings.global_len,
            interaction_len: settings.interaction_len,
            bank_len: settings.bank,
            coupled_sites: settings.coupled_sites,
            granularity: settings.granularity,
            prompt_bias: settings.prompt_bias,
            frame_prompts: FramePrompts::Own,
            bottleneck: settings.bottleneck,
            ..CoplConfig::default()
        },
        segments: settings.frames,
        classes: settings.classes,
        head: HeadKind::Linear,
        consistency: true,
        ..ModelConfig::default()
    }
}

fn loss_of(predictions: &Predictions, labels: &[u32], weight: f64) -> Result<Loss> {
    let read = |t: &Tensor| -> Result<Vec<f32>> { Ok(t.flatten_all()?.to_vec1()?) };
    let (visual, audio) = (read(&predictions.visual_features)?, read(&predictions.audio_features)?);
    Ok(event_loss(&read(&predictions.logits)?, labels, &visual, &audio, weight))
}

fn backward(graph: Graph, predictions: &Predictions, loss: &Loss) -> Result<crate::parameters::Gradients> {
    let like =
        |values: &[f32], of: &Tensor| -> Result<Tensor> { Ok(Tensor::from_slice(values, of.shape(), of.device())?) };
    graph.backward(&OutputGradients {
        logits: like(&loss.logits, &predictions.logits)?,
        visual_features: Some(like(&loss.visual, &predictions.visual_features)?),
        audio_features: Some(like(&loss.audio, &predictions.audio_features)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_parity(name: &str, execution: Execution) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(name);
        let report = run_with(&path, execution).unwrap();
        for row in report.rows.iter().filter(|row| !row.passed) {
            eprintln!(
                "{}: max {:.2e}, relative {:.2e}, allowed {:.0e}",
                row.name, row.max_abs, row.rel_norm, row.tolerance
            );
        }
        assert!(report.passed(), "{name} with {execution:?}");
    }

    #[test]
    fn backbone_is_that_of_timm() {
        assert_parity("swin_v2_tiny.safetensors", Execution::Plain);
        assert_parity("swin_v2_tiny.safetensors", Execution::Fast);
    }

    #[test]
    fn copl_is_that_of_the_reference_with_one_encoder() {
        assert_parity("copl_swin_v2_shared_stage.safetensors", Execution::Plain);
        assert_parity("copl_swin_v2_shared_stage.safetensors", Execution::Fast);
    }

    #[test]
    fn copl_is_that_of_the_reference_by_blocks_with_mean_bias() {
        assert_parity("copl_swin_v2_shared_block_meanbias.safetensors", Execution::Plain);
        assert_parity("copl_swin_v2_shared_block_meanbias.safetensors", Execution::Fast);
    }

    #[test]
    fn copl_is_that_of_the_reference_with_two_encoders() {
        assert_parity("copl_swin_v2_unshared.safetensors", Execution::Plain);
        assert_parity("copl_swin_v2_unshared.safetensors", Execution::Fast);
    }
}
