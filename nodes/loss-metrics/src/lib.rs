//! Node `loss-metrics`: loss, its gradient with respect to every prediction, and metrics.
//!
//! A loss is a node, swappable like any: predictions and targets come in, gradients go back to the model, numbers go to
//! the report. Every clip leaves exactly one `samples` row here, trained, evaluated or quarantined, so the report's
//! counts add up to the clips read. The clips' schema decides the task. A task is a folder, with its settings, loss, metrics and
//! the metric it is judged by, and a line in `registry`:
//!
//! - [`ave`]: cross entropy over the classes and the background or the softmax-then-BCE variant; segment accuracy;
//! - [`avs`]: binary cross entropy on the first frame's mask; mIoU and F-score as the official code has them;
//! - [`avqa`]: cross entropy of answers and of matches; accuracy by kind of question, as the official code counts it;
//! - [`mod@consistency`]: L_con, beside the loss of every task (copl.md, equations 10 and 11).

pub mod ave;
pub mod avqa;
pub mod avs;
pub mod classification;
mod clips;
pub mod confusion;
pub mod consistency;
mod judged;
mod metric;
mod node;
pub mod parity;
mod registry;
mod report;
mod running;
mod task;

pub use node::{LossMetrics, LossMetricsSettings};
pub use registry::TaskSettings;

#[cfg(test)]
mod tests;
