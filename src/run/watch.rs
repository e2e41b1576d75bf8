//! Watches the nodes' processes: one that is gone, silent, stuck or never ready must not leave the others waiting.

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

/// What a node waits in: no work of its own keeps it there.
const WAITING: [&str; 2] = ["waiting for messages", "finishing"];
/// What a node does until the engine has let all of them begin.
const UNREADY: &str = "waiting for the other nodes";

/// How long a node may take.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct TimeLimits {
    /// Seconds within which every node must be ready; then the run is given up
    #[arg(long, value_name = "SECS", default_value_t = 120.0)]
    start_timeout: f64,
    /// Seconds a node may be at one piece of work without a word; then it counts as hanging
    #[arg(long, value_name = "SECS", default_value_t = 600.0)]
    hang_timeout: f64,
    /// Seconds an interrupted run may take to write a last checkpoint, between two batches
    #[arg(long, value_name = "SECS", default_value_t = 60.0)]
    pub(crate) stop_timeout: f64,
}

impl TimeLimits {
    /// The same limits as arguments of another `copl run`.
    pub(crate) fn arguments(&self) -> [String; 6] {
        let [start, hang, stop] =
            [self.start_timeout, self.hang_timeout, self.stop_timeout].map(|secs| secs.to_string());
        ["--start-timeout".to_owned(), start, "--hang-timeout".to_owned(), hang, "--stop-timeout".to_owned(), stop]
    }
}

#[derive(Debug)]
struct Process {
    pid: u32,
    heard: Instant,
    /// What it does, by its heartbeats, and its last sign of getting on.
    state: String,
    moved: Instant,
    finished: bool,
    gone: Option<Instant>,
    killed: bool,
}

impl Process {
    /// What is wrong with a process that is there and has not ended, if anything is.
    fn trouble(&self, limits: &TimeLimits) -> Option<String> {
        if self.heard.elapsed() > SILENCE {
            return Some(format!("has given no sign of life for {} s", SILENCE.as_secs()));
        }
        let busy = self.state != UNREADY && !WAITING.contains(&self.state.as_str());
        let is_stuck = busy && self.moved.elapsed().as_secs_f64() > limits.hang_timeout;
        is_stuck.then(|| format!("hangs: `{}` for more than {:.0} s (--hang-timeout)", self.state, limits.hang_timeout))
    }
}

/// The processes of a run.
#[derive(Debug)]
pub(crate) struct Watch {
    limits: TimeLimits,
    nodes: Vec<String>,
    begun: Instant,
    processes: BTreeMap<String, Process>,
    lines: BTreeMap<String, VecDeque<String>>,
    failures: BTreeMap<String, (i32, String)>,
    first_gone: Option<Instant>,
    terminated: Option<Instant>,
    stalled: Option<(String, String)>,
    told: bool,
    /// A child of this process that is no node.
    guard: u32,
}

impl Watch {
    /// Of these nodes, none of which has been heard of yet; `guard` is the process id of the guard.
    pub(crate) fn new(nodes: Vec<String>, limits: TimeLimits, guard: u32) -> Self {
        Self {
            limits,
            nodes,
            begun: Instant::now(),
            processes: BTreeMap::new(),
            lines: BTreeMap::new(),
            failures: BTreeMap::new(),
            first_gone: None,
            terminated: None,
            stalled: None,
            told: false,
            guard,
        }
    }

