//! A run that is cut and goes on ends in the numbers of one that is not: metrics, samples and adapters, bit for bit.
//!
//! Each chain cuts one run again and again, every time at another moment and by killing another process, and goes on each
//! time with `copl resume`. Six chains cover checkpoint intervals 1, 2 and 5, one and four decoder workers, every node and
//! the command itself. With `COPL_RESUME_MATRIX` set, every victim meets every moment in every such setting: 210 cuts.

#![allow(clippy::disallowed_methods, reason = "files of a test")]

mod common;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use common::{alone, children, copl, mini_run_of, run_folder, shared_memory, signal, text, tiny_ave, wait};
use copl_reports::Store;
use copl_reports::tables::Table;
use nix::sys::signal::Signal;

const COMMAND: &str = "command";
const VICTIMS: [&str; 7] =
    ["copl-model", COMMAND, "loss-metrics", "report-writer", "clip-source", "video-decoder", "spectrogram"];
const EPOCHS: [&str; 4] = ["--epochs", "6", "--seed", "3"];

/// When a run is cut.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// After the first step since it began or went on.
    FirstStep,
    /// Some steps later.
    Middle,
    /// When the last step of an epoch is done.
    LastStep,
    /// When an epoch's validation is done.
    BetweenEpochs,
    /// While a checkpoint is being written.
    Writing,
}

const MOMENTS: [Moment; 5] =
    [Moment::FirstStep, Moment::LastStep, Moment::Writing, Moment::Middle, Moment::BetweenEpochs];

/// Waits for the moment: reads the events the run prints; looks at its folder while a checkpoint is awaited.
fn wait_for(moment: Moment, run: &mut Child, work: &Path) {
    let out = run.stdout.take().unwrap();
    #[allow(clippy::disallowed_methods, reason = "the test reads events as they come")]
    let (sender, events) = std::sync::mpsc::channel();
    // Reads on to the end, so that the run is never kept waiting.
    std::thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    let start = Instant::now();
    let (mut steps, mut said) = (0, String::new());
    loop {
        assert!(start.elapsed() < Duration::from_secs(90), "{moment:?} never came: {said}");
        // What an earlier cut left is cleared away before the first node starts.
        if matches!(moment, Moment::Writing) && said.contains("\"started\"") && is_writing(work) {
            return;
        }
        let Ok(line) = events.recv_timeout(Duration::from_micros(200)) else { continue };
        let is_metrics = line.contains("\"metrics\"");
        steps += usize::from(is_metrics && line.contains("\"whole\":false"));
        let whole = |split: &str| is_metrics && line.contains("\"whole\":true") && line.contains(split);
        said += &line;
        said.push('\n');
        let is_now = match moment {
            Moment::FirstStep => steps == 1,
            Moment::Middle => steps == 3,
            Moment::LastStep => whole("\"train\""),
            Moment::BetweenEpochs => whole("\"val\""),
            Moment::Writing => false,
        };
        if is_now {
            return;
        }
    }
}

fn is_writing(work: &Path) -> bool {
    let Ok(runs) = std::fs::read_dir(work.join("runs")) else { return false };
    let checkpoints = runs.flatten().filter_map(|run| std::fs::read_dir(run.path().join("resume")).ok());
    checkpoints.flatten().flatten().any(|entry| entry.file_name().to_string_lossy().ends_with(".partial"))
}

fn is_alive(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z"))
}

/// Cuts a running run: kills a node, or the command, and waits until nothing of it is left.
fn cut(mut run: Child, victim: &str, moment: Moment, work: &Path, before: &[PathBuf]) {
    wait_for(moment, &mut run, work);
    let family = children(run.id());
    let pid = match victim {
        COMMAND => run.id() as i32,
        node => family
            .iter()
            .find(|(_, line)| line.contains(&format!("node {node}")))
            .map(|(pid, _)| *pid)
            .unwrap_or_else(|| panic!("{node} is gone before it could be killed at {moment:?}: {family:?}")),
    };
    signal(pid, Signal::SIGKILL);
    let start = Instant::now();
    if victim == COMMAND {
        let _ = run.wait();
    } else {
        let (output, _) = wait(run, Duration::from_secs(20));
        let said = text(&output);
        assert_eq!(output.status.code(), Some(6), "{victim} at {moment:?}: {said}");
        assert!(said.contains("copl resume "), "{said}");
    }
    let left = || family.iter().filter(|(pid, _)| is_alive(*pid)).collect::<Vec<_>>();
    while !left().is_empty() {
        assert!(start.elapsed() < Duration::from_secs(5), "{victim} at {moment:?}: still there: {:?}", left());
        std::thread::sleep(Duration::from_millis(20));
    }
    let left: Vec<_> = shared_memory().into_iter().filter(|f| !before.contains(f)).collect();
    assert!(left.is_empty(), "{victim} at {moment:?}: left in shared memory: {left:?}");
}

