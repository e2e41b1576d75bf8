//! What a task says of a batch and of a pass.

use crate::metric::Metric;

/// A batch, judged.
#[derive(Debug)]
pub(crate) struct Judged {
    /// Loss of the task, mean over the batch as its gradient is taken of.
    pub(crate) loss: f64,
    /// The part of it that is of the batch's clips together, and so in the loss of none of them; 0 where there is none.
    pub(crate) joint: f64,
    /// Its gradient with respect to every prediction of the head: values of all clips and the shape of one clip's, in
    /// the order of the columns of [`Task::gradients`], before those of the features.
    pub(crate) gradients: Vec<(Vec<f32>, Vec<usize>)>,
    /// The clips, in the order of the predictions.
    pub(crate) clips: Vec<JudgedClip>,
    /// Metrics of a training step.
    pub(crate) step: Vec<Metric>,
}

/// A clip, judged: what its `samples` row says.
#[derive(Debug)]
pub(crate) struct JudgedClip {
    pub(crate) prediction: Vec<i32>,
    pub(crate) target: Vec<i32>,
    pub(crate) score: f64,
    pub(crate) loss: f64,
}

/// Metrics of a pass over a split.
#[derive(Debug, Default)]
pub(crate) struct PassMetrics {
    pub(crate) metrics: Vec<Metric>,
    /// How many of them, from the first, a user is told at once.
    pub(crate) told: usize,
    /// The share by which the model is picked, if there is any.
    pub(crate) picked_by: Option<f64>,
}
