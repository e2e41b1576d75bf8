//! Opening a clip safely: what is checked before ffmpeg sees a path, and the options every input gets.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use crate::error::{BadClip, MediaError, ReasonCode, Stage};
use crate::limits::Limits;

/// Demuxers a clip may use. Play lists (HLS, DASH, concat), image sequences and text are left out: they would let one
/// file name others.
pub(crate) const FORMATS: &str = "mov,matroska,avi,mpegts,mpeg,mpegvideo,m4v,h264,hevc,flv,live_flv,asf,asf_o,ogg,rm,dv,mxf,nut,\
gif,ivf,wtv,wav,w64,aiff,au,caf,mp3,aac,flac,ac3,eac3,dts,amr,wv,tta,ape";

/// The demuxer of a single PNG: it takes no pattern, so no file names others.
const PICTURES: &str = "png_pipe";

/// Checks that `path` is a readable, regular, non-empty file within the size limit; gives its absolute path.
pub fn check(path: &Path, limits: &Limits) -> Result<PathBuf, MediaError> {
    let bad = |reason, detail: String| MediaError::Bad(BadClip::new(Stage::File, reason, detail));
    let refused = |error: std::io::Error| {
        let reason = match error.kind() {
            ErrorKind::NotFound => ReasonCode::Missing,
            _ => ReasonCode::Unreadable,
        };
        bad(reason, error.to_string())
    };
    let absolute = fs::canonicalize(path).map_err(refused)?;
    // Asked before opening: opening a pipe without a writer blocks.
    let about = fs::metadata(&absolute).map_err(refused)?;
    if !about.is_file() {
        return Err(bad(ReasonCode::NotAFile, "not a regular file".to_owned()));
    }
    if about.len() == 0 {
        return Err(bad(ReasonCode::EmptyFile, "0 bytes".to_owned()));
    }
    if about.len() > limits.max_file_bytes {
        let detail = format!("the file has {} bytes; the limit is {}", about.len(), limits.max_file_bytes);
        return Err(bad(ReasonCode::Oversized, detail));
    }
    File::open(&absolute).map_err(refused)?;
    Ok(absolute)
}

/// Options and `-i` for a file that passed [`check`]. The `file:` prefix keeps a name that begins with `-` or looks
/// like an address from being read as anything but a file.
pub fn arguments(absolute: &Path, limits: &Limits) -> Vec<OsString> {
    arguments_for(FORMATS, absolute, limits)
}

/// As [`arguments`], for a single PNG.
pub fn picture_arguments(absolute: &Path, limits: &Limits) -> Vec<OsString> {
    let mut args: Vec<OsString> = ["-f", PICTURES].map(OsString::from).into();
    args.extend(arguments_for(PICTURES, absolute, limits));
    args
}

fn arguments_for(formats: &str, absolute: &Path, limits: &Limits) -> Vec<OsString> {
    let mut url = OsString::from("file:");
    url.push(absolute);
    let mut args: Vec<OsString> = Vec::new();
    let pixels = limits.max_pixels.to_string();
    for text in ["-threads", "1", "-max_pixels", &pixels, "-protocol_whitelist", "file", "-format_whitelist", formats] {
        args.push(text.into());
    }
    args.push("-i".into());
    args.push(url);
    args
}

/// Whether the file begins like an ISO media file (mp4, mov, 3gp).
pub(crate) fn looks_like_mp4(absolute: &Path) -> bool {
    let mut head = [0_u8; 12];
    File::open(absolute).and_then(|mut file| file.read_exact(&mut head)).is_ok()
        && matches!(&head[4..8], b"ftyp" | b"moov" | b"mdat" | b"free" | b"wide")
}

/// Whether a RIFF file (AVI, WAV) is shorter than its own header says. ffmpeg takes such a file's length from its size.
pub(crate) fn is_shorter_than_its_header(absolute: &Path) -> bool {
    let mut head = [0_u8; 8];
    let Ok(mut file) = File::open(absolute) else { return false };
    let (Ok(about), Ok(())) = (file.metadata(), file.read_exact(&mut head)) else { return false };
    let [b'R', b'I', b'F', b'F', size @ ..] = head else { return false };
    let size = u32::from_le_bytes(size);
    // Written by a program that could not go back: says nothing.
    size != u32::MAX && about.len() < u64::from(size) + 8
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "files of a test")]
mod tests {
    use super::*;

    fn reason(path: &Path) -> Option<ReasonCode> {
        match check(path, &Limits::default()) {
            Err(MediaError::Bad(bad)) => Some(bad.reason),
            _ => None,
        }
    }

    #[test]
    fn what_is_no_regular_file_is_refused_before_it_is_opened() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo.mp4");
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        assert_eq!(reason(&fifo), Some(ReasonCode::NotAFile));
        assert_eq!(reason(dir.path()), Some(ReasonCode::NotAFile));
        assert_eq!(reason(&dir.path().join("none.mp4")), Some(ReasonCode::Missing));
        let empty = dir.path().join("empty.mp4");
        fs::write(&empty, b"").unwrap();
        assert_eq!(reason(&empty), Some(ReasonCode::EmptyFile));
    }
}
