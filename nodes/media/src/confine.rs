//! Bounds that the system keeps for us: what ffmpeg sees of our environment, its memory, and no process of its that outlives
//! its clip.
//!
//! A file of a few hundred bytes can state an index of gigabytes, which ffmpeg allocates before it reads a frame. And an
//! `ffmpeg` on PATH may be a script around the real one, which goes on when the script alone is killed.

use std::io;
use std::process::{Child, Command};

/// The variables a program gets, where they are set: what it needs to be found, to find its libraries and folders, and to
/// write text. Everything else stays here: tokens and keys, which are none of its business, and variables that would change
/// what ffmpeg says or does (`AV_LOG_FORCE_COLOR`, `FFREPORT`).
const ENVIRONMENT: [&str; 10] = [
    "PATH",
    "HOME",
    "TMPDIR",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "SYSTEMROOT",
    "TEMP",
];

/// Gives the command an environment of few variables.
pub fn environment(command: &mut Command) {
    command.env_clear();
    command.envs(ENVIRONMENT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
}

/// Gives the command an environment of few variables, and a group of its own, so that all it starts can be killed with it.
pub(crate) fn confine(command: &mut Command) {
    environment(command);
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
}

/// Bounds the memory of a command that was just started.
///
/// # Errors
/// If the system refuses; a command that has ended already needs no bound.
#[cfg(target_os = "linux")]
pub(crate) fn memory(child: &Child, max_bytes: u64) -> io::Result<()> {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};

    let limit = Rlimit { current: Some(max_bytes), maximum: Some(max_bytes) };
    match prlimit(Some(Pid::from_child(child)), Resource::As, limit) {
        Ok(_) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Other systems give no way to bound a process from outside.
#[cfg(not(target_os = "linux"))]
pub(crate) fn memory(_: &Child, _: u64) -> io::Result<()> {
    Ok(())
}

/// Kills a command that was [confined](confine), with all it has started. It must not have been waited for: its number might
/// be another's by then.
///
/// # Errors
/// If the system refuses; one that is gone already is fine.
pub(crate) fn kill(child: &mut Child) -> io::Result<()> {
    #[cfg(unix)]
    {
        use rustix::process::{Pid, Signal, kill_process_group};

        if let Ok(()) | Err(rustix::io::Errno::SRCH) = kill_process_group(Pid::from_child(child), Signal::KILL) {
            return Ok(());
        }
    }
    child.kill()
}
