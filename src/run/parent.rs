//! A run that a sweep started ends with the sweep, however that ends: killed, the sweep can stop nothing any more.

use copl_contract::ExitCode;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;

use crate::outcome::Failure;

/// From now on this process is killed when `parent` ends; its guard then ends its nodes.
///
/// # Errors
/// If `parent` has ended already.
pub(crate) fn end_with(parent: u32) -> Result<(), Failure> {
    set_pdeathsig(Signal::SIGKILL).map_err(|e| Failure::new(ExitCode::Internal, e))?;
    if std::os::unix::process::parent_id() == parent {
        return Ok(());
    }
    Err(Failure::new(ExitCode::Interrupted, "the command that started this run has ended"))
}
