//! TensorBoard's event files: records of a length, a checksum, a protocol-buffer message and a checksum.
//!
//! The format is that of TensorFlow's `tfrecord` and `event.proto`; of its messages only scalars are written. The tables
//! hold no time of each number, so all carry the time the run started.

use super::point::Point;
use super::protobuf::Message;

/// CRC-32C (Castagnoli), reflected.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
        }
    }
    !crc
}

/// The checksum as records carry it.
fn masked(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

fn record(message: &[u8], out: &mut Vec<u8>) {
    let length = (message.len() as u64).to_le_bytes();
    out.extend(length);
    out.extend(masked(&length).to_le_bytes());
    out.extend(message);
    out.extend(masked(message).to_le_bytes());
}

/// An event with its time in seconds since 1970.
fn event(time: f64) -> Message {
    Message::default().double(1, time)
}

/// The content of an event file, to be named `events.out.tfevents.SECONDS.NAME`.
pub fn tensorboard(points: &[Point], started_unix: f64) -> Vec<u8> {
    let mut out = Vec::new();
    record(event(started_unix).text(3, "brain.Event:2").bytes(), &mut out);
    for point in points {
        let value = Message::default().text(1, &point.tag).float(2, point.value as f32);
        let summary = Message::default().message(1, &value);
        record(event(started_unix).integer(2, point.step.max(0)).message(5, &summary).bytes(), &mut out);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_castagnolis() {
        // RFC 3720, appendix B.4: 32 bytes of zeros, and the check value of "123456789".
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn a_record_is_framed_by_its_length_and_checksums() {
        let point = Point { tag: "val/loss".into(), step: 300, value: 0.5 };
        let out = tensorboard(&[point], 1.0);
        let length = |at: usize| u64::from_le_bytes(out[at..at + 8].try_into().unwrap()) as usize;
        let first = length(0);
        assert_eq!(&out[12 + first - 13..12 + first], b"brain.Event:2");
        let second = 16 + first;
        let message = &out[second + 12..second + 12 + length(second)];
        assert_eq!(out.len(), second + 16 + message.len());
        // Time; step 300 as a varint; summary { value { tag, simple_value } }.
        let expected = [
            &[9][..],
            &1f64.to_le_bytes(),
            &[16, 0xac, 2, 42, 17, 10, 15, 10, 8],
            b"val/loss",
            &[21],
            &0.5f32.to_le_bytes(),
        ];
        assert_eq!(message, expected.concat());
    }
}
