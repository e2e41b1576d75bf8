//! What the tests of several crates share; no program links it.
//!
//! - [`mutate`]: bytes and texts changed as a fuzzer changes them, always the same ones;
//! - [`disk`]: a file system of a few megabytes, to be filled up;
//! - [`kill`]: a process that writes until it is killed;
//! - [`tensors`]: reproducible tensors, and finite differences.

pub mod disk;
pub mod kill;
pub mod mutate;
pub mod tensors;
