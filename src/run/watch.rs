//! Watches the nodes' processes: one that is gone or silent must not leave the others waiting.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::time::{Duration, Instant};

use copl_contract::events::Event;

/// Lines of a node that are kept to be shown when it fails.
const LAST_LINES: usize = 12;
/// How long the other nodes may take to stop by themselves after one is gone.
const GRACE: Duration = Duration::from_millis(1500);
/// How long they may take after a SIGTERM.
const TERM_GRACE: Duration = Duration::from_millis(1500);
/// A node without a heartbeat for so long hangs: its heartbeat comes from a thread of its own, every two seconds.
const SILENCE: Duration = Duration::from_secs(30);

#[derive(Debug)]
struct Process {
    pid: u32,
    heard: Instant,
    finished: bool,
    gone: Option<Instant>,
    killed: bool,
}

/// The processes of a run.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    processes: BTreeMap<String, Process>,
    lines: BTreeMap<String, VecDeque<String>>,
    failures: BTreeMap<String, (i32, String)>,
    first_gone: Option<Instant>,
    terminated: Option<Instant>,
    stalled: Option<String>,
}

impl Watch {
    /// Takes an event of a node.
    pub(crate) fn event(&mut self, node: &str, event: &Event) {
        if let Event::Started { pid } = event {
            let process = Process { pid: *pid, heard: Instant::now(), finished: false, gone: None, killed: false };
            self.processes.insert(node.to_owned(), process);
        }
        if let Event::Failed { code, message } = event {
            self.failures.insert(node.to_owned(), (*code, message.clone()));
        }
        if let Some(process) = self.processes.get_mut(node) {
            process.heard = Instant::now();
            process.finished |= matches!(event, Event::Finished);
        }
    }

    /// Takes a line that is no event.
    pub(crate) fn line(&mut self, node: &str, line: &str) {
        let lines = self.lines.entry(node.to_owned()).or_default();
        if lines.len() == LAST_LINES {
            lines.pop_front();
        }
        lines.push_back(line.trim_end().to_owned());
    }

    /// The last lines of a node.
    pub(crate) fn last_lines(&self, node: &str) -> Vec<&str> {
        self.lines.get(node).into_iter().flatten().map(String::as_str).collect()
    }

    /// What a node said of its failure.
    pub(crate) fn failure(&self, node: &str) -> Option<&(i32, String)> {
        self.failures.get(node)
    }

    /// Whether it was us who killed a node.
    pub(crate) fn killed(&self, node: &str) -> bool {
        self.processes.get(node).is_some_and(|p| p.killed)
    }

    /// The node that hung, if one did.
    pub(crate) fn stalled(&self) -> Option<&str> {
        self.stalled.as_deref()
    }

    /// Looks at every process; stops the others once one is gone. Returns what is worth telling.
    pub(crate) fn look(&mut self) -> Vec<String> {
        let mut words = Vec::new();
        let now = Instant::now();
        for (node, process) in &mut self.processes {
            if process.gone.is_none() && !is_alive(process.pid) {
                process.gone = Some(now);
                if !process.finished {
                    self.first_gone.get_or_insert(now);
                }
            }
            let silent = process.gone.is_none() && !process.finished && process.heard.elapsed() > SILENCE;
            if silent && self.stalled.is_none() {
                words.push(format!("node `{node}` has given no sign of life for {} s; stopping", SILENCE.as_secs()));
                self.stalled = Some(node.clone());
                self.first_gone.get_or_insert(now);
            }
        }
        let Some(first) = self.first_gone else { return words };
        match self.terminated {
            None if first.elapsed() > GRACE => {
                self.signal(libc::SIGTERM);
                self.terminated = Some(now);
            }
            Some(at) if at.elapsed() > TERM_GRACE => self.signal(libc::SIGKILL),
            _ => {}
        }
        words
    }

    /// Kills whatever is left.
    pub(crate) fn kill_all(&mut self) {
        self.signal(libc::SIGKILL);
    }

    fn signal(&mut self, signal: i32) {
        for process in self.processes.values_mut().filter(|p| p.gone.is_none()) {
            if is_alive(process.pid) {
                process.killed = true;
                // SAFETY: kill takes any numbers; a process that is gone by now gives an error that changes nothing.
                unsafe { libc::kill(process.pid as i32, signal) };
            }
        }
    }
}

/// Whether a process runs; one that has ended but was not collected does not.
fn is_alive(pid: u32) -> bool {
    std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"))
        .is_ok_and(|stat| stat.rsplit(')').next().is_some_and(|rest| !rest.trim_start().starts_with(['Z', 'X'])))
}
