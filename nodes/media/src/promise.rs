//! Where a stream should end by what its container says, asked of ffprobe.
//!
//! That is only done for a clip that came out short, and gives nothing where ffprobe is not installed.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::ask::{Patience, ask};
use crate::error::Stage;
use crate::input;
use crate::limits::Limits;
use crate::probe::clock;

/// Seconds after the container's start at which the first-ending stream of this kind should end.
///
/// `None` where the container does not say, or ffprobe is missing or fails: then nothing was promised.
pub fn promised_end(absolute: &Path, stage: Stage, limits: &Limits) -> Option<f64> {
    let mut url = OsString::from("file:");
    url.push(absolute);
    let mut command = Command::new(ffprobe_beside(&limits.ffmpeg));
    command
        .args(["-v", "quiet", "-protocol_whitelist", "file", "-format_whitelist", input::FORMATS])
        .args(["-of", "json", "-show_entries"])
        .arg("format=format_name,start_time,duration:stream=codec_type,start_time,duration:stream_tags=DURATION")
        .arg(url);
    let patience = Patience { timeout: limits.timeout, max_memory_bytes: limits.max_memory_bytes };
    let description = ask(&mut command, patience, serde_json::from_reader::<_, Description>).ok()?.ok()?;
    description.end(stage)
}

/// ffprobe is installed beside ffmpeg, under the same kind of name.
pub(crate) fn ffprobe_beside(ffmpeg: &Path) -> PathBuf {
    match ffmpeg.parent() {
        Some(folder) if folder != Path::new("") => folder.join("ffprobe"),
        _ => "ffprobe".into(),
    }
}

#[derive(Deserialize)]
struct Description {
    #[serde(default)]
    streams: Vec<DescribedStream>,
    format: DescribedFormat,
}

#[derive(Deserialize)]
struct DescribedFormat {
    #[serde(default)]
    format_name: String,
    start_time: Option<String>,
    duration: Option<String>,
}

#[derive(Deserialize)]
struct DescribedStream {
    #[serde(default)]
    codec_type: String,
    start_time: Option<String>,
    duration: Option<String>,
    #[serde(default)]
    tags: Tags,
}

#[derive(Deserialize, Default)]
struct Tags {
    #[serde(rename = "DURATION")]
    end: Option<String>,
}

impl Description {
    fn end(&self, stage: Stage) -> Option<f64> {
        let number = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<f64>().ok());
        let origin = number(&self.format.start_time).unwrap_or(0.0);
        let of_stream = |stream: &DescribedStream| match number(&stream.duration) {
            Some(length) => Some(number(&stream.start_time).unwrap_or(origin) + length - origin),
            // Matroska's tag is the time at which the stream ends, not its length.
            None => stream.tags.end.as_deref().and_then(clock).map(|end| end - origin),
        };
        let kind = stage.as_str();
        let ends = self.streams.iter().filter(|stream| stream.codec_type == kind).filter_map(of_stream);
        // Transport streams are left out: their length is measured from the file that is there.
        match ends.reduce(f64::min) {
            _ if self.format.format_name == "mpegts" => None,
            // Flash video states one length for all.
            None if self.format.format_name == "flv" => number(&self.format.duration),
            end => end,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promised_end_counts_from_the_start_of_the_container() {
        let text = r#"{"streams": [{"codec_type": "video", "start_time": "10.0", "duration": "10.0"},
            {"codec_type": "audio", "tags": {"DURATION": "00:00:12.500"}}],
            "format": {"format_name": "x", "start_time": "9.5", "duration": "99"}}"#;
        let description: Description = serde_json::from_str(text).unwrap();
        assert_eq!(description.end(Stage::Video), Some(10.5));
        assert_eq!(description.end(Stage::Audio), Some(3.0));
    }
}
