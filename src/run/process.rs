//! Processes of this machine, as `/proc` tells of them.

use std::path::Path;

use nix::sys::signal::{self, Signal};
use nix::unistd::{Pid, getpgid};

/// A process, and when it began: its id may be another's by now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pid: u32,
    began: String,
}

impl Process {
    /// The process of this id; none if there is none.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        Some(Self { pid, began: began(pid)? })
    }

    /// Its id.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether it runs; one that has ended but was not collected does not.
    pub(crate) fn is_alive(&self) -> bool {
        is_alive(self.pid) && began(self.pid).as_ref() == Some(&self.began)
    }

    /// Sends it a signal if it runs.
    pub(crate) fn signal(&self, signal: Signal) {
        if let (Some(pid), true) = (number(self.pid), self.is_alive()) {
            // One that is gone by now gives an error that changes nothing.
            let _ = signal::kill(pid, signal);
        }
    }

    /// Kills it if it runs, with its process group if it leads one.
    pub(crate) fn kill_all(&self) {
        let Some(pid) = number(self.pid).filter(|_| self.is_alive()) else { return };
        if getpgid(Some(pid)) == Ok(pid) {
            // As above.
            let _ = signal::killpg(pid, Signal::SIGKILL);
        }
        self.signal(Signal::SIGKILL);
    }
}

/// No process has the number 0 or a negative one: those mean groups of processes, or all.
fn number(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().filter(|pid| *pid > 0).map(Pid::from_raw)
}

/// Processes that descend from `ancestor` directly.
pub(crate) fn children(ancestor: u32) -> Vec<Process> {
    let ids = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = ids.filter_map(|entry| entry.file_name().to_string_lossy().parse::<u32>().ok());
    ids.filter(|pid| parent(*pid) == Some(ancestor) && is_alive(*pid)).filter_map(Process::of).collect()
}

/// Whether a process is a child of `ancestor`, or a child of one, and so on.
pub(crate) fn descends(pid: u32, ancestor: u32) -> bool {
    // A process is younger than its parent, so the chain ends at the first, whose parent is 0.
    std::iter::successors(parent(pid), |pid| parent(*pid)).any(|pid| pid == ancestor)
}

/// A field of a process's state, counted from 0 behind the name, which stands in brackets and may hold anything.
fn field(pid: u32, number: usize) -> Option<String> {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).ok()?;
    stat.rsplit(')').next()?.split_whitespace().nth(number).map(str::to_owned)
}

fn is_alive(pid: u32) -> bool {
    field(pid, 0).is_some_and(|state| !state.starts_with(['Z', 'X']))
}

fn parent(pid: u32) -> Option<u32> {
    field(pid, 1)?.parse().ok()
}

/// When it began, in clock ticks since the machine did.
fn began(pid: u32) -> Option<String> {
    field(pid, 19)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn a_grandchild_descends_and_a_stranger_does_not() {
        let own = std::process::id();
        // The shell has a child of its own: the second command keeps it from becoming the first.
        let mut shell = Command::new("sh").args(["-c", "sleep 30; true"]).stdin(Stdio::null()).spawn().unwrap();
        let inner = loop {
            if let Some(inner) = children(shell.id()).pop() {
                break inner;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        };
        assert!(descends(inner.pid(), own) && descends(shell.id(), own));
        assert!(!descends(own, own) && !descends(1, own) && !descends(own, inner.pid()));
        inner.signal(Signal::SIGKILL);
        shell.wait().unwrap();
        assert!(!inner.is_alive());
    }
}
