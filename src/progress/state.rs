//! How far a run is, from its events: clips done by each node, speed, time left, loss and what the model is picked by.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use copl_contract::Split;
use copl_contract::events::Event;
use copl_contract::task::TASKS;

/// Speed is measured over this time.
const RECENT: Duration = Duration::from_secs(8);
/// Time left is told only after this time, when the speed means something.
const SETTLED: Duration = Duration::from_secs(3);

/// Where a node is.
#[derive(Debug)]
pub(super) struct NodeState {
    pub(super) name: String,
    /// Epoch, from 1.
    pub(super) epoch: u32,
    pub(super) split: Split,
    /// Clips done in this pass.
    pub(super) done: u64,
    /// Clips done in all since the command watches.
    seen: u64,
    recent: VecDeque<(Instant, u64)>,
}

impl NodeState {
    /// Clips a second of late; `None` until there is something to measure.
    pub(super) fn clips_per_sec(&self, now: Instant) -> Option<f64> {
        let (since, seen) = *self.recent.front()?;
        let secs = now.duration_since(since).as_secs_f64();
        (secs > 0.3 && self.seen > seen).then(|| (self.seen - seen) as f64 / secs)
    }

    /// Clips done in all since the command watches.
    pub(super) fn seen(&self) -> u64 {
        self.seen
    }

    fn advance(&mut self, epoch: u32, split: Split, done: u64, now: Instant) {
        let same = (self.epoch, self.split) == (epoch, split);
        self.seen += if same { done.saturating_sub(self.done) } else { done };
        (self.epoch, self.split, self.done) = (epoch, split, done);
        self.recent.push_back((now, self.seen));
        while self.recent.len() > 2 && self.recent.front().is_some_and(|(t, _)| now.duration_since(*t) > RECENT) {
            self.recent.pop_front();
        }
    }
}

/// A number of a pass.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Measured {
    /// Name of the metric.
    pub(super) name: String,
    pub(super) value: f64,
    /// Such as `percent`; empty where the node does not tell it.
    pub(super) unit: String,
    /// Whether the model is picked by it.
    pub(super) picks: bool,
}

impl Measured {
    /// What an event tells: its values, units and what picks. A node that does not tell what picks is taken at the word of the
    /// tasks.
    pub(super) fn all(values: &[(String, f64)], units: &[String], picks: Option<&str>) -> Vec<Self> {
        let judges = |name: &str| TASKS.iter().any(|task| task.judged_by == name);
        let units = units.iter().cloned().chain(std::iter::repeat(String::new()));
        let each = values.iter().zip(units).map(|((name, value), unit)| Self {
            picks: picks.map_or_else(|| judges(name), |picks| picks == name),
            name: name.clone(),
            value: *value,
            unit,
        });
        each.collect()
    }
}

/// A run as far as its events tell.
#[derive(Debug, Default)]
pub(super) struct RunState {
    plan: Option<(u32, [u64; 3])>,
    nodes: Vec<NodeState>,
    first: Option<(Instant, u64)>,
    train_loss: Option<(u32, f64, u64)>,
    val: Option<(u32, Vec<Measured>)>,
    quarantined: BTreeSet<(String, String)>,
}

impl RunState {
    /// Takes an event; false if it says nothing new (a clip quarantined in an earlier epoch already).
    pub(super) fn take(&mut self, node: &str, event: &Event, now: Instant) -> bool {
        match event {
            Event::Plan { epochs, clips, .. } => self.plan = Some((*epochs, *clips)),
            Event::Progress { epoch, split, done } => {
                if let Ok(split) = split.parse() {
                    self.progress(node, *epoch, split, *done, now);
                }
            }
            Event::Metrics { epoch, split, whole, values, units, picks } => {
                self.metrics(*epoch, split, *whole, &Measured::all(values, units, picks.as_deref()));
            }
            Event::Quarantined { clip, reason, .. } => return self.quarantined.insert((clip.clone(), reason.clone())),
            _ => {}
        }
        true
    }

    fn progress(&mut self, node: &str, epoch: u32, split: Split, done: u64, now: Instant) {
        match self.nodes.iter_mut().find(|n| n.name == node) {
            Some(state) => state.advance(epoch, split, done, now),
            None => {
                let recent = [(now, done)].into();
                self.nodes.push(NodeState { name: node.to_owned(), epoch, split, done, seen: done, recent });
            }
        }
        if self.first.is_none() {
            self.first = self.done_of_run().map(|done| (now, done));
        }
    }

    fn metrics(&mut self, epoch: u32, split: &str, whole: bool, values: &[Measured]) {
        let is_loss = |told: &&Measured| told.name == "loss" || told.name.ends_with("/loss");
        let loss = values.iter().find(is_loss).map(|told| told.value);
        match (split, whole, loss) {
            ("train", false, Some(loss)) => {
                let (_, sum, steps) = self.train_loss.filter(|(e, ..)| *e == epoch).unwrap_or((epoch, 0.0, 0));
                self.train_loss = Some((epoch, sum + loss, steps + 1));
            }
            ("val", true, _) => self.val = Some((epoch, values.to_vec())),
            _ => {}
        }
    }

