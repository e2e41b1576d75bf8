//! Gap and duplicate detection: every output counts its messages, every input checks the count.

use crate::header::{Header, Kind};

/// What an input has seen of its stream.
#[derive(Debug, Default)]
pub(crate) struct Sequence {
    next: u64,
    ended: bool,
}

impl Sequence {
    /// Takes the next message's header.
    ///
    /// # Errors
    /// If a message is missing before it, it came before, or the stream had ended.
    pub(crate) fn accept(&mut self, header: &Header) -> Result<(), String> {
        if self.ended {
            return Err(format!("message {} came after the end of the stream", header.seq));
        }
        if header.seq > self.next {
            return Err(format!(
                "{} message(s) lost: expected number {}, got {}",
                header.seq - self.next,
                self.next,
                header.seq
            ));
        }
        if header.seq < self.next {
            return Err(format!("message {} arrived twice or out of order: expected {}", header.seq, self.next));
        }
        self.next += 1;
        self.ended = header.kind == Kind::End;
        Ok(())
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

    #[test]
    fn an_unbroken_stream_is_accepted() {
        let mut s = Sequence::default();
        for seq in 0..5 {
            s.accept(&numbered(seq, Kind::Data)).unwrap();
        }
        s.accept(&numbered(5, Kind::End)).unwrap();
        assert!(s.ended());
    }

    #[test]
    fn a_gap_a_repeat_and_a_late_message_are_told_apart() {
        let mut s = Sequence::default();
        s.accept(&numbered(0, Kind::Data)).unwrap();
        assert!(s.accept(&numbered(3, Kind::Data)).is_err_and(|e| e.starts_with("2 message(s) lost")));
        assert!(s.accept(&numbered(0, Kind::Data)).is_err_and(|e| e.contains("twice")));
        s.accept(&numbered(1, Kind::End)).unwrap();
        assert!(s.accept(&numbered(2, Kind::Data)).is_err_and(|e| e.contains("after the end")));
    }
}
