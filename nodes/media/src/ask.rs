//! Asking a program one thing: its standard output, read whole, within a time limit.
//!
//! For what ffmpeg and ffprobe tell beside decoding; a decode is a [`crate::ffmpeg::Run`].

use std::io;
use std::process::{ChildStdout, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use crate::confine;

/// What one question may cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    pub timeout: Duration,
    pub max_memory_bytes: u64,
}

/// Starts the command, confined, and gives what `read` makes of its output; then it is killed, should it still run.
///
/// # Errors
/// If it cannot be started, or has not closed its output in time.
pub(crate) fn ask<T: Send + 'static>(
    command: &mut Command,
    patience: Patience,
    read: impl FnOnce(ChildStdout) -> T + Send + 'static,
) -> io::Result<T> {
    confine::confine(command);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let bounded = confine::memory(&child, patience.max_memory_bytes);
    let stdout = child.stdout.take();
    let answer = bounded.and_then(|()| stdout.ok_or_else(|| io::ErrorKind::BrokenPipe.into())).and_then(|stdout| {
        #[allow(clippy::disallowed_methods, reason = "one message")]
        let (send, receive) = channel();
        thread::Builder::new().name("answer".to_owned()).spawn(move || {
            // The receiver is gone after a time-out; then the answer is of no use.
            let _ = send.send(read(stdout));
        })?;
        receive.recv_timeout(patience.timeout).map_err(|_| io::ErrorKind::TimedOut.into())
    });
    // It is asked no more: whether it ended by itself is of no account.
    let _ = confine::kill(&mut child);
    let _ = child.wait();
    answer
}