fn resume(work: &Path) -> Command {
    let mut command = copl();
    command.args(["resume", "last", "--json", "--runs"]).arg(work.join("runs"));
    command.env("XDG_CACHE_HOME", work.join("cache"));
    command
}

fn start(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// What must be the same: all metrics and samples in their order, numbers as bits, and the adapters' bytes.
#[derive(PartialEq)]
struct Numbers {
    metrics: Vec<String>,
    samples: Vec<String>,
    quarantine: Vec<String>,
    files: Vec<Vec<u8>>,
}

fn rows(folder: &Path, table: Table) -> Vec<String> {
    let frame = copl_reports::read(folder, table).unwrap();
    let columns = frame.columns();
    let cell = |row: usize| {
        let cells = columns.iter().filter(|c| c.name() != "run").map(|c| match c.f64() {
            Ok(numbers) => format!("{:x}", numbers.get(row).unwrap().to_bits()),
            Err(_) => c.get(row).unwrap().to_string(),
        });
        cells.collect::<Vec<_>>().join("|")
    };
    (0..frame.height()).map(cell).collect()
}

fn numbers(work: &Path) -> Numbers {
    let folder = run_folder(work);
    Numbers {
        metrics: rows(&folder, Table::Metrics),
        samples: rows(&folder, Table::Samples),
        quarantine: rows(&folder, Table::Quarantine),
        files: ["last", "best"]
            .map(|name| std::fs::read(folder.join(format!("checkpoints/{name}.safetensors"))).unwrap())
            .into(),
    }
}

fn assert_same(found: &Numbers, expected: &Numbers, what: &str) {
    for (found, expected, table) in [
        (&found.metrics, &expected.metrics, "metrics"),
        (&found.samples, &expected.samples, "samples"),
        (&found.quarantine, &expected.quarantine, "quarantine"),
    ] {
        let first = found.iter().zip(expected).find(|(a, b)| a != b);
        assert!(first.is_none(), "{what}: {table}: {first:?}");
        assert_eq!(found.len(), expected.len(), "{what}: rows of {table}");
    }
    assert!(found.files == expected.files, "{what}: the adapters differ");
}

/// The set with a clip that cannot be decoded, so that the quarantine too must come back.
fn data() -> &'static Path {
    static SET: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = SET.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ave");
        std::fs::create_dir_all(path.join("AVE")).unwrap();
        for (from, to) in [(tiny_ave().to_owned(), path.clone()), (tiny_ave().join("AVE"), path.join("AVE"))] {
            for entry in std::fs::read_dir(from).unwrap().flatten().filter(|e| e.path().is_file()) {
                std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
            }
        }
        let train = std::fs::read_to_string(path.join("trainSet.txt")).unwrap();
        let id = train.lines().nth(3).unwrap().split('&').nth(1).unwrap();
        std::fs::write(path.join("AVE").join(format!("{id}.mp4")), "no video").unwrap();
        (dir, path)
    });
    path
}

fn command(work: &Path, interval: u32, workers: u32) -> Command {
    let (interval, video, sound) = (
        format!("model.CHECKPOINT_STEPS={interval}"),
        format!("video.WORKERS={workers}"),
        format!("spectrogram.WORKERS={workers}"),
    );
    let more = ["--json", "--set", &interval, "--set", &video, "--set", &sound, "--set", "source.MAX_BAD_FRACTION=0.5"];
    mini_run_of("ave-mini.yml", data(), work, &[&EPOCHS[..], &more[..]].concat())
}

