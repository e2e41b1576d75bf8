//! Running ffmpeg on one clip: raw bytes from its stdout, a digest of its stderr, and an end within the limits.
//!
//! The process is started through ffmpeg-sidecar; its event iterator is not used, because it stalls when ffmpeg is
//! quiet: bytes come from `take_stdout()`. Two threads drain the pipes while this one watches the clock.

use std::ffi::OsString;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use ffmpeg_sidecar::child::FfmpegChild;
use ffmpeg_sidecar::command::FfmpegCommand;

use crate::confine;
use crate::error::{BadClip, MediaError, ReasonCode, Stage};
use crate::limits::Limits;
use crate::log::Log;

/// One run that came to its own end.
#[derive(Debug)]
pub struct Output {
    pub bytes: Vec<u8>,
    pub log: Log,
    /// The exit status was 0. A damaged file can end so too: see [`crate::verdict`].
    pub success: bool,
}

/// What to run.
pub struct Run<'a> {
    /// Whose failure it is when a limit is passed.
    pub stage: Stage,
    /// Input options, `-i`, the input ([`crate::input::arguments`]) and everything after it.
    pub args: Vec<OsString>,
    /// Where relative paths in `args` point; the current folder if `None`.
    pub folder: Option<&'a Path>,
    /// Bytes stdout may give; one more, and ffmpeg is killed.
    pub max_bytes: u64,
}

impl Run<'_> {
    /// Runs ffmpeg and takes all its output.
    ///
    /// Errors: `timeout` and `oversized` for the clip; [`MediaError::NoFfmpeg`] if there is nothing to run and
    /// [`MediaError::UnfitFfmpeg`] if it lacks what it is asked for.
    pub fn output(self, limits: &Limits) -> Result<Output, MediaError> {
        let deadline = Instant::now() + limits.timeout;
        let mut child = self.spawn(limits)?;
        let outcome = self.drain(&mut child, deadline, limits);
        if outcome.is_err() {
            // Already gone is fine; anything else shows in the wait below.
            let _ = confine::kill(child.as_inner_mut());
        }
        let status = wait(&mut child, deadline);
        let (bytes, log) = outcome?;
        let success = match status.map_err(|source| MediaError::system("wait for ffmpeg", source))? {
            Some(status) => status.success(),
            None => return Err(self.timed_out(limits)),
        };
        if log.no_memory {
            let detail = format!("ffmpeg asked for more than {} bytes of memory", limits.max_memory_bytes);
            return Err(BadClip::new(self.stage, ReasonCode::Oversized, detail).into());
        }
        match log.unfit {
            Some(said) if !success => Err(MediaError::UnfitFfmpeg { ffmpeg: limits.ffmpeg.clone(), said }),
            _ => Ok(Output { bytes, log, success }),
        }
    }

    fn spawn(&self, limits: &Limits) -> Result<FfmpegChild, MediaError> {
        let program = executable(&limits.ffmpeg);
        let mut command = FfmpegCommand::new_with_path(&program);
        command.args(["-nostdin", "-hide_banner", "-nostats", "-v", "repeat+level+info", "-filter_threads", "1"]);
        command.args(&self.args);
        if let Some(folder) = self.folder {
            command.as_inner_mut().current_dir(folder);
        }
        confine::confine(command.as_inner_mut());
        let mut child = command.spawn().map_err(|source| match source.kind() {
            ErrorKind::NotFound => MediaError::NoFfmpeg { looked_for: program },
            _ => MediaError::system(format!("start {}", program.display()), source),
        })?;
        if let Err(source) = confine::memory(child.as_inner_mut(), limits.max_memory_bytes) {
            // It must not run without the bound; that it could not be set is what is told.
            let _ = confine::kill(child.as_inner_mut());
            let _ = child.as_inner_mut().wait();
            return Err(MediaError::system("bound the memory of ffmpeg", source));
        }
        Ok(child)
    }

    fn drain(&self, child: &mut FfmpegChild, deadline: Instant, limits: &Limits) -> Result<(Vec<u8>, Log), MediaError> {
        let max_bytes = self.max_bytes.min(limits.max_output_bytes);
        let bytes = in_thread(child.take_stdout(), move |pipe| {
            let mut bytes = Vec::new();
            let read = pipe.take(max_bytes + 1).read_to_end(&mut bytes);
            read.map(|_| bytes)
        })?;
        let log = in_thread(child.take_stderr(), Log::read)?;
        let bytes =
            self.receive(&bytes, deadline, limits)?.map_err(|source| MediaError::system("read from ffmpeg", source))?;
        if bytes.len() as u64 > max_bytes {
            let detail = format!("decodes to more than {max_bytes} bytes");
            return Err(BadClip::new(self.stage, ReasonCode::Oversized, detail).into());
        }
        Ok((bytes, self.receive(&log, deadline, limits)?))
    }

    fn receive<T>(&self, from: &Receiver<T>, deadline: Instant, limits: &Limits) -> Result<T, MediaError> {
        from.recv_timeout(deadline.saturating_duration_since(Instant::now())).map_err(|error| match error {
            RecvTimeoutError::Timeout => self.timed_out(limits),
            RecvTimeoutError::Disconnected => MediaError::system("read from ffmpeg", ErrorKind::BrokenPipe.into()),
        })
    }

    fn timed_out(&self, limits: &Limits) -> MediaError {
        let detail = format!("not decoded after {:.3} s", limits.timeout.as_secs_f64());
        BadClip::new(self.stage, ReasonCode::Timeout, detail).into()
    }
}

