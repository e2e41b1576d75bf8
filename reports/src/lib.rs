//! The run store and the Parquet tables of a run.
//!
//! A run is a folder `runs/<id>/`:
//! - `run.json` and `dataflow.yml`: what was run, with what, and how it ended ([`store`]);
//! - `metrics.parquet`, `samples.parquet`, …: one table each ([`tables`]). While the run goes on, a table is a folder of
//!   whole Parquet files, `metrics.parts/part-000001.parquet`; at the end the parts become one file ([`parts`]);
//! - checkpoints and figures, which other crates write.
//!
//! [`read`] gives a table as a polars frame whether the run goes on, has ended, or was killed; [`summary`] draws from the
//! tables the numbers that the command prints.

mod error;
mod parquet;
pub mod parts;
pub mod store;
pub mod summary;
pub mod tables;
mod time;

pub use error::ReportError;
pub use parts::{TableWriter, read};
pub use store::{Outcome, RunFolder, RunRecord, Store};

pub use summary::{Summary, summarise};
pub use tables::{Column, ColumnKind, Rows, TABLES_VERSION, Table, Values};
