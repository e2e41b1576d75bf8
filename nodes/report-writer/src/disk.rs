//! A report that cannot be written stops the run.

use copl_contract::{ExitCode, NodeError};
use copl_reports::ReportError;

pub(crate) fn disk(e: ReportError) -> NodeError {
    let code = if e.is_disk_full() { ExitCode::Missing } else { ExitCode::NodeFailed };
    NodeError::failed(code, format!("the report cannot be written: {e}"))
}
