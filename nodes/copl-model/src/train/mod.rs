//! Training: optimizer, learning rate schedules, random streams, checkpoints.

pub mod adam;
pub mod checkpoint;
pub mod random;
pub mod schedule;

#[cfg(test)]
mod tests;

pub use adam::{Adam, AdamConfig};
pub use schedule::Schedule;
