//! Decoding one clip to [T, H, W, 3] bytes.

use std::ffi::OsString;
use std::fmt;
use std::path::Path;

use copl_media::ffmpeg::{Output, Run};
use copl_media::origin::late_start_secs;
use copl_media::verdict::{judge, judge_end};
use copl_media::{Array, BadClip, Cache, Limits, MediaError, ReasonCode, Stage, input};

use crate::graph::{STAMPS_FILE, graph};
use crate::rule::linspace_positions;
use crate::rule::{FrameRule, FrameSettings};
use crate::stamps::Stamps;

/// The frames of one clip.
#[derive(Clone, PartialEq, Eq)]
pub struct Frames {
    /// T.
    pub segments: usize,
    /// H and W in pixels.
    pub size: usize,
    /// [T, H, W, 3], row-major, red first.
    pub rgb: Vec<u8>,
    /// What a reader of the report may want to know: segments after the clip's end, faults the decoder hid.
    pub notes: Vec<String>,
}

impl fmt::Debug for Frames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { segments, size, notes, .. } = self;
        f.debug_struct("Frames")
            .field("segments", segments)
            .field("size", size)
            .field("notes", notes)
            .finish_non_exhaustive()
    }
}

impl Frames {
    /// Frame `t`, [H, W, 3].
    pub fn frame(&self, t: usize) -> &[u8] {
        let bytes = self.size * self.size * 3;
        &self.rgb[t * bytes..][..bytes]
    }
}

/// Decodes the frames the settings name; rotation stored in the file is applied.
///
/// Errors: [`MediaError::Bad`] says why the clip is refused, stage `video` or `file`.
pub fn decode_frames(path: &Path, settings: &FrameSettings, limits: &Limits) -> Result<Frames, MediaError> {
    settings.check()?;
    let absolute = input::check(path, limits)?;
    let folder = tempfile::Builder::new()
        .prefix("copl-frames-")
        .tempdir()
        .map_err(|source| MediaError::System { doing: "make a temporary folder".to_owned(), source })?;
    let max_bytes = match settings.rule {
        FrameRule::Centre | FrameRule::Sixteenth => (settings.segments + 2) as u64 * frame_bytes(settings) as u64,
        FrameRule::Linspace => limits.max_output_bytes,
    };
    let run = Run {
        stage: Stage::Video,
        args: arguments(&absolute, settings, limits)?,
        folder: Some(folder.path()),
        max_bytes,
    };
    let output = run.output(limits)?;
    let stamps = Stamps::read(&folder.path().join(STAMPS_FILE))
        .map_err(|source| MediaError::System { doing: "read the times of the frames".to_owned(), source })?;
    Ok(choose(&absolute, settings, limits, &output, &stamps)?)
}

/// [`decode_frames`] through the cache, if there is one.
pub fn decode_frames_cached(
    cache: Option<&Cache>,
    path: &Path,
    settings: &FrameSettings,
    limits: &Limits,
) -> Result<Frames, MediaError> {
    let Some(cache) = cache else {
        return decode_frames(path, settings, limits);
    };
    let (segments, size) = (settings.segments, settings.size);
    let key = cache.decoded_by(&limits.ffmpeg, &settings.key())?;
    let array = cache.get_or(path, &key, || {
        let frames = decode_frames(path, settings, limits)?;
        Ok(Array::from_u8(vec![segments, size, size, 3], frames.rgb, frames.notes))
    })?;
    Ok(Frames { segments, size, rgb: array.bytes, notes: array.notes })
}

/// Bytes of a frame.
pub(crate) fn frame_bytes(settings: &FrameSettings) -> usize {
    settings.size * settings.size * 3
}

fn arguments(absolute: &Path, settings: &FrameSettings, limits: &Limits) -> Result<Vec<OsString>, MediaError> {
    let mut args = input::arguments(absolute, limits);
    let graph = graph(settings, late_start_secs(absolute, Stage::Video, limits)?);
    let pick = ["-an", "-sn", "-dn", "-vf", &graph, "-threads", "1"];
    // Every frame as it is, neither repeated nor dropped to keep a rate. (`-vsync`, its older name, is gone in ffmpeg 9.)
    let write = ["-fps_mode", "passthrough", "-c:v", "rawvideo", "-f", "rawvideo", "pipe:1"];
    args.extend(pick.into_iter().chain(write).map(OsString::from));
    Ok(args)
}

/// From what ffmpeg gave, the frames of all cells the clip covers and then its last frame, to T frames.
fn choose(
    absolute: &Path,
    settings: &FrameSettings,
    limits: &Limits,
    output: &Output,
    stamps: &Stamps,
) -> Result<Frames, BadClip> {
    let bad = |reason, detail: String| BadClip::new(Stage::Video, reason, detail);
    let bytes = frame_bytes(settings);
    let mut notes: Vec<String> = judge(Stage::Video, absolute, output, stamps.0.len(), limits)?.into_iter().collect();
    let (given, rest) = (output.bytes.len() / bytes, output.bytes.len() % bytes);
    if given == 0 || rest != 0 {
        let detail = format!("{} frames were decoded, but {given} and {rest} bytes came out", stamps.0.len());
        return Err(bad(ReasonCode::DecodeError, detail));
    }
    let covered = given - 1;
    let cell = settings.cell_secs();
    // A last frame may stay on screen for long; the cells it filled tell.
    let filled = |cells: usize| (cells as f64 - 1.0 + settings.moment()) * cell;
    let ended = stamps.end_secs().max(if covered > 0 { filled(covered) } else { 0.0 });
    let needed = match settings.rule {
        FrameRule::Centre | FrameRule::Sixteenth => filled(settings.segments),
        FrameRule::Linspace => f64::INFINITY,
    };
    judge_end(Stage::Video, absolute, &output.log, ended, needed, limits)?;
    if ended < settings.min_secs {
        let detail = format!("{ended:.2} s of video; the least is {} s", settings.min_secs);
        return Err(bad(ReasonCode::TooShort, detail));
    }
    let positions: Vec<usize> = match settings.rule {
        FrameRule::Centre | FrameRule::Sixteenth => {
            (0..settings.segments).map(|t| if t < covered { t } else { given - 1 }).collect()
        }
        FrameRule::Linspace => linspace_positions(covered.max(1), settings.segments),
    };
    if settings.rule != FrameRule::Linspace && covered < settings.segments {
        let repeated = settings.segments - covered;
        notes.push(format!("video ends at {ended:.2} s: its last frame stands for the last {repeated} segments"));
    }
    if let Some(first) = stamps.0.first().filter(|first| **first > cell / 2.0) {
        notes.push(format!("video begins at {first:.2} s: its first frame stands for the time before"));
    }
    let rgb = positions.iter().flat_map(|position| &output.bytes[position * bytes..][..bytes]).copied().collect();
    Ok(Frames { segments: settings.segments, size: settings.size, rgb, notes })
}
