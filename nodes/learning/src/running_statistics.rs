//! Running statistics of batch norms: buffers `NAME.running_mean` and `NAME.running_var` `[channels]`, as PyTorch has them.

use std::collections::BTreeMap;

use candle_core::Tensor;
use copl_networks::Result;
use copl_networks::kernels::BatchStatistics;
use copl_networks::weights::{Init, TensorSpec, Tensors};

/// How fast they follow.
const MOMENTUM: f32 = 0.1;

/// Those of the norm `name`.
pub(crate) fn specs(name: &str, channels: usize) -> [TensorSpec; 2] {
    let one = |what: &str, value| TensorSpec::new(format!("{name}.{what}"), &[channels], Init::Constant(value));
    [one("running_mean", 0.0), one("running_var", 1.0)]
}

/// The statistics to take in evaluation.
///
/// # Errors
/// If there are none of that name.
pub(crate) fn given(buffers: &Tensors, name: &str) -> Result<BatchStatistics> {
    let running = |what: &str| buffers.get(&format!("{name}.{what}"));
    Ok(BatchStatistics::given(&running("running_mean")?, &running("running_var")?)?)
}

/// Adds what they become after a batch to `updates`; the variance of a batch is the unbiased one.
///
/// # Errors
/// If there are none of that name.
pub(crate) fn follow(
    buffers: &Tensors,
    name: &str,
    batch: &BatchStatistics,
    updates: &mut BTreeMap<String, Tensor>,
) -> Result<()> {
    let unbiased = batch.rows as f32 / (batch.rows.max(2) - 1) as f32;
    let mut step = |what: &str, new: &[f32], factor: f32| -> Result<()> {
        let name = format!("{name}.{what}");
        let running = buffers.get(&name)?;
        let old = running.to_vec1::<f32>()?;
        let next: Vec<f32> =
            old.iter().zip(new).map(|(old, new)| (1.0 - MOMENTUM) * old + MOMENTUM * factor * new).collect();
        updates.insert(name, Tensor::from_vec(next, old.len(), running.device())?);
        Ok(())
    };
    step("running_mean", &batch.mean, 1.0)?;
    step("running_var", &batch.variance, unbiased)
}