    /// The nodes that have told of progress, in the order in which they first did.
    pub(super) fn nodes(&self) -> &[NodeState] {
        &self.nodes
    }

    /// The node that is furthest behind: a clip is done when the last node has done it.
    pub(super) fn last(&self) -> Option<&NodeState> {
        self.nodes.iter().min_by_key(|n| (n.epoch, n.split, n.done))
    }

    /// Epochs of the run.
    pub(super) fn epochs(&self) -> Option<u32> {
        self.plan.map(|(epochs, _)| epochs)
    }

    /// Clips of a pass over `split`.
    pub(super) fn clips(&self, split: Split) -> Option<u64> {
        self.plan.map(|(_, clips)| clips[split as usize])
    }

    /// Clips of all passes of the run.
    pub(super) fn clips_of_run(&self) -> Option<u64> {
        self.plan.map(|(epochs, [train, val, test])| u64::from(epochs) * (train + val) + test)
    }

    /// Clips of the run that have gone through the last node.
    pub(super) fn done_of_run(&self) -> Option<u64> {
        let (epochs, [train, val, _]) = self.plan?;
        let node = self.last()?;
        let before = match node.split {
            Split::Train => u64::from(node.epoch.saturating_sub(1)) * (train + val),
            Split::Val => u64::from(node.epoch.saturating_sub(1)) * (train + val) + train,
            Split::Test => u64::from(epochs) * (train + val),
        };
        Some(before + node.done)
    }

    /// Time left at the mean speed so far; `None` at first and when all is done.
    pub(super) fn time_left(&self, now: Instant) -> Option<Duration> {
        let (since, at_first) = self.first?;
        let elapsed = now.duration_since(since);
        let (done, total) = (self.done_of_run()?, self.clips_of_run()?);
        if elapsed < SETTLED || done <= at_first || done >= total {
            return None;
        }
        let secs_per_clip = elapsed.as_secs_f64() / (done - at_first) as f64;
        Some(Duration::from_secs_f64(secs_per_clip * total.saturating_sub(done) as f64))
    }

    /// Mean loss of the training steps of the epoch that is trained, and the epoch.
    pub(super) fn train_loss(&self) -> Option<(u32, f64)> {
        self.train_loss.map(|(epoch, sum, steps)| (epoch, sum / steps as f64))
    }

    /// Epoch and numbers of the last validation pass.
    pub(super) fn val(&self) -> Option<(u32, &[Measured])> {
        self.val.as_ref().map(|(epoch, values)| (*epoch, values.as_slice()))
    }

    /// Number of distinct clips that were given up.
    pub(super) fn quarantined(&self) -> usize {
        self.quarantined.iter().map(|(clip, _)| clip).collect::<BTreeSet<_>>().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(epoch: u32, split: &str, done: u64) -> Event {
        Event::Progress { epoch, split: split.to_owned(), done }
    }

    fn plan() -> Event {
        let (dataset, fingerprint) = ("d".to_owned(), "f".to_owned());
        Event::Plan { dataset, epochs: 3, clips: [10, 5, 4], fingerprint, description: None }
    }

    #[test]
    fn the_hindmost_node_tells_how_far_the_run_is() {
        let (mut state, start) = (RunState::default(), Instant::now());
        state.take("source", &plan(), start);
        state.take("source", &progress(1, "train", 2), start);
        state.take("loss", &progress(1, "train", 0), start);
        let later = start + Duration::from_secs(10);
        state.take("source", &progress(2, "train", 4), later);
        state.take("loss", &progress(1, "val", 5), later);
        assert_eq!((state.done_of_run(), state.clips_of_run()), (Some(15), Some(49)));
        // 13 clips in 10 s since the first sign, 34 to go.
        assert_eq!(state.time_left(later).map(|d| d.as_secs_f64().round()), Some(26.0));
        let speed = state.nodes()[1].clips_per_sec(later).unwrap();
        assert!((speed - 0.5).abs() < 1e-9, "{speed}");
    }

    #[test]
    fn the_test_pass_comes_after_all_epochs() {
        let (mut state, now) = (RunState::default(), Instant::now());
        state.take("s", &plan(), now);
        state.take("s", &progress(3, "test", 4), now);
        assert_eq!(state.done_of_run(), state.clips_of_run());
    }

    #[test]
    fn the_training_loss_is_the_mean_of_its_epoch() {
        let (mut state, now) = (RunState::default(), Instant::now());
        let step = |epoch, loss| Event::Metrics {
            epoch,
            split: "train".into(),
            whole: false,
            values: vec![("step/loss".into(), loss)],
            units: Vec::new(),
            picks: None,
        };
        for event in [step(1, 9.0), step(2, 1.0), step(2, 2.0)] {
            state.take("loss", &event, now);
        }
        assert_eq!(state.train_loss(), Some((2, 1.5)));
    }
}
