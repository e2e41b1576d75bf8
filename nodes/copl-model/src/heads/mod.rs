//! Task heads: from pooled features to predictions. One file a task.

pub mod ave;
pub mod avs;
mod layers;
