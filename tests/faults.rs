//! What happens when something breaks: a killed node, clips that cannot be decoded, paths that leave the data root.

#![allow(clippy::disallowed_methods, reason = "files of a test")]

mod common;

use std::process::Stdio;
use std::time::{Duration, Instant};

use common::{alone, children, mini_run, run_folder, shared_memory, signal, text, tiny_ave, wait};
use copl_reports::tables::Table;
use nix::sys::signal::Signal;

#[test]
fn a_killed_node_stops_the_run_within_five_seconds_and_is_named() {
    let _alone = alone();
    for node in ["copl-model", "video-decoder", "loss-metrics", "report-writer", "clip-source"] {
        let work = tempfile::tempdir().unwrap();
        let before = shared_memory();
        let mut command = mini_run(tiny_ave(), work.path(), &["--epochs", "500", "--json"]);
        let run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let start = Instant::now();
        let victim = loop {
            assert!(start.elapsed() < Duration::from_secs(60), "{node} never started");
            let parent = run.id();
            match children(parent).into_iter().find(|(_, line)| line.contains(&format!("node {node}"))) {
                Some((pid, _)) if start.elapsed() > Duration::from_secs(4) => break pid,
                _ => std::thread::sleep(Duration::from_millis(50)),
            }
        };
        signal(victim, Signal::SIGKILL);
        let (output, took) = wait(run, Duration::from_secs(20));
        let said = text(&output);
        assert!(took < Duration::from_secs(5), "{node}: stopped after {took:?}: {said}");
        assert_eq!(output.status.code(), Some(6), "{node}: {said}");
        let id = match node {
            "copl-model" => "model",
            "video-decoder" => "video",
            "loss-metrics" => "loss",
            "report-writer" => "report",
            _ => "source",
        };
        assert!(said.contains(&format!("node `{id}` was killed by SIGKILL")), "{node}: {said}");
        let left: Vec<_> = shared_memory().into_iter().filter(|f| !before.contains(f)).collect();
        assert!(left.is_empty(), "{node}: left in shared memory: {left:?}");
    }
}

/// A made AVE with eight broken clips in the place of good training clips.
fn broken_ave(work: &std::path::Path) -> (std::path::PathBuf, Vec<(String, String)>) {
    let data = work.join("broken");
    std::fs::create_dir_all(data.join("AVE")).unwrap();
    for file in ["Annotations.txt", "trainSet.txt", "valSet.txt", "testSet.txt"] {
        std::fs::copy(tiny_ave().join(file), data.join(file)).unwrap();
    }
    let train = std::fs::read_to_string(data.join("trainSet.txt")).unwrap();
    let mut ids: Vec<String> = train.lines().map(|l| l.split('&').nth(1).unwrap().to_owned()).collect();
    ids.retain(|id| id != "VideoID");
    for clip in std::fs::read_dir(tiny_ave().join("AVE")).unwrap().flatten() {
        std::fs::copy(clip.path(), data.join("AVE").join(clip.file_name())).unwrap();
    }
    std::fs::create_dir_all(work.join("kinds")).unwrap();
    let broken = copl_media::testing::write_broken_set(&work.join("kinds")).unwrap();
    assert_eq!(broken.len(), 8);
    let mut expected = Vec::new();
    // Half of the training clips break first; the rest replace validation and test clips.
    let mut others: Vec<String> = ["valSet.txt", "testSet.txt"]
        .iter()
        .flat_map(|f| std::fs::read_to_string(data.join(f)).unwrap().lines().map(str::to_owned).collect::<Vec<_>>())
        .filter_map(|l| l.split('&').nth(1).map(str::to_owned))
        .collect();
    others.retain(|id| id != "VideoID");
    let victims: Vec<String> =
        ids.iter().take(4).chain(others.iter().take(2)).chain(others.iter().skip(4).take(2)).cloned().collect();
    for ((_, path, reason), id) in broken.iter().zip(&victims) {
        let place = data.join("AVE").join(format!("{id}.mp4"));
        std::fs::copy(path, &place).unwrap();
        expected.push((id.clone(), reason.as_str().to_owned()));
    }
    (data, expected)
}

#[test]
fn broken_clips_are_quarantined_and_the_numbers_add_up() {
    let _alone = alone();
    let work = tempfile::tempdir().unwrap();
    let (data, expected) = broken_ave(work.path());
    let done =
        mini_run(&data, work.path(), &["--epochs", "1", "--set", "source.MAX_BAD_FRACTION=0.6"]).output().unwrap();
    assert!(done.status.success(), "{}", text(&done));
    let folder = run_folder(work.path());
    let quarantine = copl_reports::read(&folder, Table::Quarantine).unwrap();
    assert_eq!(quarantine.height(), 8, "{quarantine:?}");
    let column = |name: &str| -> Vec<String> {
        let series = quarantine.column(name).unwrap();
        (0..quarantine.height()).map(|i| series.get(i).unwrap().to_string().trim_matches('"').to_owned()).collect()
    };
    let (clips, reasons, paths, stages) = (column("clip"), column("reason"), column("path"), column("stage"));
    for (id, reason) in &expected {
        let row =
            clips.iter().position(|c| c.starts_with(id.as_str())).unwrap_or_else(|| panic!("{id} is not in {clips:?}"));
        assert_eq!(&reasons[row], reason, "{id}");
        assert!(paths[row].ends_with(&format!("{id}.mp4")), "{}", paths[row]);
        // Of a file that neither decoder could read, the row is the video decoder's.
        match reason.as_str() {
            "empty_file" | "not_media" | "no_video" => assert_eq!(stages[row], "video", "{reason}"),
            "no_audio" | "nan_audio" => assert_eq!(stages[row], "spectrogram", "{reason}"),
            _ => assert!(["video", "spectrogram"].contains(&stages[row].as_str()), "{}", stages[row]),
        }
    }
    copl_reports::summarise(&folder).unwrap().check().unwrap();
    assert_eq!(copl_reports::read(&folder, Table::Samples).unwrap().height(), 16);
}

#[test]
fn too_many_broken_clips_stop_the_run() {
    let _alone = alone();
    let work = tempfile::tempdir().unwrap();
    let (data, _) = broken_ave(work.path());
    let done = mini_run(&data, work.path(), &["--epochs", "1"]).output().unwrap();
    assert_eq!(done.status.code(), Some(9), "{}", text(&done));
    assert!(text(&done).contains("MAX_BAD_FRACTION"), "{}", text(&done));
}

#[test]
fn a_path_that_leaves_the_data_root_is_refused() {
    let _alone = alone();
    let work = tempfile::tempdir().unwrap();
    let data = work.path().join("data");
    std::fs::create_dir_all(data.join("AVE")).unwrap();
    for (file, split) in [("Annotations.txt", ""), ("trainSet.txt", ""), ("valSet.txt", "x"), ("testSet.txt", "x")] {
        let row = if split.is_empty() { "Bell&../../etc/passwd&good&0&10\n" } else { "" };
        std::fs::write(data.join(file), row).unwrap();
    }
    let done = mini_run(&data, work.path(), &[]).output().unwrap();
    assert_eq!(done.status.code(), Some(4), "{}", text(&done));
    assert!(text(&done).contains("../../etc/passwd"), "{}", text(&done));
}
