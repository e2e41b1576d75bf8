//! Dataflow files: parsed with positions, overridden, checked, and resolved to what is run.
//!
//! A dataflow is plain dora YAML. dora refuses what it does not understand without a line number, and accepts some
//! mistakes in silence; [`check::check`] finds them before anything starts.

pub mod check;
pub mod diagnostic;
pub mod document;
pub mod overrides;
pub mod resolve;
mod unclosed;

#[cfg(test)]
mod tests;
