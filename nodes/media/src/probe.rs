//! What a file holds, from the description ffmpeg itself prints of its input.
//!
//! A decode prints it, so a good clip costs one process: [`from_log`] reads it there. Where a stream should end is not in it:
//! see [`crate::promise`].

use crate::error::{BadClip, ReasonCode, Stage};
use crate::limits::Limits;
use crate::log::Log;

/// A file's streams.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Probe {
    /// ffmpeg's name of the container, such as `mov,mp4,m4a,3gp,3g2,mj2`.
    pub format: String,
    /// Length of the longest stream, subtitles included, as the container states or ffmpeg estimates it.
    pub duration_secs: Option<f64>,
    pub video: Vec<VideoStream>,
    pub audio: Vec<AudioStream>,
}

/// A moving picture; cover pictures are not listed.
#[derive(Debug, Clone, PartialEq)]
pub struct VideoStream {
    pub codec: String,
    /// Pixels, before rotation; 0 where ffmpeg does not know.
    pub width: u64,
    pub height: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct AudioStream {
    pub codec: String,
    /// Hertz; 0 where ffmpeg does not know.
    pub rate: u32,
    /// ffmpeg's words: `mono`, `stereo`, `5.1`.
    pub layout: String,
}

/// Reads the description of the first input in `log`; `None` if ffmpeg opened none.
pub fn from_log(log: &Log) -> Option<Probe> {
    from_lines(log.inputs.first()?)
}

/// Reads the description of an input.
pub(crate) fn from_lines(lines: &[String]) -> Option<Probe> {
    let (_, first) = lines.first()?.strip_prefix("Input #")?.split_once(", ")?;
    let format = first.split_once(", from '").map_or(first, |(format, _)| format).to_owned();
    let mut probe = Probe { format, ..Probe::default() };
    for line in lines {
        let line = line.trim_start();
        if let Some(rest) = line.strip_prefix("Duration: ") {
            probe.duration_secs = rest.split(',').next().and_then(clock);
        } else if let Some(rest) = line.strip_prefix("Stream #") {
            if let Some((_, about)) = rest.split_once(": Video: ") {
                if !about.ends_with("(attached pic)") {
                    probe.video.push(video_stream(about));
                }
            } else if let Some((_, about)) = rest.split_once(": Audio: ") {
                probe.audio.push(audio_stream(about));
            }
        }
    }
    Some(probe)
}

/// Seconds of `00:00:10.38`.
pub(crate) fn clock(text: &str) -> Option<f64> {
    let mut secs = 0.0;
    for part in text.trim().split(':') {
        secs = secs * 60.0 + part.parse::<f64>().ok()?;
    }
    Some(secs)
}

/// `h264 (High) (avc1 / 0x31637661), yuv420p(tv, bt709), 1280x720 [SAR 1:1 DAR 16:9], 25 fps`
fn video_stream(about: &str) -> VideoStream {
    let codec = about.split([' ', ',']).next().unwrap_or_default().to_owned();
    let mut sizes = about.split([',', ' ']).filter_map(|word| {
        let (width, height) = word.split_once('x')?;
        Some((width.parse::<u64>().ok()?, height.parse::<u64>().ok()?))
    });
    // `0x31637661` reads as 0 x 31637661: a size has two sides.
    let (width, height) = sizes.find(|(width, height)| *width > 0 && *height > 0).unwrap_or((0, 0));
    VideoStream { codec, width, height }
}

/// `aac (LC) (mp4a / 0x6134706D), 44100 Hz, stereo, fltp, 69 kb/s`
fn audio_stream(about: &str) -> AudioStream {
    let codec = about.split([' ', ',']).next().unwrap_or_default().to_owned();
    let mut fields = about.split(", ");
    let rate = fields.find_map(|field| field.strip_suffix(" Hz")?.parse().ok()).unwrap_or(0);
    AudioStream { codec, rate, layout: fields.next().unwrap_or_default().to_owned() }
}

/// The first video stream larger than the limit allows, as (width, height).
pub(crate) fn too_large(probe: &Probe, limits: &Limits) -> Option<(u64, u64)> {
    probe
        .video
        .iter()
        .map(|stream| (stream.width, stream.height))
        .find(|(width, height)| width.saturating_mul(*height) > limits.max_pixels)
}

/// The quarantine row of a picture beyond the limit.
pub(crate) fn too_large_clip((width, height): (u64, u64), limits: &Limits) -> BadClip {
    let detail = format!("the picture is {width} x {height}; the limit is {} pixels", limits.max_pixels);
    BadClip::new(Stage::Video, ReasonCode::TooLarge, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_ffmpeg_prints_is_read() {
        let lines = [
            "Input #0, mov,mp4,m4a,3gp,3g2,mj2, from 'file:/a, b':",
            "  Duration: 00:01:05.31, start: 0.000000, bitrate: 1589 kb/s",
            "  Stream #0:0[0x1](und): Video: h264 (Main) (avc1 / 0x31637661), yuv420p(progressive), 1280x720 [SAR 1:1 DAR \
             16:9], 1205 kb/s, 25 fps, 25 tbr, 12800 tbn (default)",
            "    Metadata:",
            "      title           : Stream #0:7: Video: h264, 99999x99999",
            "  Stream #0:1[0x2](eng): Audio: aac (LC) (mp4a / 0x6134706D), 48000 Hz, 5.1, fltp, 384 kb/s (default)",
            "  Stream #0:2[0x0]: Video: mjpeg (Baseline), yuvj420p(pc), 64x64 [SAR 1:1 DAR 1:1], 90k tbr (attached pic)",
        ];
        let log = Log { inputs: vec![lines.map(str::to_owned).to_vec()], ..Log::default() };
        let probe = from_log(&log).unwrap();
        assert_eq!(probe.format, "mov,mp4,m4a,3gp,3g2,mj2");
        assert_eq!(probe.duration_secs, Some(65.31));
        assert_eq!(probe.video, [VideoStream { codec: "h264".into(), width: 1280, height: 720 }]);
        assert_eq!(probe.audio, [AudioStream { codec: "aac".into(), rate: 48000, layout: "5.1".into() }]);
    }
}
