//! How fast a feature encoder is on this machine.

use std::time::Instant;

use candle_core::{DType, Device, Tensor};
use serde::Serialize;

use super::layer::Layer;
use super::registry::FeatureArchitecture;
use super::sizes::FeatureInput;
use crate::error::Result;
use crate::random::Stream;
use crate::weights::WeightSource;

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FeatureReport {
    /// Preset of the encoder.
    pub encoder: String,
    /// The layer that was asked for.
    pub layer: String,
    /// Images, examples or texts at once.
    pub images: usize,
    /// Threads of the pool.
    pub threads: usize,
    /// Median of the passes, in milliseconds.
    pub pass_ms: f64,
    /// Bytes of the layer of an image in f32.
    pub bytes: usize,
    /// Most memory the process has held, in megabytes, the weights included; 0 where the system does not tell.
    pub peak_memory_mb: f64,
}

/// Times `passes` over `images` of random numbers, after one that is not timed.
///
/// # Errors
/// If the weights cannot be had.
pub fn measure(
    architecture: &FeatureArchitecture,
    source: &WeightSource,
    layer: &Layer,
    images: usize,
    passes: usize,
) -> Result<FeatureReport> {
    copl_contract::memory::keep();
    let encoder = architecture.build(architecture.weights(source, 0)?)?;
    let mut stream = Stream::new(0, "bench");
    let input = match architecture.input() {
        FeatureInput::Images(shape) => {
            let [channels, height, width] = shape.dims();
            let numbers: Vec<f32> = (0..images * channels * height * width).map(|_| stream.normal() as f32).collect();
            Tensor::from_vec(numbers, (images, channels, height, width), &Device::Cpu)?
        }
        FeatureInput::Words { context } => Tensor::zeros((images, context), DType::U32, &Device::Cpu)?,
    };
    let mut times: Vec<f64> = Vec::new();
    for pass in 0..=passes.max(1) {
        let start = Instant::now();
        encoder.features(&input, &[&layer.name])?;
        if pass > 0 {
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    times.sort_by(f64::total_cmp);
    Ok(FeatureReport {
        encoder: architecture.name().to_string(),
        layer: layer.name.clone(),
        images,
        threads: rayon::current_num_threads(),
        pass_ms: times[times.len() / 2],
        bytes: 4 * layer.shape.dims().iter().product::<usize>(),
        peak_memory_mb: copl_contract::stats::peak_memory_bytes() as f64 / 1e6,
    })
}
