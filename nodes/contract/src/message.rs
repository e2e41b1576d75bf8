//! A message as a node gets it.

use arrow::array::RecordBatch;

use crate::header::Header;

/// A message that has passed all checks.
#[derive(Clone, Debug)]
pub struct Message {
    /// Name of the input it came on.
    pub input: String,
    /// Its header.
    pub header: Header,
    /// Its rows; none for [`Kind::Boundary`](crate::Kind::Boundary) and [`Kind::End`](crate::Kind::End).
    pub batch: RecordBatch,
}
