//! Why a clip, or the whole machinery, cannot go on.
//!
//! [`MediaError::Bad`] concerns one clip: it is quarantined and the others go on. Every other variant concerns the
//! machine or the settings and stops the node.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Why a clip is quarantined. The codes are part of the report format: they are added to, never renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ReasonCode {
    /// There is no such file.
    Missing,
    /// The path is a folder, a pipe or a device.
    NotAFile,
    /// The file exists but the system refuses to read it.
    Unreadable,
    /// The file has no bytes.
    EmptyFile,
    /// ffmpeg finds no media in it, or a format that is not allowed.
    NotMedia,
    /// No video stream (a cover picture is not one).
    NoVideo,
    /// No audio stream.
    NoAudio,
    /// Less than the shortest clip the settings allow.
    TooShort,
    /// The file ends before the stream it announces.
    Truncated,
    /// The picture is larger than `max_pixels`.
    TooLarge,
    /// The file or what it decodes to is larger than the limit in bytes.
    Oversized,
    /// Decoding took longer than `timeout`.
    Timeout,
    /// The samples hold NaN or infinity.
    NanAudio,
    /// The decoder gave up, or reported more faults than `max_fault_fraction` allows.
    DecodeError,
}

impl ReasonCode {
    /// Every code, in the order of the documentation.
    pub const ALL: [Self; 14] = [
        Self::Missing,
        Self::NotAFile,
        Self::Unreadable,
        Self::EmptyFile,
        Self::NotMedia,
        Self::NoVideo,
        Self::NoAudio,
        Self::TooShort,
        Self::Truncated,
        Self::TooLarge,
        Self::Oversized,
        Self::Timeout,
        Self::NanAudio,
        Self::DecodeError,
    ];

    /// The stable name, as written to `quarantine.parquet`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::NotAFile => "not_a_file",
            Self::Unreadable => "unreadable",
            Self::EmptyFile => "empty_file",
            Self::NotMedia => "not_media",
            Self::NoVideo => "no_video",
            Self::NoAudio => "no_audio",
            Self::TooShort => "too_short",
            Self::Truncated => "truncated",
            Self::TooLarge => "too_large",
            Self::Oversized => "oversized",
            Self::Timeout => "timeout",
            Self::NanAudio => "nan_audio",
            Self::DecodeError => "decode_error",
        }
    }
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ReasonCode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|code| code.as_str() == text).ok_or_else(|| format!("unknown reason code `{text}`"))
    }
}

/// Where a clip failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    File,
    Video,
    Audio,
}

impl Stage {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Video => "video",
            Self::Audio => "audio",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One clip that cannot be used: a row of the quarantine table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{stage}: {reason}: {detail}")]
pub struct BadClip {
    pub stage: Stage,
    pub reason: ReasonCode,
    /// For a person: ffmpeg's words or the numbers that did not fit.
    pub detail: String,
}

impl BadClip {
    pub fn new(stage: Stage, reason: ReasonCode, detail: impl Into<String>) -> Self {
        Self { stage, reason, detail: detail.into() }
    }
}

/// What decoding can end in besides a result.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    #[error(transparent)]
    Bad(#[from] BadClip),
    #[error(
        "ffmpeg was not found (looked for `{}`); install it (Debian, Ubuntu: `apt install ffmpeg`; macOS: `brew install \
         ffmpeg`; or https://ffmpeg.org/download.html) and make sure it is on PATH",
        .looked_for.display()
    )]
    NoFfmpeg { looked_for: PathBuf },
    #[error("the ffmpeg `{}` cannot be used: it says `{said}`; version 5.1 or later is needed", .ffmpeg.display())]
    UnfitFfmpeg { ffmpeg: PathBuf, said: String },
    #[error("could not {doing}: {source}")]
    System { doing: String, source: std::io::Error },
    #[error("media settings: {0}")]
    Settings(String),
}

impl MediaError {
    /// The quarantine row, if only this clip is at fault.
    pub fn bad_clip(&self) -> Option<&BadClip> {
        match self {
            Self::Bad(bad) => Some(bad),
            _ => None,
        }
    }

    pub(crate) fn system(doing: impl Into<String>, source: std::io::Error) -> Self {
        Self::System { doing: doing.into(), source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_reads_back_from_its_name() {
        for code in ReasonCode::ALL {
            assert_eq!(code.as_str().parse::<ReasonCode>(), Ok(code));
        }
    }
}
