//! A clip as a file: frames go to ffmpeg's standard input, samples through a WAV file, H.264 and AAC in MP4 come out.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use super::{SynthError, options::SynthOptions};

/// The first line of `ffmpeg -version`, without its copyright.
pub(super) fn version(ffmpeg: &Path) -> Result<String, SynthError> {
    let output = Command::new(ffmpeg)
        .arg("-version")
        .stdin(Stdio::null())
        .output()
        .map_err(|source| SynthError::Start { ffmpeg: ffmpeg.to_owned(), source })?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().next().unwrap_or_default();
    Ok(line.split(" Copyright").next().unwrap_or_default().trim().to_owned())
}

/// An ffmpeg that takes frames and writes one MP4.
pub(super) struct Encoder {
    child: Child,
    out: PathBuf,
    wav: PathBuf,
}

impl Encoder {
    /// `pcm`: samples of all channels side by side. The WAV file is put beside `out` and removed in the end.
    pub fn start(out: &Path, pcm: &[i16], options: &SynthOptions) -> Result<Self, SynthError> {
        let wav = out.with_extension("wav");
        write_wav(&wav, pcm, options).map_err(|source| SynthError::Io { path: wav.clone(), source })?;
        let mut command = Command::new(&options.ffmpeg);
        command.args(["-v", "error", "-y", "-f", "rawvideo", "-pixel_format", "rgb24"]);
        command.args(["-video_size", &format!("{}x{}", options.width, options.height)]);
        command.args(["-framerate", &options.frames_per_sec.to_string(), "-i", "pipe:0", "-i"]).arg(&wav);
        command.args(["-map", "0:v:0", "-map", "1:a:0", "-c:v", "libx264", "-preset", "veryfast", "-crf", "24"]);
        command.args(["-pix_fmt", "yuv420p", "-threads", "1", "-c:a", "aac", "-b:a", "64k"]);
        // No time of day or program name in the file: the same input gives the same bytes.
        command.args(["-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact"]);
        command.args(["-f", "mp4"]).arg(out);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let child = command.spawn().map_err(|source| SynthError::Start { ffmpeg: options.ffmpeg.clone(), source })?;
        Ok(Self { child, out: out.to_owned(), wav })
    }

    /// Sends one frame of three bytes a pixel.
    pub fn frame(&mut self, rgb: &[u8]) -> Result<(), SynthError> {
        let sent = self.child.stdin.as_mut().is_some_and(|pipe| pipe.write_all(rgb).is_ok());
        if sent {
            return Ok(());
        }
        // A closed pipe means that ffmpeg has given up; its own words say why.
        self.close()?;
        Err(SynthError::Encode { out: self.out.clone(), status: "ended early".to_owned(), said: String::new() })
    }

    /// Waits until the file is whole.
    pub fn finish(mut self) -> Result<(), SynthError> {
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

/// A 16-bit PCM WAV file.
fn write_wav(path: &Path, pcm: &[i16], options: &SynthOptions) -> io::Result<()> {
    let (channels, rate) = (options.channels, options.sample_rate_hz);
    let bytes = (pcm.len() * 2) as u32;
    let mut file = BufWriter::new(File::create(path)?);
    file.write_all(b"RIFF")?;
    file.write_all(&(36 + bytes).to_le_bytes())?;
    file.write_all(b"WAVEfmt ")?;
    file.write_all(&16_u32.to_le_bytes())?;
    file.write_all(&1_u16.to_le_bytes())?;
    file.write_all(&channels.to_le_bytes())?;
    file.write_all(&rate.to_le_bytes())?;
    file.write_all(&(rate * u32::from(channels) * 2).to_le_bytes())?;
    file.write_all(&(channels * 2).to_le_bytes())?;
    file.write_all(&16_u16.to_le_bytes())?;
    file.write_all(b"data")?;
    file.write_all(&bytes.to_le_bytes())?;
    for sample in pcm {
        file.write_all(&sample.to_le_bytes())?;
    }
    file.flush()
}
