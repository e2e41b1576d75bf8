//! Bounds that the system keeps for us: ffmpeg's memory, and no process of its that outlives its clip.
//!
//! A file of a few hundred bytes can state an index of gigabytes, which ffmpeg allocates before it reads a frame. And an
//! `ffmpeg` on PATH may be a script around the real one, which goes on when the script alone is killed.

use std::io;
use std::process::{Child, Command};

/// Gives the command a group of its own, so that all it starts can be killed with it.
pub(crate) fn group(command: &mut Command) {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    #[cfg(not(unix))]
    let _ = command;
}

/// Bounds the memory of a command that was just started.
///
/// # Errors
/// If the system refuses; a command that has ended already needs no bound.
pub(crate) fn memory(child: &Child, max_bytes: u64) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        let limit = libc::rlimit { rlim_cur: max_bytes, rlim_max: max_bytes };
        // SAFETY: the limit is read before the call returns, and no old one is asked for.
        let refused = unsafe { libc::prlimit(pid(child), libc::RLIMIT_AS, &raw const limit, std::ptr::null_mut()) };
        let error = io::Error::last_os_error();
        if refused != 0 && error.raw_os_error() != Some(libc::ESRCH) {
            return Err(error);
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (child, max_bytes);
    Ok(())
}

/// Kills a command that was started in a [`group`] of its own, with all it has started. It must not have been waited for:
/// its number might be another's by then.
///
/// # Errors
/// If the system refuses; one that is gone already is fine.
pub(crate) fn kill(child: &mut Child) -> io::Result<()> {
    #[cfg(unix)]
    {
        // SAFETY: kill takes any numbers; the group exists as long as the child has not been waited for.
        let refused = unsafe { libc::kill(-pid(child), libc::SIGKILL) };
        let error = io::Error::last_os_error();
        if refused == 0 || error.raw_os_error() == Some(libc::ESRCH) {
            return Ok(());
        }
    }
    child.kill()
}

#[cfg(unix)]
fn pid(child: &Child) -> libc::pid_t {
    // Linux gives numbers below 2^22.
    child.id() as libc::pid_t
}