/// The run that is not cut.
fn straight() -> &'static Numbers {
    static STRAIGHT: OnceLock<Numbers> = OnceLock::new();
    STRAIGHT.get_or_init(|| {
        let work = tempfile::tempdir().unwrap();
        let done = command(work.path(), 100, 2).output().unwrap();
        assert!(done.status.success(), "{}", text(&done));
        let numbers = numbers(work.path());
        assert_eq!(numbers.quarantine.len(), 6, "the broken clip, once an epoch");
        assert!(!run_folder(work.path()).join("resume").exists(), "a run that has ended keeps no checkpoint");
        numbers
    })
}

/// Cuts one run at each of these moments, goes on each time, and compares its end.
fn chain(interval: u32, workers: u32, cuts: &[(&str, Moment)]) {
    let work = tempfile::tempdir().unwrap();
    let before = shared_memory();
    let mut run = start(&mut command(work.path(), interval, workers));
    for (victim, moment) in cuts {
        cut(run, victim, *moment, work.path(), &before);
        run = start(&mut resume(work.path()));
    }
    let (output, _) = wait(run, Duration::from_secs(120));
    let what = format!("interval {interval}, {workers} workers, {cuts:?}");
    assert!(output.status.success(), "{what}: {}", text(&output));
    assert_same(&numbers(work.path()), straight(), &what);
    let record = std::fs::read_to_string(run_folder(work.path()).join("run.json")).unwrap();
    assert_eq!(record.matches("\"from\"").count(), cuts.len(), "{record}");
    println!("the same: {what}");
}

#[test]
fn a_run_cut_anywhere_by_any_process_ends_in_the_same_numbers() {
    let _alone = alone();
    straight();
    let settings = [1, 2, 5].into_iter().flat_map(|interval| [1, 4].map(|workers| (interval, workers)));
    for (number, (interval, workers)) in settings.enumerate() {
        if std::env::var_os("COPL_RESUME_MATRIX").is_some() {
            for round in 0..VICTIMS.len() {
                let victim = |i: usize| VICTIMS[(i + round) % VICTIMS.len()];
                let cuts: Vec<_> = MOMENTS.iter().enumerate().map(|(i, moment)| (victim(i), *moment)).collect();
                chain(interval, workers, &cuts);
            }
        } else {
            let victim = |i: usize| VICTIMS[(i * 3 + number * 2) % VICTIMS.len()];
            // Three moments each; over the chains each comes often.
            let cuts: Vec<_> = (0..3).map(|i| (victim(i), MOMENTS[(number * 3 + i) % MOMENTS.len()])).collect();
            chain(interval, workers, &cuts);
        }
    }
}

fn run_of(work: &Path) -> copl_reports::RunFolder {
    Store::new(work.join("runs")).open("last").unwrap()
}

/// Has the run have started and been cut ten days ago.
fn lie_dead_for_days(work: &Path) {
    let run = run_of(work);
    let mut record = run.read_record().unwrap();
    record.started_unix -= 864_000.0;
    record.finished_unix = record.finished_unix.map(|end| end - 864_000.0);
    run.write_record(&record).unwrap();
}

#[test]
fn an_interrupted_run_writes_a_checkpoint_and_goes_on() {
    let _alone = alone();
    for wish in [Signal::SIGINT, Signal::SIGTERM] {
        let work = tempfile::tempdir().unwrap();
        let before = shared_memory();
        // No checkpoint but the one that is asked for comes before the end of a pass.
        let mut run = start(&mut command(work.path(), 0, 1));
        wait_for(Moment::FirstStep, &mut run, work.path());
        signal(run.id(), wish);
        let (output, took) = wait(run, Duration::from_secs(20));
        let said = text(&output);
        assert_eq!(output.status.code(), Some(130), "{said}");
        assert!(took < Duration::from_secs(6), "stopped after {took:?}: {said}");
        assert!(said.contains("interrupted\ngo on from its last checkpoint: copl resume "), "{said}");
        let left: Vec<_> = shared_memory().into_iter().filter(|f| !before.contains(f)).collect();
        assert!(left.is_empty(), "left in shared memory: {left:?}");
        assert!(run_folder(work.path()).join("resume/LATEST").is_file());
        lie_dead_for_days(work.path());
        let done = resume(work.path()).output().unwrap();
        assert!(done.status.success(), "{}", text(&done));
        assert_same(&numbers(work.path()), straight(), "interrupted");
        let secs = run_of(work.path()).read_record().unwrap().wall_secs().unwrap();
        assert!((1.0..10_000.0).contains(&secs), "the days in which it lay dead are no time of the run: {secs} s");
    }
}

