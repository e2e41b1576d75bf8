//! Decoding one clip to [T, H, W, 3] bytes.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::graph::{STAMPS_FILE, graph};
use crate::rule::linspace_positions;
use crate::rule::{FrameRule, FrameSettings};
use crate::stamps::Stamps;
use copl_media::cache;
use copl_media::ffmpeg::{Output, Run};
use copl_media::origin::late_start_secs;
use copl_media::together::{self, Part};
use copl_media::verdict::{judge, judge_end};
use copl_media::{Array, BadClip, Cache, Limits, MediaError, ReasonCode, Stage, input};

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
    let late = late_start_secs(&absolute, Stage::Video, limits)?;
    let mut args = input::arguments(&absolute, limits);
    args.extend(output_arguments(settings, late, STAMPS_FILE));
    args.push("pipe:1".into());
    let max_bytes = bounded_bytes(settings).unwrap_or(limits.max_output_bytes);
    let output = Run { stage: Stage::Video, args, folder: Some(folder.path()), max_bytes }.output(limits)?;
    let stamps = Stamps::read(&folder.path().join(STAMPS_FILE))
        .map_err(|source| MediaError::System { doing: "read the times of the frames".to_owned(), source })?;
    Ok(choose(&absolute, settings, limits, &output, &stamps)?)
}

fn decode_files(paths: &[&Path], settings: &FrameSettings, limits: &Limits) -> Vec<Result<Frames, MediaError>> {
    let mut made = decode_together(paths, settings, limits);
    let one = |(index, path): (usize, &&Path)| match made.remove(&index) {
        Some(frames) => Ok(frames),
        None => decode_frames(path, settings, limits),
    };
    paths.iter().enumerate().map(one).collect()
}

/// The frames of the clips that one ffmpeg decodes without a word, by their place among `paths`.
fn decode_together(paths: &[&Path], settings: &FrameSettings, limits: &Limits) -> BTreeMap<usize, Frames> {
    let Some(max_bytes) = bounded_bytes(settings).filter(|_| settings.check().is_ok()) else {
        return BTreeMap::new();
    };
    let short = |path: &Path| input::check(path, limits).ok().filter(|absolute| together::is_short(absolute));
    let stamps_file = |index: usize| format!("{index}-{STAMPS_FILE}");
    let found = paths.iter().enumerate().filter_map(|(place, path)| Some((place, short(path)?)));
    let (places, files): (Vec<usize>, Vec<PathBuf>) = found.unzip();
    let part =
        |(index, absolute)| Part { absolute, args: output_arguments(settings, 0.0, &stamps_file(index)), max_bytes };
    let parts: Vec<Part> = files.into_iter().enumerate().map(part).collect();
    let together = together::outputs(Stage::Video, &parts, limits);
    let frames = |index: usize, part: &Part| {
        let stamps = Stamps::read(&together.folder()?.join(stamps_file(index))).ok()?;
        choose(&part.absolute, settings, limits, together.outputs[index].as_ref()?, &stamps).ok()
    };
    let made = places.into_iter().zip(&parts).enumerate();
    made.filter_map(|(index, (place, part))| Some((place, frames(index, part)?))).collect()
}

/// As [`decode_frames`], of several clips: in their order, the same frames, short ones by one ffmpeg; through the cache, if
/// there is one.
pub fn decode_all(
    cache: Option<&Cache>,
    paths: &[&Path],
    settings: &FrameSettings,
    limits: &Limits,
) -> Vec<Result<Frames, MediaError>> {
    let (segments, size) = (settings.segments, settings.size);
    let arrays = cache::through(cache, paths, &limits.ffmpeg, &settings.key(), |missing| {
        let array = |frames: Frames| Array::from_u8(vec![segments, size, size, 3], frames.rgb, frames.notes);
        decode_files(missing, settings, limits).into_iter().map(|frames| frames.map(array)).collect()
    });
    let frames = |array: Array| Frames { segments, size, rgb: array.bytes, notes: array.notes };
    arrays.into_iter().map(|array| array.map(frames)).collect()
}

/// What a clip's frames may take, where the settings bound it.
fn bounded_bytes(settings: &FrameSettings) -> Option<u64> {
    match settings.rule {
        FrameRule::Centre | FrameRule::Sixteenth => Some((settings.segments + 2) as u64 * frame_bytes(settings) as u64),
        FrameRule::Linspace => None,
    }
}

/// Bytes of a frame.
pub(crate) fn frame_bytes(settings: &FrameSettings) -> usize {
    settings.size * settings.size * 3
}

/// Everything after the input but where the frames go. `late_start_secs` is added to every time, `stamps` is the file in
/// ffmpeg's folder that receives them.
fn output_arguments(settings: &FrameSettings, late_start_secs: f64, stamps: &str) -> Vec<OsString> {
    let graph = graph(settings, late_start_secs, stamps);
    let pick = ["-an", "-sn", "-dn", "-vf", &graph, "-threads", "1"];
    // Every frame as it is, neither repeated nor dropped to keep a rate. (`-vsync`, its older name, is gone in ffmpeg 9.)
    let write = ["-fps_mode", "passthrough", "-c:v", "rawvideo", "-f", "rawvideo"];
    pick.into_iter().chain(write).map(OsString::from).collect()
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
