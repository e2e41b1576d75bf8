//! Segmentation, end to end, on a tiny made AVSBench-S4: real clips, exact masks, a report that shows them.

#![allow(clippy::disallowed_methods, reason = "files of a test")]

mod common;

use common::{copl, mini_run_of, run_folder, text};
use copl_reports::tables::Table;
use std::path::Path;

/// A made set of 4 training, 2 validation and 2 test clips.
fn tiny_avs(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("avs");
    let made = copl()
        .args(["data", "synth", "avs", "--train", "4", "--val", "2", "--test", "2", "--out"])
        .arg(&path)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", text(&made));
    path
}

#[test]
fn a_run_segments_and_shows_its_masks() {
    let work = tempfile::tempdir().unwrap();
    let data = tiny_avs(work.path());
    let flow = "avs-s4-mini.yml";
    let more = ["--epochs", "1", "--seed", "3", "--set", "model.DECODER=avsbench", "--set", "model.DECODER_WIDTH=16"];
    let done = mini_run_of(flow, &data, work.path(), &more).output().unwrap();
    assert!(done.status.success(), "{}", text(&done));
    let folder = run_folder(work.path());
    let samples = copl_reports::read(&folder, Table::Samples).unwrap();
    assert_eq!(samples.height(), 8, "4 train, 2 val, 2 test");
    let metrics = copl_reports::read(&folder, Table::Metrics).unwrap();
    let names = metrics.column("metric").unwrap().str().unwrap();
    for metric in ["miou", "f_score", "f_score_per_frame", "empty_miou", "centred_miou"] {
        assert!(names.iter().any(|name| name == Some(metric)), "{metric} in {names:?}");
    }
    // Both test clips: a row a segment, with the frame and both masks.
    let masks = copl_reports::read(&folder, Table::Masks).unwrap();
    assert_eq!(masks.height(), 10);
    for column in ["frame", "predicted", "target"] {
        let pictures = masks.column(column).unwrap().binary().unwrap();
        assert!(pictures.iter().all(|png| png.is_some_and(|png| png.starts_with(b"\x89PNG"))), "{column}");
    }
    // The running statistics of the decoder are kept with its weights.
    let best = std::fs::read(folder.join("checkpoints/best.safetensors")).unwrap();
    let header = &best[8..8 + u64::from_le_bytes(best[..8].try_into().unwrap()) as usize];
    assert!(String::from_utf8_lossy(header).contains("tpavi_b1.W_z.1.running_mean"));
    let card = std::fs::read_to_string(folder.join("checkpoints/best.json")).unwrap();
    assert!(card.contains("val/miou"), "{card}");
}

#[test]
fn a_clip_whose_mask_is_broken_is_quarantined_and_the_rest_goes_on() {
    let work = tempfile::tempdir().unwrap();
    let data = tiny_avs(work.path());
    let masks = data.join("s4_data/gt_masks/train");
    let category = std::fs::read_dir(&masks).unwrap().next().unwrap().unwrap().path();
    let clip = std::fs::read_dir(category).unwrap().next().unwrap().unwrap().path();
    let mask = std::fs::read_dir(clip).unwrap().next().unwrap().unwrap().path();
    std::fs::write(mask, "no picture").unwrap();
    let allowed = ["--epochs", "1", "--set", "source.MAX_BAD_FRACTION=0.5"];
    let done = mini_run_of("avs-s4-mini.yml", &data, work.path(), &allowed).output().unwrap();
    assert!(done.status.success(), "{}", text(&done));
    let quarantine = copl_reports::read(&run_folder(work.path()), Table::Quarantine).unwrap();
    assert_eq!(quarantine.height(), 1);
    assert_eq!(quarantine.column("reason").unwrap().str().unwrap().get(0), Some("bad_mask"));
}

#[test]
fn without_a_validation_split_the_last_epoch_leaves_its_adapters() {
    let work = tempfile::tempdir().unwrap();
    let data = work.path().join("avs");
    let counts = ["data", "synth", "avs", "--train", "4", "--val", "0", "--test", "2", "--out"];
    let made = copl().args(counts).arg(&data).output().unwrap();
    assert!(made.status.success(), "{}", text(&made));
    let done = mini_run_of("avs-s4-mini.yml", &data, work.path(), &["--epochs", "2"]).output().unwrap();
    assert!(done.status.success(), "{}", text(&done));
    let checkpoints = run_folder(work.path()).join("checkpoints");
    for name in ["last", "best"] {
        let card = std::fs::read(checkpoints.join(name).with_extension("json")).unwrap();
        let card: serde_json::Value = serde_json::from_slice(&card).unwrap();
        assert_eq!(card["metrics"], serde_json::json!({ "epoch": 2.0 }));
    }
}