    /// Takes an event of a node.
    pub(crate) fn event(&mut self, node: &str, event: &Event) {
        if let Event::Started { pid } = event {
            let now = Instant::now();
            let process = Process {
                pid: *pid,
                heard: now,
                state: UNREADY.to_owned(),
                moved: now,
                finished: false,
                gone: None,
                killed: false,
            };
            self.processes.insert(node.to_owned(), process);
        }
        if let Event::Failed { code, message } = event {
            self.failures.insert(node.to_owned(), (*code, message.clone()));
        }
        if let Some(process) = self.processes.get_mut(node) {
            process.heard = Instant::now();
            match event {
                Event::Heartbeat { state, secs } => {
                    let since = process.heard.checked_sub(Duration::from_secs_f64(secs.max(0.0)));
                    process.moved = process.moved.max(since.unwrap_or(process.moved));
                    process.state.clone_from(state);
                }
                _ => process.moved = process.heard,
            }
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

    /// The node that kept the others waiting, if one did, and how.
    pub(crate) fn stalled(&self) -> Option<(&str, &str)> {
        self.stalled.as_ref().map(|(node, how)| (node.as_str(), how.as_str()))
    }

    /// Whether a node said that its work is done.
    pub(crate) fn finished(&self, node: &str) -> bool {
        self.processes.get(node).is_some_and(|p| p.finished)
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
            if process.gone.is_none() && !process.finished && self.stalled.is_none() {
                self.stalled = process.trouble(&self.limits).map(|how| (node.clone(), how));
                if self.stalled.is_some() {
                    self.first_gone.get_or_insert(now);
                }
            }
        }
        if self.stalled.is_none() && self.first_gone.is_none() {
            self.stalled = self.never_ready();
            if self.stalled.is_some() {
                self.first_gone = Some(now);
            }
        }
        if let (Some((node, how)), false) = (&self.stalled, self.told) {
            words.push(format!("node `{node}` {how}; stopping"));
            self.told = true;
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

    /// The node for which all others wait: the engine lets nobody begin before the last is ready.
    fn never_ready(&self) -> Option<(String, String)> {
        let limit = self.limits.start_timeout;
        let is_late = self.begun.elapsed().as_secs_f64() > limit;
        if !is_late || !self.processes.values().any(|p| p.gone.is_none() && p.state == UNREADY) {
            return None;
        }
        let silent = self.nodes.iter().find(|node| !self.processes.contains_key(*node))?;
        Some((silent.clone(), format!("was not ready within {limit:.0} s (--start-timeout)")))
    }

    /// Of no nodes, with the limits of the command's defaults.
    #[cfg(test)]
    pub(super) fn of_nothing() -> Self {
        #[derive(clap::Parser)]
        struct Defaults {
            #[command(flatten)]
            limits: TimeLimits,
        }
        Self::new(Vec::new(), <Defaults as clap::Parser>::parse_from(["run"]).limits, 0)
    }

    /// Stops all nodes at once, on the user's wish.
    pub(crate) fn stop(&mut self) {
        let now = Instant::now();
        self.first_gone.get_or_insert(now);
        self.signal(libc::SIGTERM);
        self.terminated.get_or_insert(now);
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
        // A node that never spoke has told no process id; it is a child of this process like the others.
        let known: Vec<u32> = self.processes.values().map(|p| p.pid).collect();
        for pid in children().into_iter().filter(|pid| !known.contains(pid) && *pid != self.guard) {
            // SAFETY: as above.
            unsafe { libc::kill(pid as i32, signal) };
        }
    }
}

/// Process ids of the children of this process.
pub(super) fn children() -> Vec<u32> {
    let own = std::process::id();
    let ids = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = ids.filter_map(|entry| entry.file_name().to_string_lossy().parse::<u32>().ok());
    ids.filter(|pid| parent(*pid) == Some(own) && is_alive(*pid)).collect()
}

/// A field of a process's state, counted from 0 behind the name, which stands in brackets and may hold anything: its state,
/// its parent; the twentieth is when it began, in clock ticks.
pub(super) fn field(pid: u32, number: usize) -> Option<String> {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).ok()?;
    stat.rsplit(')').next()?.split_whitespace().nth(number).map(str::to_owned)
}

fn parent(pid: u32) -> Option<u32> {
    field(pid, 1)?.parse().ok()
}

/// Whether a process runs; one that has ended but was not collected does not.
pub(super) fn is_alive(pid: u32) -> bool {
    field(pid, 0).is_some_and(|state| !state.starts_with(['Z', 'X']))
}
