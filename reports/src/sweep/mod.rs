//! Sweeps: a base dataflow and lists or a grid of overrides, over seeds; a table and a figure at the end.
//!
//! A sweep's runs are ordinary runs of the store, which knows those that are done and those that were cut ([`known()`]): so a
//! sweep that was cut goes on where it stopped, and two sweeps share the runs they have in common.

mod figure;
mod file;
mod known;
mod markdown;
mod plan;
mod table;

pub use figure::figure;
pub use file::{Axis, Case, Column, SweepFile};
pub use known::{Data, Known, Wanted, known};
pub use markdown::{markdown, page};
pub use plan::{Planned, plan};
pub use table::{CaseResult, RunResult, Table, table};

#[cfg(test)]
mod tests;
