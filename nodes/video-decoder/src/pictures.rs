//! Frames that were extracted beforehand: one PNG a segment, as AVSBench ships them, to [T, H, W, 3] bytes.
//!
//! Pictures that are of the wanted size and kind already are read here; else one ffmpeg process reads all pictures of a
//! clip, and they are scaled as the frames of a video are. They are small and not cached.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use copl_media::ffmpeg::Run;
use copl_media::verdict::judge;
use copl_media::{BadClip, Limits, MediaError, ReasonCode, Stage, input};

use crate::frames::{Frames, frame_bytes};
use crate::graph::scale;
use crate::rule::FrameSettings;

/// Reads the pictures of a clip's segments, in order.
///
/// # Errors
/// [`MediaError::Bad`] says why the clip is refused, stage `video` or `file`.
pub fn decode_pictures(pictures: &[PathBuf], settings: &FrameSettings, limits: &Limits) -> Result<Frames, MediaError> {
    settings.check()?;
    let (segments, size) = (settings.segments, settings.size);
    let bad = |reason, detail: String| MediaError::Bad(BadClip::new(Stage::Video, reason, detail));
    if pictures.len() != segments {
        let detail = format!("{} pictures, SEGMENTS is {segments}", pictures.len());
        return Err(bad(ReasonCode::TooShort, detail));
    }
    let files = pictures.iter().map(|path| input::check(path, limits)).collect::<Result<Vec<_>, _>>()?;
    if let Some(rgb) = as_they_are(&files, size) {
        return Ok(Frames { segments, size, rgb, notes: Vec::new() });
    }
    let mut args = Vec::new();
    for file in &files {
        args.extend(input::picture_arguments(file, limits));
    }
    let scale = scale(size);
    let scaled: String = (0..segments).map(|t| format!("[{t}:v:0]{scale},setsar=1[s{t}];")).collect();
    let joined: String = (0..segments).map(|t| format!("[s{t}]")).collect();
    let graph = format!("{scaled}{joined}concat=n={segments}:v=1:a=0[all]");
    let write =
        ["-map", "[all]", "-fps_mode", "passthrough", "-threads", "1", "-c:v", "rawvideo", "-f", "rawvideo", "pipe:1"];
    args.extend(["-filter_complex", &graph].into_iter().chain(write).map(Into::into));
    let bytes = segments * frame_bytes(settings);
    let run = Run { stage: Stage::Video, args, folder: None, max_bytes: bytes as u64 + 1 };
    let output = run.output(limits)?;
    let first = files.first().map_or_else(PathBuf::new, Clone::clone);
    let notes: Vec<String> = judge(Stage::Video, &first, &output, segments, limits)?.into_iter().collect();
    if output.bytes.len() != bytes {
        let detail = format!("{} bytes came out of {segments} pictures, expected {bytes}", output.bytes.len());
        return Err(bad(ReasonCode::DecodeError, detail));
    }
    Ok(Frames { segments, size, rgb: output.bytes, notes })
}

/// The pictures' bytes if all are RGB of one byte a value and of the wanted size, so that nothing is to be converted. Of
/// anything else, damage too, ffmpeg is the judge.
fn as_they_are(files: &[PathBuf], size: usize) -> Option<Vec<u8>> {
    let mut all = Vec::with_capacity(files.len() * size * size * 3);
    for file in files {
        all.extend(read_rgb(file, size)?);
    }
    Some(all)
}

fn read_rgb(file: &Path, size: usize) -> Option<Vec<u8>> {
    let mut reader = png::Decoder::new(BufReader::new(File::open(file).ok()?)).read_info().ok()?;
    let info = reader.info();
    let plain = info.color_type == png::ColorType::Rgb && info.bit_depth == png::BitDepth::Eight && info.trns.is_none();
    if !plain || [info.width, info.height].iter().any(|side| *side as usize != size) {
        return None;
    }
    let mut rgb = vec![0; size * size * 3];
    reader.next_frame(&mut rgb).ok()?;
    // What follows the pixels is checked as well.
    reader.finish().ok()?;
    Some(rgb)
}
