//! From a finished run to a verdict: is the output to be trusted, and if not, why.
//!
//! ffmpeg's exit status alone does not say: a truncated or bit-flipped file ends with 0. So the verdict weighs the exit
//! status, what was said on stderr, and how much came out.

use std::path::Path;

use crate::error::{BadClip, ReasonCode, Stage};
use crate::ffmpeg::Output;
use crate::input;
use crate::limits::Limits;
use crate::log::Log;
use crate::probe::{self, from_log};
use crate::promise::promised_end;

/// How far short of its promise a stream may end, in seconds: codecs round lengths to whole packets, and the last
/// frame's own length is often not stored.
pub const END_TOLERANCE_SECS: f64 = 0.5;

/// Refuses runs that failed. `units` is how many frames or packets came out, against which faults are weighed.
///
/// Gives a note when the decoder reported a few faults that are within `max_fault_fraction`.
pub fn judge(
    stage: Stage,
    absolute: &Path,
    output: &Output,
    units: usize,
    limits: &Limits,
) -> Result<Option<String>, BadClip> {
    let log = &output.log;
    let Some(probe) = from_log(log) else {
        return Err(unopened(absolute, log));
    };
    let missing = match stage {
        Stage::Video if probe.video.is_empty() => Some((ReasonCode::NoVideo, "no video stream")),
        Stage::Audio if probe.audio.is_empty() => Some((ReasonCode::NoAudio, "no audio stream")),
        _ => None,
    };
    if let Some((reason, detail)) = missing {
        return Err(BadClip::new(stage, reason, detail));
    }
    if stage == Stage::Video
        && let Some(size) = log.refused_size.or_else(|| probe::too_large(&probe, limits))
    {
        return Err(probe::too_large_clip(size, limits));
    }
    if !output.success || units == 0 {
        let reason = if log.cut_short { ReasonCode::Truncated } else { ReasonCode::DecodeError };
        return Err(BadClip::new(stage, reason, format!("nothing was decoded: {}", log.summary())));
    }
    let allowed = limits.max_fault_fraction * units as f64;
    match log.faults {
        0 => Ok(None),
        faults if faults as f64 <= allowed.max(1.0) => {
            Ok(Some(format!("the decoder reported {faults} faults in {units}: {}", log.summary())))
        }
        // A file that breaks off shows faults at the break; that is the better name for it.
        _ if log.cut_short => Err(BadClip::new(stage, ReasonCode::Truncated, log.summary())),
        faults => {
            let detail = format!("the decoder reported {faults} faults in {units}: {}", log.summary());
            Err(BadClip::new(stage, ReasonCode::DecodeError, detail))
        }
    }
}

/// Refuses a stream that ended at `ended_secs` although `needed_secs` of it were wanted and the file holds, or claims to
/// hold, more. A clip that is simply short passes.
pub fn judge_end(
    stage: Stage,
    absolute: &Path,
    log: &Log,
    ended_secs: f64,
    needed_secs: f64,
    limits: &Limits,
) -> Result<(), BadClip> {
    if ended_secs >= needed_secs {
        return Ok(());
    }
    let truncated = |detail: String| Err(BadClip::new(stage, ReasonCode::Truncated, detail));
    if log.cut_short {
        return truncated(format!("ends at {ended_secs:.2} s: {}", log.summary()));
    }
    if input::is_shorter_than_its_header(absolute) {
        return truncated(format!("ends at {ended_secs:.2} s; the file is shorter than its header says"));
    }
    match promised_end(absolute, stage, limits) {
        Some(promised) if promised - ended_secs > END_TOLERANCE_SECS => {
            truncated(format!("ends at {ended_secs:.2} s, the file states {promised:.2} s"))
        }
        _ => Ok(()),
    }
}

/// The verdict on a file in which ffmpeg found no input.
fn unopened(absolute: &Path, log: &Log) -> BadClip {
    let lost_index = log.no_index && input::looks_like_mp4(absolute);
    let reason = if lost_index { ReasonCode::Truncated } else { ReasonCode::NotMedia };
    BadClip::new(Stage::File, reason, log.summary())
}
