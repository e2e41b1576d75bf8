//! A finished run for other trackers: TensorBoard's event files, MLflow's folders, and the offline runs of Weights & Biases,
//! made from the tables after the run.
//!
//! Nothing is sent anywhere, and nothing of this runs while a model trains.

mod mlflow;
mod point;
mod protobuf;
mod tensorboard;
mod wandb;

pub use mlflow::mlflow;
pub use point::{Point, points};
pub use tensorboard::tensorboard;
pub use wandb::wandb;
