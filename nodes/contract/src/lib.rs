//! What crosses an edge, and the runtime every node stands on.
//!
//! A dataflow is a graph of processes; they meet on edges only. This crate fixes what an edge carries, and knows none of
//! the nodes:
//! - [`header`]: who sent a message, where it belongs (epoch, split, clip) and its place in the stream;
//! - [`schema`]: the Arrow schema of every edge we ship, versioned by [`CONTRACT_VERSION`];
//! - [`names`]: names of metrics, which have parts;
//! - [`message`]: a message as a node gets it;
//! - [`memory`]: what a process keeps of what it gave back;
//! - [`own_time`]: deadlines that forgive a pause of the process itself;
//! - [`payload`]: the rows of a message, checked before anything reads them;
//! - [`tensor`]: tensors as Arrow columns (`arrow.fixed_shape_tensor`);
//! - [`mod@settings`]: a node's settings, typed, with defaults and meanings, read from the `env:` map of the dataflow;
//! - [`task`]: what is asked of a clip, with its schemas;
//! - [`setting_choice`]: settings that another setting chooses; [`setting_group`]: settings of one case of the data;
//! - [`spec`]: the description of a node that `copl nodes`, `copl check` and the docs are generated from;
//! - [`edges`]: receiving and sending with gap, duplicate and schema checks, end of stream and back-pressure;
//! - [`checkpoint`]: what a run that was cut goes on from;
//! - [`credits`]: the bounded window of clips in flight;
//! - [`events`]: what a node tells the command while it runs (progress, notes, heartbeat);
//! - [`testing`]: a harness that runs a node against recorded messages, without a daemon;
//! - [`error`]: why a node stops, and the documented exit codes.
//!
//! The written form, for nodes in other languages, is `docs/node-contract.md`.

pub mod checkpoint;
pub mod credits;
mod dora;
pub mod edges;
pub mod error;
pub mod events;
pub mod header;
pub mod launch;
pub mod memory;
pub mod message;
pub mod names;
pub mod own_time;
pub mod payload;
pub mod recording;
pub mod schema;
mod sequence;
pub mod setting_choice;
pub mod setting_group;
pub mod settings;
mod settings_macros;
pub mod spec;
pub mod stats;
pub mod task;
pub mod tensor;
pub mod testing;

pub use edges::{Edges, Polled};
pub use error::{ExitCode, NodeError};
pub use header::{Header, Kind, Split};
pub use launch::{Node, launch};
pub use message::Message;
pub use spec::{EdgeSpec, NodeSpec};

/// Version of headers and schemas. A message of another version is refused.
pub const CONTRACT_VERSION: i64 = 1;
