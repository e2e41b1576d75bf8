//! The main job, end to end, on a tiny made AVE: real clips, real encoder, a report that is whole.

mod common;

use common::{mini_run, run_folder, text, tiny_ave};
use copl_reports::tables::Table;

#[test]
fn a_run_trains_evaluates_and_writes_its_report() {
    let work = tempfile::tempdir().unwrap();
    let done = mini_run(tiny_ave(), work.path(), &["--epochs", "2", "--seed", "3"]).output().unwrap();
    assert!(done.status.success(), "{}", text(&done));
    let folder = run_folder(work.path());
    for table in ["metrics", "samples", "params", "nodes", "checkpoints"] {
        assert!(folder.join(format!("{table}.parquet")).is_file(), "{table} is missing in {folder:?}");
    }
    // 2 x (8 train + 4 val) + 4 test clips, each with one row.
    let samples = copl_reports::read(&folder, Table::Samples).unwrap();
    assert_eq!(samples.height(), 28);
    assert!(folder.join("checkpoints/best.safetensors").is_file());
    assert!(folder.join("checkpoints/best.json").is_file());
    assert!(folder.join("dataflow.yml").is_file());
    let record: serde_json::Value = serde_json::from_slice(&std::fs::read(folder.join("run.json")).unwrap()).unwrap();
    assert_eq!(record["device"], "cpu");
    assert_eq!(record["data_fingerprint"].as_str().unwrap().len(), 64);
}

#[test]
fn the_second_run_decodes_nothing() {
    let work = tempfile::tempdir().unwrap();
    let first = mini_run(tiny_ave(), work.path(), &["--epochs", "1"]).output().unwrap();
    assert!(first.status.success(), "{}", text(&first));
    // Every pass of both decoders says so; without ffmpeg nobody could say that its clips are those of the cache.
    let second = mini_run(tiny_ave(), work.path(), &["--epochs", "1"]).output().unwrap();
    let said = text(&second);
    assert!(second.status.success(), "{said}");
    let told: Vec<&str> = said.lines().filter(|line| line.contains("were decoded")).collect();
    assert!(told.len() >= 2 && told.iter().all(|line| line.contains(", 0 were decoded")), "{said}");
    let absent = ["--epochs", "1", "--set", "video.FFMPEG=/nonexistent"];
    let without = mini_run(tiny_ave(), work.path(), &absent).output().unwrap();
    assert!(text(&without).contains("ffmpeg was not found"), "{}", text(&without));
}

#[test]
fn the_same_seed_gives_the_same_numbers() {
    let work = tempfile::tempdir().unwrap();
    let mut results = Vec::new();
    for _ in 0..2 {
        let done = mini_run(tiny_ave(), work.path(), &["--epochs", "1", "--seed", "7"]).output().unwrap();
        assert!(done.status.success(), "{}", text(&done));
        results.push(std::fs::read(run_folder(work.path()).join("checkpoints/last.safetensors")).unwrap());
    }
    assert!(results[0] == results[1], "the adapters of two runs of one seed differ");
}
