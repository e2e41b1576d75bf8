//! What a task is to the node: how its predictions are judged. A folder a task; [`crate::registry`] lists them.

use std::fmt::Debug;

use arrow::array::RecordBatch;
use copl_contract::schema::Schema;
use copl_contract::settings::Settings;
use copl_contract::{Message, Split};
use serde_yaml::Value;

use crate::judged::{Judged, PassMetrics};

/// A task as it is registered.
pub(crate) trait TaskKind: Task + Sized + 'static {
    /// Its own settings.
    type Settings: Settings;

    /// What it is called.
    const NAME: &'static str;

    /// The schema of its clips, which decides that a run is of this task.
    const CLIPS: Schema;

    /// Refuses settings that are not possible.
    ///
    /// # Errors
    /// Key and problem.
    fn check(settings: &Self::Settings) -> Result<(), (String, String)>;

    /// The task with these settings; nothing is counted yet.
    fn new(settings: &Self::Settings) -> Self;
}

/// A task at work: targets, loss, gradients, and metrics that grow with every batch of a pass.
pub(crate) trait Task: Debug {
    /// Schemas of the predictions it judges.
    fn predictions(&self) -> &'static [Schema];

    /// Schema of the gradients that answer the predictions judged last: those of the head, then of visual and audio features.
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

    /// Clips of the test split whose pictures are written, where the task has such.
    fn pictures_wanted(&self) -> usize {
        0
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
