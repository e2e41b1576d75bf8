//! Time zero of a clip: the start of its container, for sound and picture alike.
//!
//! ffmpeg counts so too, but for transport and program streams (`.ts`, `.m2ts`, `.mpg`) it counts from the first stream that
//! is *decoded*: with the sound left out, the picture would start at its own first frame and the two would drift apart by
//! the difference. For those files [`late_start_secs`] asks ffmpeg how much that is, to be added back.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::error::{MediaError, Stage};
use crate::ffmpeg::Run;
use crate::input;
use crate::limits::Limits;

/// Seconds by which ffmpeg would place the stream of this stage too early; 0 for all other containers.
pub fn late_start_secs(absolute: &Path, stage: Stage, limits: &Limits) -> Result<f64, MediaError> {
    if !restarts_its_clock(absolute) {
        return Ok(0.0);
    }
    let without = if stage == Stage::Audio { "-vn" } else { "-an" };
    let mut args = input::arguments(absolute, limits);
    let rest = [without, "-sn", "-dn", "-t", "0", "-v", "repeat+level+verbose", "-f", "null", "-"];
    args.extend(rest.map(Into::into));
    let output = Run { stage, args, folder: None, max_bytes: 1 << 16 }.output(limits)?;
    Ok(output.log.late_start_micros.unwrap_or(0) as f64 / 1e6)
}

/// Whether the file begins like an MPEG transport stream (packets of 188 bytes, or 192 with a time before each) or an MPEG
/// program stream.
pub(crate) fn restarts_its_clock(absolute: &Path) -> bool {
    let mut head = [0_u8; 200];
    if File::open(absolute).and_then(|mut file| file.read_exact(&mut head)).is_err() {
        return false;
    }
    const SYNC: u8 = 0x47;
    let is_transport = |first: usize, packet: usize| head[first] == SYNC && head[first + packet] == SYNC;
    is_transport(0, 188) || is_transport(4, 192) || head.starts_with(&[0, 0, 1, 0xBA])
}
