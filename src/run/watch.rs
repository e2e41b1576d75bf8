//! Watches the nodes' processes: one that is gone, silent, stuck or never ready must not leave the others waiting.
//!
//! Times are the command's own ([`copl_contract::own_time`]): while it was stopped itself no node was silent. A node's word for its
//! process id holds only where that process descends from the command: no other is looked at, or sent a signal.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use copl_contract::events::Event;
use nix::sys::signal::Signal;

use super::process::{self, Process};

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

/// The process that a node says it is.
#[derive(Debug)]
enum Claim {
    /// One of the run.
    Ours(Process),
    /// Another: what is known of the node are its words alone.
    Foreign,
    /// There is none any more.
    Gone,
}

impl Claim {
    fn of(pid: u32, guard: u32) -> Self {
        match Process::of(pid) {
            Some(process) if pid != guard && process::descends(pid, std::process::id()) => Self::Ours(process),
            // It may have ended between the two looks.
            Some(process) if process.is_alive() => Self::Foreign,
            _ => Self::Gone,
        }
    }

    fn is_gone(&self) -> bool {
        match self {
            Self::Ours(process) => !process.is_alive(),
            Self::Foreign => false,
            Self::Gone => true,
        }
    }
}

/// A node that has said that it is up.
#[derive(Debug)]
struct Watched {
    claim: Claim,
    heard: Duration,
    /// What it does, by its heartbeats, and its last sign of getting on.
    state: String,
    moved: Duration,
    finished: bool,
    gone: Option<Duration>,
    killed: bool,
}

impl Watched {
    /// What is wrong with a node that is there and has not ended, if anything is.
    fn trouble(&self, limits: &TimeLimits, now: Duration) -> Option<String> {
        if now.saturating_sub(self.heard) > SILENCE {
            return Some(format!("has given no sign of life for {} s", SILENCE.as_secs()));
        }
        let busy = self.state != UNREADY && !WAITING.contains(&self.state.as_str());
        let is_stuck = busy && now.saturating_sub(self.moved).as_secs_f64() > limits.hang_timeout;
        is_stuck.then(|| format!("hangs: `{}` for more than {:.0} s (--hang-timeout)", self.state, limits.hang_timeout))
    }
}

/// The processes of a run.
#[derive(Debug)]
pub(crate) struct Watch {
    limits: TimeLimits,
    nodes: Vec<String>,
    processes: BTreeMap<String, Watched>,
    lines: BTreeMap<String, VecDeque<String>>,
    failures: BTreeMap<String, (i32, String)>,
    first_gone: Option<Duration>,
    terminated: Option<Duration>,
    stalled: Option<(String, String)>,
    told: bool,
    /// What is worth telling at the next look.
    words: Vec<String>,
    /// A child of this process that is no node.
    guard: u32,
}

impl Watch {
    /// Of these nodes, none of which has been heard of yet; `guard` is the process id of the guard.
    pub(crate) fn new(nodes: Vec<String>, limits: TimeLimits, guard: u32) -> Self {
        Self {
            limits,
            nodes,
            processes: BTreeMap::new(),
            lines: BTreeMap::new(),
            failures: BTreeMap::new(),
            first_gone: None,
            terminated: None,
            stalled: None,
            told: false,
            words: Vec::new(),
            guard,
        }
    }

