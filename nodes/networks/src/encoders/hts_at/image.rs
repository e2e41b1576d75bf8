//! From a log-mel spectrogram to the image whose patches are tokens (official `reshape_wav2img`).
//!
//! Batch norm of every mel band with the running statistics of training, bicubic resizing of time to a multiple of the
//! image's side, and folding: pieces of time, each [mel, time], stand below one another.

use candle_core::{Result, Tensor};

use super::config::HtsAtConfig;
use crate::kernels::{BatchStatistics, Execution, Interpolation};
use crate::weights::Tensors;

/// Batch norm and folding.
pub(super) struct ImageMaker {
    weight: Tensor,
    bias: Tensor,
    statistics: BatchStatistics,
    columns: usize,
    folds: usize,
}

impl ImageMaker {
    pub(super) fn new(config: &HtsAtConfig, weights: &mut Tensors) -> crate::Result<Self> {
        let mut get = |name: &str| weights.take(&format!("bn0.{name}"));
        Ok(Self {
            weight: get("weight")?,
            bias: get("bias")?,
            statistics: BatchStatistics::given(&get("running_mean")?, &get("running_var")?)?,
            columns: config.columns(),
            folds: config.folds(),
        })
    }

    /// [N, frames, mels] -> [N, side, side].
    pub(super) fn image(&self, segments: &Tensor, execution: Execution) -> Result<Tensor> {
        let (count, frames, mels) = segments.dims3()?;
        let normal = execution.batch_norm(segments, &self.weight, &self.bias, &self.statistics)?;
        let normal = normal.reshape((count, frames, 1, mels))?;
        let wide = execution.resize(&normal, (self.columns, 1), Interpolation::BicubicAligned)?;
        let side = self.columns / self.folds;
        let folded = wide.reshape((count, self.folds, side, mels))?.transpose(2, 3)?;
        folded.contiguous()?.reshape((count, self.folds * mels, side))
    }
}
