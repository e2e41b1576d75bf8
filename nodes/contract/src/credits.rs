//! Credits: at most `window` clips are under way, so no queue can overflow.
//!
//! The node at the end of the graph (report-writer) returns one credit for every clip whose row it has recorded, trained,
//! evaluated or quarantined alike. Beside the clips, [`BOUNDARIES`] boundaries at most are under way (or one, and the end of
//! the stream). Every queue of the graph holds as many messages, so none is ever dropped, and memory is bounded whatever
//! node is slow.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

/// Boundaries under way at most. Clips that wait for the end of their pass come back after its boundary only, so one behind
/// another must be possible; a third waits until a clip sent after the first is back.
pub const BOUNDARIES: usize = 2;

/// The clips in flight, by their position in the run.
#[derive(Debug)]
pub struct Credits {
    window: usize,
    in_flight: BTreeSet<u64>,
    /// Of each boundary that may still wait in a queue the position of the clip after it.
    boundaries: VecDeque<u64>,
    last_change: Instant,
}

impl Credits {
    /// A window of at least one clip.
    pub fn new(window: usize) -> Self {
        Self {
            window: window.max(1),
            in_flight: BTreeSet::new(),
            boundaries: VecDeque::new(),
            last_change: Instant::now(),
        }
    }

    /// Whether one more clip may be sent.
    pub fn available(&self) -> bool {
        self.in_flight.len() < self.window
    }

    /// Whether every clip sent has come back.
    pub fn all_returned(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// Number of clips under way.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Time since a clip was last sent or returned.
    pub fn unchanged_for(&self) -> Duration {
        self.last_change.elapsed()
    }

    /// Takes a credit for the clip at `position`.
    ///
    /// # Errors
    /// If no credit is left or the position is under way already.
    pub fn take(&mut self, position: u64) -> Result<(), String> {
        if !self.available() {
            return Err(format!("no credit left: {} clips are under way", self.in_flight.len()));
        }
        if !self.in_flight.insert(position) {
            return Err(format!("clip {position} is under way already"));
        }
        self.last_change = Instant::now();
        Ok(())
    }

    /// Whether one more boundary may be sent.
    pub fn boundary_available(&self) -> bool {
        self.boundaries.len() < BOUNDARIES
    }

    /// Counts a boundary as under way until the clip at `next`, the first one after it, or a later one is back.
    ///
    /// # Errors
    /// If [`BOUNDARIES`] are under way.
    pub fn take_boundary(&mut self, next: u64) -> Result<(), String> {
        if !self.boundary_available() {
            return Err(format!("{BOUNDARIES} boundaries are under way"));
        }
        self.boundaries.push_back(next);
        Ok(())
    }

    /// Returns the credit of the clip at `position`: streams are in order, so boundaries before it are past all queues.
    ///
    /// # Errors
    /// If no such clip is under way: a credit was made up or returned twice.
    pub fn give_back(&mut self, position: u64) -> Result<(), String> {
        if !self.in_flight.remove(&position) {
            return Err(format!("a credit for clip {position}, which is not under way"));
        }
        while self.boundaries.front().is_some_and(|next| *next <= position) {
            self.boundaries.pop_front();
        }
        self.last_change = Instant::now();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_bounds_what_is_under_way() {
        let mut c = Credits::new(2);
        c.take(0).unwrap();
        c.take(1).unwrap();
        assert!(!c.available());
        assert!(c.take(2).is_err());
        c.give_back(0).unwrap();
        assert!(c.available());
        c.take(2).unwrap();
        assert_eq!(c.in_flight(), 2);
    }

    #[test]
    fn boundaries_are_bounded_and_past_when_a_clip_after_them_is_back() {
        let mut c = Credits::new(8);
        c.take(0).unwrap();
        c.take_boundary(1).unwrap();
        c.take(1).unwrap();
        c.take_boundary(2).unwrap();
        c.take(2).unwrap();
        assert!(!c.boundary_available());
        assert!(c.take_boundary(3).is_err());
        c.give_back(0).unwrap();
        assert!(!c.boundary_available(), "the first boundary may still wait behind the clip that is back");
        c.give_back(1).unwrap();
        c.take_boundary(3).unwrap();
        assert!(!c.boundary_available());
        c.give_back(2).unwrap();
        assert!(c.boundary_available());
        assert!(c.all_returned());
    }

    #[test]
    fn credits_cannot_be_made_up_or_returned_twice() {
        let mut c = Credits::new(4);
        c.take(7).unwrap();
        assert!(c.take(7).is_err());
        c.give_back(7).unwrap();
        assert!(c.give_back(7).is_err());
        assert!(c.all_returned());
    }
}