#[test]
fn a_run_that_goes_on_or_has_ended_cannot_be_resumed() {
    let _alone = alone();
    let work = tempfile::tempdir().unwrap();
    let mut run = start(&mut command(work.path(), 1, 1));
    wait_for(Moment::FirstStep, &mut run, work.path());
    let refused = resume(work.path()).output().unwrap();
    assert_eq!(refused.status.code(), Some(2), "{}", text(&refused));
    assert!(text(&refused).contains("is still running"), "{}", text(&refused));
    let (output, _) = wait(run, Duration::from_secs(120));
    assert!(output.status.success(), "{}", text(&output));
    let refused = resume(work.path()).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused).contains("nothing to resume"), "{}", text(&refused));
}

#[test]
fn a_run_does_not_go_on_with_other_data() {
    let _alone = alone();
    let work = tempfile::tempdir().unwrap();
    let set = work.path().join("set");
    let made =
        copl().args(["data", "synth", "ave", "--train", "4", "--val", "2", "--test", "2", "--out"]).arg(&set).output();
    assert!(made.unwrap().status.success());
    let mut run = start(&mut mini_run_of("ave-mini.yml", &set, work.path(), &["--epochs", "200", "--json"]));
    wait_for(Moment::BetweenEpochs, &mut run, work.path());
    signal(run.id(), Signal::SIGINT);
    wait(run, Duration::from_secs(20));
    let list = std::fs::read_to_string(set.join("trainSet.txt")).unwrap();
    std::fs::write(set.join("trainSet.txt"), list.lines().rev().map(|l| format!("{l}\n")).collect::<String>()).unwrap();
    let refused = resume(work.path()).output().unwrap();
    assert_eq!(refused.status.code(), Some(4), "{}", text(&refused));
    assert!(text(&refused).contains("the dataset has changed since the run began"), "{}", text(&refused));
}

/// The other tasks count and draw more: masks by category, negatives, dropout. Encoders in nodes of their own are fresh when a
/// run goes on, and LAVISH's batch norms have gone on with every step.
#[test]
fn every_task_encoder_nodes_and_running_statistics_go_on_the_same() {
    let _alone = alone();
    let sets = tempfile::tempdir().unwrap();
    let made = |kind: &str, train: &str| {
        let path = sets.path().join(kind);
        let counts = ["--train", train, "--val", "2", "--test", "2", "--out"];
        let made = copl().args(["data", "synth", kind]).args(counts).arg(&path).output().unwrap();
        assert!(made.status.success(), "{}", text(&made));
        path
    };
    let (avs, avqa) = (made("avs", "6"), made("avqa", "6"));
    let cases: [(&str, &Path, &str, &[&str]); 4] = [
        (
            "avs-s4-mini.yml",
            &avs,
            "loss-metrics",
            &["--epochs", "4", "--set", "model.DECODER=avsbench", "--set", "model.DECODER_WIDTH=16"],
        ),
        ("music-avqa-mini.yml", &avqa, "text-encoder", &["--epochs", "2"]),
        ("ave-mini-split.yml", tiny_ave(), "encoder", &["--epochs", "4"]),
        // Its batch norms keep running statistics, which are state.
        (
            "ave-mini.yml",
            tiny_ave(),
            "copl-model",
            &["--epochs", "4", "--set", "model.METHOD=lavish", "--set", "model.REDUCTION=4"],
        ),
    ];
    for (flow, data, victim, epochs) in cases {
        let more = [epochs, &["--seed", "3", "--json", "--set", "model.CHECKPOINT_STEPS=2"]].concat();
        let (whole, work) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let done = mini_run_of(flow, data, whole.path(), &more).output().unwrap();
        assert!(done.status.success(), "{flow}: {}", text(&done));
        let before = shared_memory();
        let run = start(&mut mini_run_of(flow, data, work.path(), &more));
        cut(run, victim, Moment::Middle, work.path(), &before);
        let run = start(&mut resume(work.path()));
        cut(run, COMMAND, Moment::BetweenEpochs, work.path(), &before);
        let done = resume(work.path()).output().unwrap();
        assert!(done.status.success(), "{flow}: {}", text(&done));
        assert_same(&numbers(work.path()), &numbers(whole.path()), flow);
    }
}
