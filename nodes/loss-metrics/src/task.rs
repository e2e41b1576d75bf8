//! What a task is to the node: how its predictions are judged. One module a task; the schema of the clips decides which.

use std::fmt::Debug;

use arrow::array::RecordBatch;
use copl_contract::schema::Schema;
use copl_contract::{Message, Split};
use serde_yaml::Value;

use crate::ave::Ave;
use crate::avqa::Avqa;
use crate::avqa::loss::Weights;
use crate::avs::Avs;
use crate::node::LossMetricsSettings;
use crate::report::Metric;

/// A batch, judged.
#[derive(Debug)]
pub(crate) struct Judged {
    /// Loss of the task, mean over the batch as its gradient is taken of.
    pub(crate) loss: f64,
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

/// A task: targets, loss, gradients, and metrics that grow with every batch of a pass.
pub(crate) trait Task: Debug {
    /// Schema of the gradients it answers with: those of the head, then of visual and audio features.
    fn gradients(&self) -> Schema;

    /// Name of the metric by which the model is picked on the validation split; higher is better.
    fn metric(&self) -> &'static str;

    /// What the `samples` row of a clip shows as its target.
    fn target(&self, clip: &RecordBatch) -> Result<Vec<i32>, String>;

    /// Judges predictions of `clips`, a row each, and counts them in the metrics of the pass.
    fn judge(&mut self, predictions: &RecordBatch, clips: &[Message]) -> Result<Judged, String>;

    /// The metrics of the pass that ends; the next one begins.
    fn end_of_pass(&mut self, split: Split) -> PassMetrics;

    /// What it has counted so far, for a checkpoint.
    fn state(&self) -> serde_yaml::Result<Value>;

    /// Goes on from what [`Task::state`] gave.
    fn restore(&mut self, state: Value) -> serde_yaml::Result<()>;

    /// Rows of a table of its own for evaluated clips, where the task has such.
    fn rows(
        &self,
        _predictions: &RecordBatch,
        _clips: &[Message],
        _positions: &[u64],
    ) -> Result<Option<(Schema, RecordBatch)>, String> {
        Ok(None)
    }

    /// Rows of a table of pictures for row `row` of the predictions, where the task has such.
    fn pictures(
        &self,
        _predictions: &RecordBatch,
        _row: usize,
        _clip: &Message,
        _frames: Option<&Message>,
    ) -> Result<Option<(Schema, RecordBatch)>, String> {
        Ok(None)
    }
}

/// The task of clips with this schema.
pub(crate) fn task(clips: Schema, settings: &LossMetricsSettings) -> Result<Box<dyn Task>, String> {
    match clips {
        Schema::Clips => Ok(Box::new(Ave::new(settings.loss))),
        Schema::MaskClips => Ok(Box::new(Avs::new(settings.metric_clips))),
        Schema::QuestionClips => {
            Ok(Box::new(Avqa::new(Weights { answer: settings.answer, matching: settings.matching })))
        }
        other => Err(format!("there is no loss for `{}`", other.name())),
    }
}
