//! `copl bench decode`: what decoding clips costs, as the decoding nodes do it.

use std::path::{Path, PathBuf};
use std::time::Instant;

use copl_contract::ExitCode;
use copl_media::{Limits, MediaError};
use copl_spectrogram::AudioSettings;
use copl_video_decoder::FrameSettings;
use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeValLike;

use super::failed;
use crate::args::DecodeArgs;
use crate::outcome::{Failure, Outcome};

/// What some decodes took, in milliseconds.
#[derive(Default)]
struct Cost {
    wall: f64,
    /// Of this process and of the ffmpegs that have ended.
    cpu: f64,
}

impl Cost {
    fn add<T>(&mut self, decode: impl FnOnce() -> Vec<Result<T, MediaError>>) -> Result<(), Failure> {
        let (start, before) = (Instant::now(), cpu_millis()?);
        for result in decode() {
            result.map_err(failed)?;
        }
        self.wall += start.elapsed().as_secs_f64() * 1e3;
        self.cpu += cpu_millis()? - before;
        Ok(())
    }

    fn line(&self, what: &str, clips: f64, about: &str) {
        let [wall, cpu] = [self.wall, self.cpu].map(|all| all / clips);
        println!("{what} {:7.2} clips/s, {wall:6.1} ms a clip, {cpu:6.1} ms of CPU{about}", 1e3 / wall);
    }
}

fn cpu_millis() -> Result<f64, Failure> {
    let of =
        |usage: Usage| (usage.user_time().num_microseconds() + usage.system_time().num_microseconds()) as f64 / 1e3;
    let [own, children] = [UsageWho::RUSAGE_SELF, UsageWho::RUSAGE_CHILDREN].map(getrusage);
    Ok(of(own.map_err(failed)?) + of(children.map_err(failed)?))
}

pub(super) fn decode(args: &DecodeArgs) -> Outcome {
    let (audio, limits) = (AudioSettings::default(), Limits::default());
    let frames = FrameSettings { size: args.size, ..FrameSettings::default() };
    let files = args.files.iter().map(std::path::absolute).collect::<Result<Vec<PathBuf>, _>>().map_err(failed)?;
    let clips = files.len() * args.passes.max(1);
    let all: Vec<&Path> = files.iter().map(PathBuf::as_path).cycle().take(clips).collect();
    let [mut picture, mut sound] = [(); 2].map(|()| Cost::default());
    for some in all.chunks(args.together.max(1)) {
        picture.add(|| copl_video_decoder::decode_all(None, some, &frames, &limits))?;
        sound.add(|| copl_spectrogram::decode_all(None, some, &audio, &limits))?;
    }
    let both = Cost { wall: picture.wall + sound.wall, cpu: picture.cpu + sound.cpu };
    let clips = clips as f64;
    picture.line("frames", clips, &format!(" ({} frames of {} px)", frames.segments, frames.size));
    sound.line("audio ", clips, &format!(" (mono, {} Hz)", audio.rate));
    both.line("both  ", clips, &format!("; {} clips at once, one after the other", args.together.max(1)));
    Ok(ExitCode::Success)
}
