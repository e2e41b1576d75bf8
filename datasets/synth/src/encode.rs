//! A clip as files: frames go to ffmpeg's standard input, samples through a WAV file, H.264 and AAC in MP4 come out; or
//! pictures and the WAV file are what is wanted.

use std::{
    fs::{self, File},
    io::{BufWriter, Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use sha2::{Digest, Sha256};

use crate::{error::SynthError, options::SynthOptions};

/// The program, with few variables of our environment.
fn bare(ffmpeg: &Path) -> Command {
    let mut command = Command::new(ffmpeg);
    copl_media::confine::environment(&mut command);
    command
}

/// The first line of `ffmpeg -version`, without its copyright.
pub(super) fn version(ffmpeg: &Path) -> Result<String, SynthError> {
    let output = bare(ffmpeg)
        .arg("-version")
        .stdin(Stdio::null())
        .output()
        .map_err(|source| SynthError::Start { ffmpeg: ffmpeg.to_owned(), source })?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().next().unwrap_or_default();
    Ok(line.split(" Copyright").next().unwrap_or_default().trim().to_owned())
}

/// The sound of a video.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sound<'a> {
    /// Samples of all channels side by side.
    pub pcm: &'a [i16],
    pub coder: AacCoder,
}

/// How ffmpeg's AAC encoder searches: the files of a set are heard a little differently with another coder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AacCoder {
    /// ffmpeg's default.
    TwoLoop,
    /// Half the time a second of sound takes, and no less like it.
    Fast,
}

impl AacCoder {
    fn name(self) -> &'static str {
        match self {
            Self::TwoLoop => "twoloop",
            Self::Fast => "fast",
        }
    }
}

/// Writes `frames` frames, drawn in order into three bytes a pixel, and the samples as one MP4; `hash` takes in each frame.
pub(super) fn write_video(
    out: &Path,
    frames: usize,
    mut draw: impl FnMut(usize, &mut Vec<u8>),
    sound: Sound<'_>,
    options: &SynthOptions,
    hash: &mut Sha256,
) -> Result<(), SynthError> {
    let mut encoder = Encoder::start(out, sound, options)?;
    let mut rgb = Vec::new();
    for index in 0..frames {
        draw(index, &mut rgb);
        hash.update(&rgb);
        encoder.frame(&rgb)?;
    }
    encoder.finish()
}

/// An ffmpeg that takes frames and writes one MP4.
struct Encoder {
    child: Child,
    out: PathBuf,
    wav: PathBuf,
}

impl Encoder {
    /// The WAV file is put beside `out` and removed in the end.
    fn start(out: &Path, sound: Sound<'_>, options: &SynthOptions) -> Result<Self, SynthError> {
        let wav = out.with_extension("wav");
        write_wav(&wav, sound.pcm, options)?;
        let mut command = bare(&options.ffmpeg);
        command.args(["-v", "error", "-y", "-f", "rawvideo", "-pixel_format", "rgb24"]);
        command.args(["-video_size", &format!("{}x{}", options.width, options.height)]);
        command.args(["-framerate", &options.frames_per_sec.to_string(), "-i", "pipe:0", "-i"]).arg(&wav);
        command.args(["-map", "0:v:0", "-map", "1:a:0", "-c:v", "libx264", "-preset", "veryfast", "-crf", "24"]);
        command.args(["-pix_fmt", "yuv420p", "-threads", "1", "-c:a", "aac", "-b:a", "64k"]);
        command.args(["-aac_coder", sound.coder.name()]);
        // No time of day or program name in the file: the same input gives the same bytes.
        command.args(["-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact"]);
        command.args(["-f", "mp4"]).arg(out);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let child = command.spawn().map_err(|source| SynthError::Start { ffmpeg: options.ffmpeg.clone(), source })?;
        Ok(Self { child, out: out.to_owned(), wav })
    }

    /// Sends one frame of three bytes a pixel.
    fn frame(&mut self, rgb: &[u8]) -> Result<(), SynthError> {
        let sent = self.child.stdin.as_mut().is_some_and(|pipe| pipe.write_all(rgb).is_ok());
        if sent {
            return Ok(());
        }
        // A closed pipe means that ffmpeg has given up; its own words say why.
        self.close()?;
        Err(SynthError::Encode { out: self.out.clone(), status: "ended early".to_owned(), said: String::new() })
    }

    /// Waits until the file is whole.
    fn finish(mut self) -> Result<(), SynthError> {
        self.close()?;
        fs::remove_file(&self.wav).map_err(|source| SynthError::Io { path: self.wav.clone(), source })
    }

    fn close(&mut self) -> Result<(), SynthError> {
        drop(self.child.stdin.take());
        let mut said = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            let _ = stderr.read_to_string(&mut said);
        }
        let status = self.child.wait().map_err(|source| SynthError::Io { path: self.out.clone(), source })?;
        if status.success() && said.trim().is_empty() {
            Ok(())
        } else {
            Err(SynthError::Encode { out: self.out.clone(), status: status.to_string(), said: said.trim().to_owned() })
        }
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        // Only of use when a clip is given up half-way; a finished child is left alone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes `pcm`, samples of all channels side by side, as a WAV file of 16 bits.
pub(super) fn write_wav(path: &Path, pcm: &[i16], options: &SynthOptions) -> Result<(), SynthError> {
    let spec = hound::WavSpec {
        channels: options.channels,
        sample_rate: options.sample_rate_hz,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let write = || {
        let mut file = hound::WavWriter::create(path, spec)?;
        let mut samples = file.get_i16_writer(pcm.len() as u32);
        pcm.iter().for_each(|sample| samples.write_sample(*sample));
        samples.flush()?;
        file.finalize()
    };
    write().map_err(|source| SynthError::Wav { path: path.to_owned(), source })
}

/// Writes a picture of three bytes a pixel as a PNG.
pub(super) fn write_picture(path: &Path, rgb: &[u8], options: &SynthOptions) -> Result<(), SynthError> {
    let file = File::create(path).map_err(|source| SynthError::Io { path: path.to_owned(), source })?;
    let mut encoder = png::Encoder::new(BufWriter::new(file), options.width, options.height);
    encoder.set_color(png::ColorType::Rgb);
    let write = || -> Result<(), png::EncodingError> {
        let mut writer = encoder.write_header()?;
        writer.write_image_data(rgb)?;
        writer.finish()
    };
    write().map_err(|source| SynthError::Picture { path: path.to_owned(), source })
}
