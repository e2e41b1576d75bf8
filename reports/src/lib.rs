//! The run store, the Parquet tables of a run, and what is made of them: figures, the page, sweeps.
//!
//! A run is a folder `runs/<id>/`:
//! - `run.json` and `dataflow.yml`: what was run, with what, and how it ended ([`store`]);
//! - `metrics.parquet`, `samples.parquet`, …: one table each ([`tables`]). While the run goes on, a table is a folder of
//!   whole Parquet files, `metrics.parts/part-000001.parquet`; at the end the parts become one file ([`parts`]);
//! - checkpoints, which the model writes, and `report/`: the page and its figures.
//!
//! [`read`] gives a table as a polars frame whether the run goes on, has ended, or was killed; [`summary`] draws from the
//! tables the numbers that the command prints, [`view`] all that the page shows. [`paper`] holds the published numbers that
//! stand beside ours.

pub mod compare;
mod error;
pub mod export;
pub mod figure;
mod frame;
pub mod lead;
pub mod page;
pub mod paper;
mod parquet;
pub mod parts;
pub mod prune;
mod quote;
pub mod samples;
pub mod status;
pub mod store;
pub mod summary;
pub mod sweep;
pub mod tables;
mod time;
pub mod view;

pub use error::ReportError;
pub use parts::{TableWriter, read};
pub use status::Status;
pub use store::write_file;
pub use store::{Outcome, RunFolder, RunRecord, Store, SweepPlace};
pub use summary::{Summary, summarise};
pub use tables::{Column, ColumnType, Rows, TABLES_VERSION, Table, Values};
