//! Speed of a training step: forward, backward and optimizer of CoPL on one preset, with random weights and inputs.

use std::time::Instant;

use candle_core::{Device, Tensor};
use serde::Serialize;

use crate::config::{MethodKind, ModelConfig};
use crate::encoders;
use crate::error::Result;
use crate::kernels::Execution;
use crate::methods::ClipShape;
use crate::model::{Batch, Model, OutputGradients};
use crate::train::random::Stream;
use crate::train::{Adam, AdamConfig};

/// What to time.
#[derive(Debug, Clone)]
pub struct BenchConfig {
    /// Encoder, shared by both modalities.
    pub preset: String,
    /// Method.
    pub method: MethodKind,
    /// Clips a batch (B).
    pub clips: usize,
    /// Segments a clip (T).
    pub segments: usize,
    /// Steps before the clock starts.
    pub warmup: usize,
    /// Steps timed.
    pub steps: usize,
    /// Plain tensor operations instead of kernels, for comparison.
    pub execution: Execution,
}

impl Default for BenchConfig {
    fn default() -> Self {
        Self {
            preset: "swin-v2-nano".to_string(),
            method: MethodKind::Copl,
            clips: 1,
            segments: 10,
            warmup: 2,
            steps: 10,
            execution: Execution::Fast,
        }
    }
}

/// Medians over the timed steps, in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BenchReport {
    /// Encoder.
    pub preset: String,
    /// Images a step, both modalities together.
    pub images: usize,
    /// Threads of the pool.
    pub threads: usize,
    /// Forward pass with what backward needs.
    pub forward_ms: f64,
    /// Backward pass.
    pub backward_ms: f64,
    /// Optimizer step.
    pub optimizer_ms: f64,
    /// The three together.
    pub step_ms: f64,
    /// Forward pass of an evaluation.
    pub predict_ms: f64,
}

/// Times training steps.
///
/// # Errors
/// If the preset is unknown or settings do not fit together.
pub fn run(config: &BenchConfig) -> Result<BenchReport> {
    let device = Device::Cpu;
    let model_config = ModelConfig { method: config.method, segments: config.segments, ..ModelConfig::default() };
    let encoder = encoders::load(&config.preset, Some("random"), 0, &device)?;
    let model = Model::from_encoders(&model_config, encoder, None, config.execution, &device)?;
    let inputs = model.inputs();
    let mut stream = Stream::new(0, "bench");
    let mut numbers = |count: usize| -> Vec<f32> { (0..count).map(|_| stream.normal() as f32).collect() };
    let images = config.clips * config.segments;
    let shape = ClipShape { clips: config.clips, segments: config.segments };
    let pixels = inputs.visual.dims().iter().product::<usize>();
    let (frames, spectrogram) = (numbers(images * pixels), numbers(images * inputs.audio.height * inputs.audio.width));
    let batch = Batch::from_slices(&frames, &spectrogram, shape, inputs, &device)?;
    let mut adam = Adam::new(AdamConfig::default(), model.parameters())?;
    let mut times: [Vec<f64>; 5] = Default::default();
    for step in 0..config.warmup + config.steps {
        let start = Instant::now();
        let (predictions, graph) = model.forward(&batch)?;
        let forward = start.elapsed();
        let injected = |t: &Tensor| t.affine(1e-3, 0.0);
        let gradients = OutputGradients {
            logits: injected(&predictions.logits)?,
            visual_features: Some(injected(&predictions.visual_features)?),
            audio_features: Some(injected(&predictions.audio_features)?),
        };
        let gradients = graph.backward(&gradients)?;
        let backward = start.elapsed();
        adam.step(model.parameters(), &gradients, 0)?;
        let all = start.elapsed();
        model.predict(&batch)?;
        let predict = start.elapsed() - all;
        if step >= config.warmup {
            let parts = [forward, backward - forward, all - backward, all, predict];
            for (times, part) in times.iter_mut().zip(parts) {
                times.push(part.as_secs_f64() * 1e3);
            }
        }
    }
    let [forward_ms, backward_ms, optimizer_ms, step_ms, predict_ms] = times.map(median);
    let preset = config.preset.clone();
    let threads = rayon::current_num_threads();
    Ok(BenchReport { preset, images: 2 * images, threads, forward_ms, backward_ms, optimizer_ms, step_ms, predict_ms })
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(0.0)
}
