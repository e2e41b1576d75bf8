//! A dataflow on the command line.

use std::path::PathBuf;

/// A dataflow with changes to it.
#[derive(Debug, clap::Args)]
pub(crate) struct FileArgs {
    /// The dataflow
    pub(crate) file: PathBuf,
    /// Change a node's setting; may be given many times
    #[arg(long = "set", value_name = "NODE.KEY=VALUE")]
    pub(crate) set: Vec<String>,
}
