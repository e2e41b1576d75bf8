//! Node `loss-metrics`: loss, its gradient with respect to every prediction, and metrics.
//!
//! A loss is a node, swappable like any: predictions and targets come in, gradients go back to the model, numbers go to
//! the report. Every clip leaves exactly one `samples` row here, trained, evaluated or quarantined, so the report's
//! counts add up to the clips read.
//!
//! - [`ave`]: cross entropy over the classes and the background, the softmax-then-BCE variant, and the consistency
//!   loss L_con (copl.md, equations 10 and 11);
//! - [`accuracy`]: segment accuracy over all segments, by class, and the confusion.

pub mod accuracy;
pub mod ave;
mod clips;
mod node;
mod report;

pub use node::{LossMetrics, LossMetricsSettings};

#[cfg(test)]
mod tests;
