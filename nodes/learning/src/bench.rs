//! Speed of a training step: forward, backward and optimizer of a method for a task on one preset or two, with random inputs.

use std::time::Instant;

use candle_core::{Device, Tensor};
use copl_contract::task::{self, SampleLabels, Task};
use copl_networks::Result;
use copl_networks::encoders::{self, BlockInfo, EncoderShape, LoadedEncoder};
use copl_networks::kernels::Execution;
use copl_networks::random::Stream;
use serde::Serialize;

use crate::config::ModelConfig;
use crate::methods::copl::CoplSettings;
use crate::methods::{ClipShape, MethodConfig};
use crate::model::{Batch, Model, OutputGradients};
use crate::train::{Adam, AdamConfig};

/// What to time.
#[derive(Debug, Clone)]
pub struct BenchConfig {
    /// Task, of its published sizes.
    pub task: Task,
    /// Encoder, shared by both modalities where no other is named.
    pub preset: String,
    /// Its weights: a file, or `random`.
    pub weights: String,
    /// Encoder of the spectrograms, and its weights.
    pub audio: Option<(String, String)>,
    /// Method.
    pub method: MethodConfig,
    /// Clips a batch (B).
    pub clips: usize,
    /// Spectrograms as large as frames, where the encoder takes such, so that all images of a step cost the same.
    pub same_size: bool,
    /// Segments a clip (T).
    pub segments: usize,
    /// Steps before the clock starts.
    pub warmup: usize,
    /// Steps timed.
    pub steps: usize,
    /// How it is computed, on the CPU.
    pub execution: Execution,
}

impl BenchConfig {
    /// A task with the segments of its clips.
    pub fn of(task: Task) -> Self {
        let segments = if task.samples == SampleLabels::Masks { 5 } else { 10 };
        Self { task, segments, ..Self::default() }
    }
}

impl Default for BenchConfig {
    fn default() -> Self {
        Self {
            task: task::AVE,
            preset: "swin-v2-nano".to_string(),
            weights: "random".to_string(),
            audio: None,
            method: CoplSettings::default().into(),
            clips: 1,
            same_size: false,
            segments: 10,
            warmup: 2,
            steps: 10,
            execution: Execution::CPU,
        }
    }
}

/// Medians over the timed steps, in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BenchReport {
    /// Method.
    pub method: &'static str,
    /// Encoder, or encoders.
    pub preset: String,
    /// Numbers that learn, beside the head.
    pub additional: usize,
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
    /// Most memory the process has held, in megabytes, the weights included; 0 where the system does not tell.
    pub peak_memory_mb: f64,
    /// What the frozen blocks' matrix products need forward and backward, in 10⁹ operations: linear layers and
    /// attention, without prompts, and without gradients of weights; spectrograms are counted as frames.
    pub gflop: f64,
    /// What a plain matrix product reaches here with these threads, in 10⁹ operations a second.
    pub machine_gflops: f64,
}

/// Speed of a product of two square matrices, the best of a few.
fn machine_gflops(device: &Device) -> Result<f64> {
    const SIDE: usize = 1536;
    let side = |seed| -> Result<Tensor> {
        let mut stream = Stream::new(seed, "bench");
        let numbers: Vec<f32> = (0..SIDE * SIDE).map(|_| stream.normal() as f32).collect();
        Ok(Tensor::from_vec(numbers, (SIDE, SIDE), device)?)
    };
    let (a, b) = (side(1)?, side(2)?);
    let mut best = f64::INFINITY;
    for _ in 0..8 {
        let start = Instant::now();
        a.matmul(&b)?;
        best = best.min(start.elapsed().as_secs_f64());
    }
    Ok(2.0 * (SIDE as f64).powi(3) / best / 1e9)
}

/// Times training steps.
///
/// # Errors
/// If the preset is unknown or settings do not fit together.
pub fn run(config: &BenchConfig) -> Result<BenchReport> {
    copl_contract::memory::keep();
    let device = Device::Cpu;
    let (method, segments) = (config.method.clone(), config.segments);
    let model_config = ModelConfig { method, segments, ..ModelConfig::of(config.task) };
    let machine_gflops = machine_gflops(&device)?;
    let encoder = encoders::load(&config.preset, Some(&config.weights), 0, &device)?;
    let audio = match &config.audio {
        Some((preset, weights)) => Some(encoders::load(preset, Some(weights), 0, &device)?),
        None => None,
    };
    let operations =
        |encoder: &LoadedEncoder| encoder.architecture.blocks().iter().map(BlockInfo::operations).sum::<f64>();
    let of_pair = operations(&encoder) + operations(audio.as_ref().unwrap_or(&encoder));
    let model = Model::from_encoders(&model_config, encoder, audio, config.execution, &device)?;
    let mut inputs = model.inputs();
    if config.same_size && config.audio.is_none() {
        inputs.audio = inputs.visual;
    }
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
            others: predictions.others.iter().map(|(_, t)| injected(t)).collect::<Result<_, _>>()?,
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
    let names = std::iter::once(&config.preset).chain(config.audio.iter().map(|(preset, _)| preset));
    let preset = names.map(String::as_str).collect::<Vec<_>>().join(", ");
    let threads = rayon::current_num_threads();
    Ok(BenchReport {
        method: config.method.word(),
        preset,
        additional: model.table().additional,
        images: 2 * images,
        threads,
        forward_ms,
        backward_ms,
        optimizer_ms,
        step_ms,
        predict_ms,
        peak_memory_mb: copl_contract::stats::peak_memory_bytes() as f64 / 1e6,
        gflop: 2.0 * of_pair * images as f64 / 1e9,
        machine_gflops,
    })
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(0.0)
}
