//! What the tests of sets of videos share.

use std::{path::Path, process::Command};

/// Bytes of a stream, decoded.
pub fn decoded(media: &Path, arguments: &[&str]) -> usize {
    let output =
        Command::new("ffmpeg").args(["-v", "error", "-i"]).arg(media).args(arguments).arg("-").output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout.len()
}

/// The video is whole: 10 s of four frames of 64 x 48 pixels a second, and of 16,000 samples a second.
pub fn is_whole(video: &Path) {
    assert_eq!(decoded(video, &["-f", "rawvideo", "-pix_fmt", "gray"]), 40 * 64 * 48, "40 frames of 10 s");
    let samples = decoded(video, &["-f", "s16le"]) / 2;
    assert!((160_000..162_000).contains(&samples), "{samples} samples; AAC may add less than two of its frames");
}
