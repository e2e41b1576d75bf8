//! Order, gaps and duplicates: every output counts its messages, every input puts them in that order and checks the count.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::header::{Header, Kind};
use crate::own_time::OwnTime;

/// How long a message may be late behind one that was sent after it. Large messages and small ones take different ways
/// through the engine, so that the end of a pass may overtake its last clip.
const GRACE: Duration = Duration::from_secs(10);
/// Messages kept for later; as many are never under way on an edge.
const MOST: usize = 4096;

/// What an input has seen of its stream, and messages that came before their turn.
#[derive(Debug)]
pub(crate) struct Sequence<T> {
    next: u64,
    ended: bool,
    early: BTreeMap<u64, (Header, T)>,
    /// Since a message is missing.
    gap: Option<OwnTime>,
    grace: Duration,
}

impl<T> Default for Sequence<T> {
    fn default() -> Self {
        Self { next: 0, ended: false, early: BTreeMap::new(), gap: None, grace: GRACE }
    }
}

impl<T> Sequence<T> {
    /// Takes a message as it arrives; [`Sequence::turn`] gives them in order.
    ///
    /// # Errors
    /// If it came before, or the stream had ended.
    pub(crate) fn add(&mut self, header: Header, content: T) -> Result<(), String> {
        let number = header.seq;
        if self.ended {
            return Err(format!("message {number} came after the end of the stream"));
        }
        if number < self.next || self.early.contains_key(&number) {
            return Err(format!("message {number} arrived twice: expected {}", self.next));
        }
        if self.early.len() == MOST {
            return Err(self.lost().unwrap_or_default());
        }
        self.early.insert(number, (header, content));
        if number != self.next {
            self.gap.get_or_insert_with(OwnTime::start);
        }
        Ok(())
    }

    /// The next message, if it is here.
    pub(crate) fn turn(&mut self) -> Option<(Header, T)> {
        let message = self.early.remove(&self.next)?;
        self.next += 1;
        self.ended = message.0.kind == Kind::End;
        self.gap = (!self.early.is_empty()).then(OwnTime::start);
        Some(message)
    }

    /// Looks for a message that has been awaited for too long.
    ///
    /// # Errors
    /// If there is one.
    pub(crate) fn check(&mut self) -> Result<(), String> {
        match self.gap.as_mut().map(OwnTime::tick) {
            Some(waited) if waited > self.grace => self.lost().map_or(Ok(()), Err),
            _ => Ok(()),
        }
    }

    /// What is missing before the messages that came early.
    pub(crate) fn lost(&self) -> Option<String> {
        let (&first, _) = self.early.first_key_value()?;
        (first > self.next)
            .then(|| format!("{} message(s) lost: expected number {}, got {first}", first - self.next, self.next))
    }

    /// The END record has arrived.
    pub(crate) fn ended(&self) -> bool {
        self.ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::Split;

    fn numbered(seq: u64, kind: Kind) -> Header {
        Header { seq, ..Header::new(kind, 1, Split::Train) }
    }

    fn all(sequence: &mut Sequence<()>) -> Vec<u64> {
        std::iter::from_fn(|| sequence.turn()).map(|(header, ())| header.seq).collect()
    }

    #[test]
    fn an_unbroken_stream_is_accepted() {
        let mut s = Sequence::default();
        s.add(numbered(0, Kind::Data), ()).unwrap();
        s.add(numbered(1, Kind::Boundary), ()).unwrap();
        s.add(numbered(2, Kind::End), ()).unwrap();
        assert!(!s.ended());
        assert_eq!(all(&mut s), [0, 1, 2]);
        assert!(s.ended());
        assert!(s.add(numbered(3, Kind::Data), ()).is_err_and(|e| e.contains("after the end")));
    }

    #[test]
    fn a_message_that_was_overtaken_is_waited_for() {
        let mut s = Sequence::default();
        s.add(numbered(1, Kind::Boundary), ()).unwrap();
        assert_eq!(all(&mut s), [] as [u64; 0]);
        assert!(s.check().is_ok());
        s.add(numbered(0, Kind::Data), ()).unwrap();
        assert_eq!(all(&mut s), [0, 1]);
        assert!(s.check().is_ok() && s.lost().is_none());
    }

    #[test]
    fn a_gap_that_stays_is_found() {
        let mut s = Sequence { grace: Duration::ZERO, ..Sequence::default() };
        s.add(numbered(0, Kind::Data), ()).unwrap();
        s.add(numbered(3, Kind::Data), ()).unwrap();
        assert_eq!(all(&mut s), [0]);
        std::thread::sleep(Duration::from_millis(2));
        assert_eq!(s.check(), Err("2 message(s) lost: expected number 1, got 3".to_owned()));
    }

    #[test]
    fn a_duplicate_is_found() {
        let mut s = Sequence::default();
        s.add(numbered(0, Kind::Data), ()).unwrap();
        assert_eq!(all(&mut s), [0]);
        assert!(s.add(numbered(0, Kind::Data), ()).is_err_and(|e| e.contains("twice")));
        s.add(numbered(2, Kind::Data), ()).unwrap();
        assert!(s.add(numbered(2, Kind::Data), ()).is_err_and(|e| e.contains("twice")));
    }
}
