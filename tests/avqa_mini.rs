//! Question answering, end to end, on a tiny made MUSIC-AVQA: real clips, real encoder, answers by kind; and a head that
//! starts from grounding pretraining.

mod common;

use std::path::{Path, PathBuf};

use common::{copl, mini_run_of, run_folder, text};
use copl_reports::tables::Table;

const FLOW: &str = "music-avqa-mini.yml";
const GROUNDING: &str = "music-avqa-grounding-mini.yml";

/// A made set of 6 training, 2 validation and 2 test videos, ten questions each.
fn tiny_avqa(folder: &Path) -> PathBuf {
    let path = folder.join("avqa");
    let made = copl()
        .args(["data", "synth", "avqa", "--questions", "10", "--train", "6", "--val", "2", "--test", "2", "--out"])
        .arg(&path)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", text(&made));
    path
}

fn metric(folder: &Path, split: &str, name: &str) -> Option<f64> {
    let metrics = copl_reports::read(folder, Table::Metrics).unwrap();
    let column = |name: &str| metrics.column(name).unwrap().clone();
    let (splits, names, values) = (column("split"), column("metric"), column("value"));
    let (splits, names, values) = (splits.str().unwrap(), names.str().unwrap(), values.f64().unwrap());
    let mut rows = splits.iter().zip(names.iter()).zip(values.iter());
    rows.rfind(|((s, n), _)| (*s, *n) == (Some(split), Some(name))).and_then(|(_, value)| value)
}

#[test]
fn a_run_answers_questions_and_starts_from_grounding() {
    let work = tempfile::tempdir().unwrap();
    let data = tiny_avqa(work.path());
    let done = mini_run_of(GROUNDING, &data, work.path(), &["--epochs", "1", "--seed", "3"]).output().unwrap();
    assert!(done.status.success(), "{}", text(&done));
    let pretrained = run_folder(work.path()).join("checkpoints/best.safetensors");
    let grounded = copl_reports::summarise(&run_folder(work.path())).unwrap();
    assert_eq!(grounded.metric, "match_accuracy");
    assert_eq!(grounded.val_accuracy, metric(&run_folder(work.path()), "val", "match_accuracy"));
    assert!(grounded.val_accuracy.is_some());

    let head = format!("model.HEAD_WEIGHTS={}", pretrained.display());
    // The official head, of which pretraining knows layers.
    let official = "model.ANSWER_HEAD=avst";
    let arguments = ["--epochs", "2", "--seed", "3", "--set", &head, "--set", official];
    let done = mini_run_of(FLOW, &data, work.path(), &arguments).output().unwrap();
    let said = text(&done);
    assert!(done.status.success(), "{said}");
    assert!(said.contains("tensors of the head start from"), "{said}");
    let folder = run_folder(work.path());
    // 2 x (60 train + 20 val) + 20 test questions, each with one row.
    assert_eq!(copl_reports::read(&folder, Table::Samples).unwrap().height(), 180);
    let answers = copl_reports::read(&folder, Table::Answers).unwrap();
    assert_eq!(answers.height(), 2 * 20 + 20, "evaluated questions are shown");
    assert_eq!(metric(&folder, "test", "questions"), Some(20.0));
    for name in ["accuracy", "majority", "match_accuracy", "accuracy/AVQ"] {
        let value = metric(&folder, "test", name);
        assert!(value.is_some_and(|value| (0.0..=100.0).contains(&value)), "{name}: {value:?}");
    }
    // The same again gives the same, bit for bit: draws of negatives and dropout are functions of the seed.
    let first = std::fs::read(folder.join("checkpoints/last.safetensors")).unwrap();
    let done = mini_run_of(FLOW, &data, work.path(), &arguments).output().unwrap();
    assert!(done.status.success(), "{}", text(&done));
    let second = std::fs::read(run_folder(work.path()).join("checkpoints/last.safetensors")).unwrap();
    assert!(first == second, "two runs of one seed differ");
}
