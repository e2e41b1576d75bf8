//! Training: optimizer, learning rate schedules, checkpoints.

pub mod adam;
pub mod checkpoint;
pub mod schedule;

#[cfg(test)]
mod tests;

pub use adam::{Adam, AdamConfig};
pub use schedule::Schedule;
