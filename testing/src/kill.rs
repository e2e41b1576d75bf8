//! A test that runs itself again as another process, which writes until it is killed.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Names the folder to write in, in the environment of the process that writes.
const FOLDER: &str = "COPL_TEST_WRITE_IN";
/// What the writer says when its first file is whole.
const READY: &str = "copl-test: the first file is whole";

/// The folder to write in, if this process is the one to be killed.
pub fn writer() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

/// Said by the writer when its first file is whole.
pub fn ready() {
    println!("\n{READY}");
}

/// Starts the test `name` of this binary as a writer in `folder` `times` over, kills each after a time of its own, and
/// lets `look` look at what it left.
///
/// # Panics
/// If a writer cannot be started, or ends by itself.
#[allow(clippy::unwrap_used, clippy::panic, reason = "it fails the test that called")]
pub fn each(name: &str, folder: &Path, times: u32, mut look: impl FnMut(u32)) {
    for time in 0..times {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", name, "--nocapture", "--test-threads", "1"]).env(FOLDER, folder);
        let mut writer = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        // Held until the writer is gone: it goes on speaking.
        let mut said = BufReader::new(writer.stdout.take().unwrap());
        let is_ready = said.by_ref().lines().map_while(Result::ok).any(|line| line.contains(READY));
        assert!(is_ready, "the writer `{name}` ended before its first file was whole");
        // From at once to 30 ms later, never at the same point of a write.
        std::thread::sleep(Duration::from_micros(u64::from(time) * 7919 % 30_000));
        if let Some(status) = writer.try_wait().unwrap() {
            panic!("the writer `{name}` ended by itself: {status}");
        }
        // Kill is SIGKILL.
        writer.kill().unwrap();
        writer.wait().unwrap();
        drop(said);
        look(time);
    }
}
