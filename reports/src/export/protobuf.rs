//! Protocol-buffer messages, written field by field: what the two event formats need of the encoding, no more.
//!
//! <https://protobuf.dev/programming-guides/encoding/>

/// A message under way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Message(Vec<u8>);

/// How a field's value is written.
enum Wire {
    Varint = 0,
    Eight = 1,
    Bytes = 2,
    Four = 5,
}

impl Message {
    /// The encoded message.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn key(&mut self, field: u32, wire: Wire) {
        self.varint(u64::from(field) << 3 | wire as u64);
    }

    /// An integer or a boolean. Negative numbers take the ten bytes that the encoding gives them.
    pub(super) fn integer(mut self, field: u32, value: i64) -> Self {
        self.key(field, Wire::Varint);
        self.varint(value as u64);
        self
    }

    /// A number of 64 bits.
    pub(super) fn double(mut self, field: u32, value: f64) -> Self {
        self.key(field, Wire::Eight);
        self.0.extend(value.to_le_bytes());
        self
    }

    /// A number of 32 bits.
    pub(super) fn float(mut self, field: u32, value: f32) -> Self {
        self.key(field, Wire::Four);
        self.0.extend(value.to_le_bytes());
        self
    }

    /// A text.
    pub(super) fn text(self, field: u32, value: &str) -> Self {
        self.content(field, value.as_bytes())
    }

    /// A message within this one.
    pub(super) fn message(self, field: u32, value: &Message) -> Self {
        self.content(field, &value.0)
    }

    fn content(mut self, field: u32, content: &[u8]) -> Self {
        self.key(field, Wire::Bytes);
        self.varint(content.len() as u64);
        self.0.extend(content);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_those_of_the_encodings_own_examples() {
        // https://protobuf.dev/programming-guides/encoding/: field 1 = 150; field 2 = "testing"; field 3 { 1 = 150 }.
        let first = Message::default().integer(1, 150);
        assert_eq!(first.bytes(), [0x08, 0x96, 0x01]);
        let text = Message::default().text(2, "testing");
        assert_eq!(text.bytes(), [&[0x12, 7][..], b"testing"].concat());
        assert_eq!(Message::default().message(3, &first).bytes(), [0x1a, 3, 0x08, 0x96, 0x01]);
        let minus_two = [0x08, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(Message::default().integer(1, -2).bytes(), minus_two);
        // Fields beyond 15 have keys of two bytes.
        assert_eq!(Message::default().text(16, "x").bytes(), [0x82, 0x01, 1, b'x']);
    }
}
