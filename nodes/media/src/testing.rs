//! Clips for tests, made by ffmpeg's own generators: a good one, and one of each kind of broken. And programs in the place of
//! ffmpeg.
//!
//! Used by the tests of the decoding nodes and of whole dataflows. Needs ffmpeg with libx264 and aac on PATH.

#![allow(clippy::disallowed_methods, reason = "files of a test")]

use std::fs;
use std::io;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::ReasonCode;

/// Runs ffmpeg with `args`, quietly, and fails with what it said.
pub fn ffmpeg(args: &[&str]) -> io::Result<()> {
    let output = Command::new("ffmpeg").args(["-nostdin", "-v", "error", "-y"]).args(args).output()?;
    if output.status.success() {
        Ok(())
    } else {
        Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()))
    }
}

/// Writes a program: a shell script of these lines.
///
/// Another process writes it. The system refuses to run a file that is open for writing, and were it open here, any program
/// that another thread starts at that moment would hold it open for a moment more.
///
/// # Errors
/// If it cannot be written.
pub fn write_program(path: &Path, lines: &str) -> io::Result<()> {
    let mut command = Command::new("sh");
    command.args(["-c", "rm -f \"$0\" && cat > \"$0\" && chmod 755 \"$0\""]).arg(path).stdin(Stdio::piped());
    let mut writer = command.spawn()?;
    let sent = match writer.stdin.take() {
        Some(mut pipe) => write!(pipe, "#!/bin/sh\n{lines}\n"),
        None => Err(io::ErrorKind::BrokenPipe.into()),
    };
    let status = writer.wait()?;
    sent?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("{} was not written", path.display()))) }
}

/// Variables as a user's shell may have them, which no program should see.
const SECRETS: [(&str, &str); 3] =
    [("HF_TOKEN", "hf_secret"), ("AWS_SECRET_ACCESS_KEY", "secret"), ("FFREPORT", "file=report.log")];

/// Whether this process has variables that no program should see. If not, the test of this name is run in a process that has
/// them, and nothing is left to do here.
///
/// # Errors
/// If it fails there, with what it said.
pub fn has_secrets(test: &str) -> io::Result<bool> {
    if SECRETS.iter().all(|(name, _)| std::env::var_os(name).is_some()) {
        return Ok(true);
    }
    let mut again = Command::new(std::env::current_exe()?);
    let output = again.args(["--exact", test, "--nocapture"]).envs(SECRETS).output()?;
    if output.status.success() {
        return Ok(false);
    }
    let said = [output.stdout, output.stderr].concat();
    Err(io::Error::other(String::from_utf8_lossy(&said).into_owned()))
}

/// Whether what `env` printed has PATH as it is here and nothing that no program should see.
pub fn is_bare(environment: &str) -> bool {
    let path = std::env::var("PATH").map(|path| format!("PATH={path}"));
    let has_path = path.is_ok_and(|path| environment.lines().any(|line| line == path));
    has_path && SECRETS.iter().all(|(name, _)| !environment.contains(name))
}

fn text(path: &Path) -> io::Result<&str> {
    path.to_str().ok_or_else(|| io::Error::other("a test path is not UTF-8"))
}

/// An mp4 of `secs` seconds: a moving test picture of 128 x 96 at 25 frames a second, and a tone of 440 Hz.
pub fn write_good_clip(path: &Path, secs: f64) -> io::Result<()> {
    let video = format!("testsrc2=s=128x96:r=25:d={secs}");
    let audio = format!("sine=frequency=440:sample_rate=16000:duration={secs}");
    let inputs = ["-f", "lavfi", "-i", &video, "-f", "lavfi", "-i", &audio];
    let codecs = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-pix_fmt", "yuv420p", "-c:a", "aac"];
    ffmpeg(&[&inputs[..], &codecs, &["-movflags", "+faststart", text(path)?]].concat())
}

