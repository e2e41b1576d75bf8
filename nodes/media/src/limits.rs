//! What one clip may cost.

use std::path::PathBuf;
use std::time::Duration;

/// Largest file that is opened unless a caller says otherwise. A larger one is not read for its digest either.
pub const MAX_FILE_BYTES: u64 = 8 << 30;

/// Bounds on one run of ffmpeg. They never change what a good clip decodes to, so they are no part of a cache key.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// The ffmpeg to run: a name looked up on PATH, or a path. Version 5.1 or later.
    pub ffmpeg: PathBuf,
    /// Wall-clock time one clip may take; then ffmpeg is killed.
    pub timeout: Duration,
    /// Largest picture, width times height, the decoder may allocate.
    pub max_pixels: u64,
    /// Largest file that is opened.
    pub max_file_bytes: u64,
    /// Most bytes taken from ffmpeg for one clip, whatever the settings expect.
    pub max_output_bytes: u64,
    /// Address space ffmpeg may use (Linux).
    pub max_memory_bytes: u64,
    /// Share of frames or packets the decoder may report as damaged before the clip is refused. Below it the clip is
    /// used and a note says so: clips cut out of longer streams often have one bad packet at an end.
    pub max_fault_fraction: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            ffmpeg: PathBuf::from("ffmpeg"),
            timeout: Duration::from_secs(120),
            max_pixels: 8192 * 4320,
            max_file_bytes: MAX_FILE_BYTES,
            max_output_bytes: 1 << 30,
            max_memory_bytes: 4 << 30,
            max_fault_fraction: 0.02,
        }
    }
}