/// The program to start: a relative path with a folder in it is made absolute, since `folder` changes what it means.
fn executable(ffmpeg: &Path) -> PathBuf {
    let has_folder = ffmpeg.components().count() > 1;
    if has_folder { std::path::absolute(ffmpeg).unwrap_or_else(|_| ffmpeg.to_owned()) } else { ffmpeg.to_owned() }
}

fn in_thread<P, T>(pipe: Option<P>, read: impl FnOnce(P) -> T + Send + 'static) -> Result<Receiver<T>, MediaError>
where
    P: Send + 'static,
    T: Send + 'static,
{
    let pipe = pipe.ok_or_else(|| MediaError::system("read from ffmpeg", ErrorKind::BrokenPipe.into()))?;
    #[allow(clippy::disallowed_methods, reason = "one message")]
    let (send, receive) = channel();
    thread::Builder::new()
        .name("ffmpeg-pipe".to_owned())
        .spawn(move || {
            // The receiver is gone after a time-out; then the result is of no use.
            let _ = send.send(read(pipe));
        })
        .map_err(|source| MediaError::system("start a reading thread", source))?;
    Ok(receive)
}

/// Reaps the child; `None` after killing it at the deadline. Its pipes are closed by now, so it is about to end.
fn wait(child: &mut FfmpegChild, deadline: Instant) -> std::io::Result<Option<std::process::ExitStatus>> {
    let child = child.as_inner_mut();
    let mut pause = Duration::from_micros(200);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            confine::kill(child)?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(args: &[&str], max_bytes: u64) -> Run<'static> {
        Run { stage: Stage::Video, args: args.iter().map(Into::into).collect(), folder: None, max_bytes }
    }

    fn endless() -> Vec<&'static str> {
        vec!["-re", "-f", "lavfi", "-i", "testsrc2=s=64x64:r=5", "-f", "rawvideo", "pipe:1"]
    }

    #[test]
    fn a_run_that_hangs_is_killed_at_the_time_limit() {
        let limits = Limits { timeout: Duration::from_millis(600), ..Limits::default() };
        let started = Instant::now();
        let error = run(&endless(), u64::MAX - 1).output(&limits).unwrap_err();
        assert_eq!(error.bad_clip().unwrap().reason, ReasonCode::Timeout);
        assert!(started.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn a_run_that_gives_too_much_is_killed() {
        let error = run(&endless(), 20_000).output(&Limits::default()).unwrap_err();
        assert_eq!(error.bad_clip().unwrap().reason, ReasonCode::Oversized);
    }

    #[test]
    fn an_option_ffmpeg_does_not_know_is_no_fault_of_the_clip() {
        for args in [
            &["-no_such_option", "1", "-"][..],
            &["-f", "lavfi", "-i", "testsrc2", "-vf", "no_such_filter", "-f", "null", "-"],
        ] {
            let error = run(args, 1).output(&Limits::default()).unwrap_err();
            assert!(matches!(error, MediaError::UnfitFfmpeg { .. }), "{error}");
        }
    }

    #[test]
    fn a_missing_ffmpeg_is_no_fault_of_the_clip_and_says_how_to_install_it() {
        let limits = Limits { ffmpeg: PathBuf::from("no-such-ffmpeg"), ..Limits::default() };
        let error = run(&[], 1).output(&limits).unwrap_err();
        assert!(matches!(error, MediaError::NoFfmpeg { .. }));
        assert!(error.to_string().contains("apt install ffmpeg"));
    }
}
