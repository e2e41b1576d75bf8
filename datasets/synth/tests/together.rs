//! Several processes that make the same missing set, and makers that were killed.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use copl_synth::{Progress, SynthOptions, SynthSummary, ave};

/// Where [`a_maker_to_be_killed`] is to make its set.
const PLACE: &str = "COPL_SYNTH_TEST_PLACE";
/// Longer than any machine takes for what is waited for.
const PATIENCE: Duration = Duration::from_secs(120);

fn small() -> SynthOptions {
    SynthOptions { train: 4, val: 1, test: 1, width: 64, height: 48, frames_per_sec: 4, jobs: 1, ..SynthOptions::ave() }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The second starts while the first is at work, and finds the set when the first is done.
#[test]
fn of_two_makers_one_makes_the_set_and_the_other_waits_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let out = &folder.path().join("mini");
    #[allow(clippy::disallowed_methods, reason = "one message")]
    let (waits, waited) = mpsc::channel();
    let (first, second) = thread::scope(|scope| {
        let mut second = None;
        let first = ave(out, &small(), &mut |told| {
            if told == (Progress::Clips { done: 1, total: 6 }) {
                let waits = waits.clone();
                second = Some(scope.spawn(move || ave(out, &small(), &mut |told| waits.send(told).unwrap())));
                assert_eq!(waited.recv_timeout(PATIENCE), Ok(Progress::Waiting));
            }
        });
        (first.unwrap(), second.unwrap().join().unwrap().unwrap())
    });
    assert!(!first.reused);
    assert_eq!(second, SynthSummary { reused: true, ..first });
    assert_eq!(waited.try_iter().next(), None, "it said that it waits once, and made nothing");
    assert_eq!(names(folder.path()), ["mini"]);
}

/// Not a test: what the next one starts as a process of its own.
#[test]
#[ignore = "started by another test"]
fn a_maker_to_be_killed() {
    let out = PathBuf::from(env::var_os(PLACE).unwrap());
    ave(&out, &SynthOptions { train: 400, ..small() }, &mut |_| {}).unwrap();
}

/// A process that makes a large set at `out`, once its first video is there.
fn maker(out: &Path) -> Child {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "a_maker_to_be_killed", "--ignored"])
        .env(PLACE, out)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while scratch(out.parent().unwrap()).is_none_or(|scratch| !scratch.join("set/AVE").is_dir()) {
        assert!(child.try_wait().unwrap().is_none() && begun.elapsed() < PATIENCE, "the maker does not begin");
        thread::sleep(Duration::from_millis(5));
    }
    child
}

fn scratch(folder: &Path) -> Option<PathBuf> {
    names(folder).into_iter().find(|name| name.contains("synth-partial")).map(|name| folder.join(name))
}

#[test]
fn what_a_killed_maker_left_is_cleared_away_and_what_a_living_one_has_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let (large, other) = (folder.path().join("large"), folder.path().join("other"));
    let mut child = maker(&large);
    let scratch = scratch(folder.path()).unwrap();
    ave(&other, &small(), &mut |_| {}).unwrap();
    assert!(child.try_wait().unwrap().is_none(), "the maker lives");
    assert!(scratch.join("set/AVE").is_dir(), "nobody touched what it makes");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(scratch.is_dir());
    // Whatever is made beside it clears it away, the same set too.
    fs::remove_dir_all(&other).unwrap();
    ave(&other, &small(), &mut |told| assert_ne!(told, Progress::Waiting)).unwrap();
    assert!(!scratch.exists());
    let mut child = maker(&large);
    child.kill().unwrap();
    child.wait().unwrap();
    ave(&large, &small(), &mut |told| assert_ne!(told, Progress::Waiting)).unwrap();
    assert_eq!(names(folder.path()), ["large", "other"]);
}
