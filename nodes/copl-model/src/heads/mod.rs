//! Task heads: from pooled features to predictions. One file a task.

pub mod ave;
pub mod avqa;
pub mod avs;
pub mod dropout;
mod layers;