    /// Takes an event of a node.
    pub(crate) fn event(&mut self, node: &str, event: &Event, now: Duration) {
        if let Event::Started { pid } = event {
            let claim = Claim::of(*pid, self.guard);
            if matches!(claim, Claim::Foreign) {
                self.words.push(format!(
                    "node `{node}` calls itself process {pid}, which is none of this run's: only its heartbeats are watched"
                ));
            }
            let process = Watched {
                claim,
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
            process.heard = now;
            match event {
                Event::Heartbeat { state, secs } => {
                    // Longer than any run: since before it began.
                    let since = Duration::try_from_secs_f64(*secs).ok().and_then(|secs| now.checked_sub(secs));
                    process.moved = process.moved.max(since.unwrap_or(process.moved));
                    process.state.clone_from(state);
                }
                _ => process.moved = now,
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
    pub(crate) fn look(&mut self, now: Duration) -> Vec<String> {
        let mut words = std::mem::take(&mut self.words);
        for (node, process) in &mut self.processes {
            if process.gone.is_none() && process.claim.is_gone() {
                process.gone = Some(now);
                if !process.finished {
                    self.first_gone.get_or_insert(now);
                }
            }
            if process.gone.is_none() && !process.finished && self.stalled.is_none() {
                self.stalled = process.trouble(&self.limits, now).map(|how| (node.clone(), how));
                if self.stalled.is_some() {
                    self.first_gone.get_or_insert(now);
                }
            }
        }
        if self.stalled.is_none() && self.first_gone.is_none() {
            self.stalled = self.never_ready(now);
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
            None if now.saturating_sub(first) > GRACE => {
                self.signal(Signal::SIGTERM);
                self.terminated = Some(now);
            }
            Some(at) if now.saturating_sub(at) > TERM_GRACE => self.signal(Signal::SIGKILL),
            _ => {}
        }
        words
    }

    /// The node for which all others wait: the engine lets nobody begin before the last is ready.
    fn never_ready(&self, now: Duration) -> Option<(String, String)> {
        let limit = self.limits.start_timeout;
        let is_late = now.as_secs_f64() > limit;
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
    pub(crate) fn stop(&mut self, now: Duration) {
        self.first_gone.get_or_insert(now);
        self.signal(Signal::SIGTERM);
        self.terminated.get_or_insert(now);
    }

    /// Kills whatever is left.
    pub(crate) fn kill_all(&mut self) {
        self.signal(Signal::SIGKILL);
    }

    fn signal(&mut self, signal: Signal) {
        self.signal_known(signal);
        // A node that never spoke has told no process id, or a wrong one; it is a child of this process like the others.
        let known = |child: &Process| {
            self.processes.values().any(|p| matches!(&p.claim, Claim::Ours(process) if process == child))
        };
        let children = process::children(std::process::id());
        children.iter().filter(|child| child.pid() != self.guard && !known(child)).for_each(|c| c.signal(signal));
    }

    fn signal_known(&mut self, signal: Signal) {
        for watched in self.processes.values_mut().filter(|p| p.gone.is_none()) {
            if let Claim::Ours(process) = &watched.claim
                && process.is_alive()
            {
                watched.killed = true;
                process.signal(signal);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn a_strangers_process_is_neither_looked_at_nor_sent_a_signal() {
        let mut stranger = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let mut watch = Watch::of_nothing();
        // The parent of this process is none of its descendants, nor is it itself; the guard is no node.
        watch.guard = stranger.id();
        let parent = std::os::unix::process::parent_id();
        for (node, pid) in [("a", parent), ("b", std::process::id()), ("c", stranger.id())] {
            watch.event(node, &Event::Started { pid }, secs(1));
            assert!(matches!(watch.processes[node].claim, Claim::Foreign), "{node}");
        }
        let words = watch.look(secs(2));
        assert_eq!(words.len(), 3, "{words:?}");
        assert!(words[0].contains(&format!("`a` calls itself process {parent}")), "{words:?}");
        watch.signal_known(Signal::SIGKILL);
        assert!(stranger.try_wait().unwrap().is_none(), "it lives");
        assert!(!watch.killed("c"));
        stranger.kill().unwrap();
        stranger.wait().unwrap();
        // Its silence tells of it nevertheless.
        assert!(watch.look(secs(40)).iter().any(|word| word.contains("no sign of life")));
    }

    #[test]
    fn a_child_is_watched_and_its_end_is_seen() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let mut watch = Watch::of_nothing();
        watch.event("a", &Event::Started { pid: child.id() }, secs(1));
        assert!(watch.look(secs(2)).is_empty() && watch.first_gone.is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        watch.look(secs(3));
        assert_eq!(watch.first_gone, Some(secs(3)));
    }
}