/// Writes one clip of each of the eight kinds of broken into `dir`: name, path, and the reason it must be refused for.
///
/// `no_audio`, `nan_audio` have sound video and `no_video`, `huge` sound audio: only one of the two decoding nodes refuses
/// them. The other four fail in both.
pub fn write_broken_set(dir: &Path) -> io::Result<Vec<(String, PathBuf, ReasonCode)>> {
    let good = dir.join("good.source.mp4");
    write_good_clip(&good, 10.0)?;
    let whole = fs::read(&good)?;
    let kinds = [
        ("empty.mp4", ReasonCode::EmptyFile),
        ("truncated.mp4", ReasonCode::Truncated),
        ("text.mp4", ReasonCode::NotMedia),
        ("no_audio.mp4", ReasonCode::NoAudio),
        ("no_video.mp4", ReasonCode::NoVideo),
        ("short.mp4", ReasonCode::TooShort),
        ("huge.mov", ReasonCode::TooLarge),
        ("nan_audio.mov", ReasonCode::NanAudio),
    ];
    let mut set = Vec::new();
    for (name, reason) in kinds {
        let path = dir.join(name);
        match reason {
            ReasonCode::EmptyFile => fs::write(&path, b"")?,
            // The index is at the front, so it opens well and breaks off in the middle.
            ReasonCode::Truncated => fs::write(&path, &whole[..whole.len() * 6 / 10])?,
            ReasonCode::NotMedia => fs::write(&path, b"This is a text file.\nIt only has the name of a clip.\n")?,
            ReasonCode::NoAudio => ffmpeg(&["-i", text(&good)?, "-an", "-c", "copy", text(&path)?])?,
            ReasonCode::NoVideo => ffmpeg(&["-i", text(&good)?, "-vn", "-c", "copy", text(&path)?])?,
            ReasonCode::TooShort => write_good_clip(&path, 0.2)?,
            ReasonCode::TooLarge => write_huge(&path)?,
            _ => write_nan(&path)?,
        }
        set.push((name.to_owned(), path, reason));
    }
    fs::remove_file(&good)?;
    Ok(set)
}

/// A small QuickTime animation whose header is changed to claim 16384 x 16384 pixels; this codec takes its size from there.
fn write_huge(path: &Path) -> io::Result<()> {
    let (video, audio) = ("testsrc2=s=64x64:r=5:d=10", "sine=frequency=440:sample_rate=16000:duration=10");
    let inputs = ["-f", "lavfi", "-i", video, "-f", "lavfi", "-i", audio];
    ffmpeg(&[&inputs[..], &["-c:v", "qtrle", "-c:a", "aac", text(path)?]].concat())?;
    let mut bytes = fs::read(path)?;
    let find =
        |what: &[u8], from: usize| bytes[from..].windows(what.len()).position(|part| part == what).map(|i| i + from);
    // Sample description: four letters of the codec, 24 bytes, then width and height, big-endian.
    let codec = find(b"stsd", 0).and_then(|table| find(b"rle ", table));
    let Some(size) = codec.map(|codec| codec + 28).filter(|size| bytes.get(*size..size + 4) == Some(&[0, 64, 0, 64]))
    else {
        return Err(io::Error::other("no sample description of 64 x 64 in the movie"));
    };
    bytes[size..size + 4].copy_from_slice(&[0x40, 0, 0x40, 0]);
    fs::write(path, bytes)
}

/// A QuickTime animation of a few kilobytes whose index states `samples` pictures of one byte each: ffmpeg makes a table of
/// all of them, 24 bytes a picture, before it reads the first.
///
/// # Errors
/// If ffmpeg fails, or writes another kind of file than it did.
pub fn write_swelling(path: &Path, samples: u32) -> io::Result<()> {
    ffmpeg(&["-f", "lavfi", "-i", "testsrc2=s=64x64:r=5:d=10", "-c:v", "qtrle", text(path)?])?;
    let mut bytes = fs::read(path)?;
    // Behind each name: version and flags, then the fields, big-endian.
    for (table, from_name, values) in
        [(b"stsz", 8, [1, samples].as_slice()), (b"stts", 8, &[1, samples, 1]), (b"stsc", 8, &[1, 1, samples, 1])]
    {
        let name = bytes.windows(4).position(|part| part == table);
        let Some(start) = name.map(|name| name + from_name).filter(|start| start + values.len() * 4 <= bytes.len())
        else {
            return Err(io::Error::other("no sample tables in the movie"));
        };
        for (number, value) in values.iter().enumerate() {
            bytes[start + number * 4..][..4].copy_from_slice(&value.to_be_bytes());
        }
    }
    fs::write(path, bytes)
}

/// Good video with ten seconds of samples that are not numbers.
fn write_nan(path: &Path) -> io::Result<()> {
    let (video, audio) = ("testsrc2=s=128x96:r=25:d=10", "aevalsrc=0/0:s=16000:d=10");
    let inputs = ["-f", "lavfi", "-i", video, "-f", "lavfi", "-i", audio];
    let codecs = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "pcm_f32le"];
    ffmpeg(&[&inputs[..], &codecs, &[text(path)?]].concat())
}
