use super::*;
use crate::parts::TableWriter;
use crate::store::{RunRecord, Store};
use crate::tables::{Rows, Values};

fn text(values: &[&str]) -> Values {
    Values::Text(values.iter().map(|v| (*v).to_owned()).collect())
}

fn metrics(run: &RunFolder, rows: &[(i64, &str, i64, &str, f64, &str, i64)]) {
    let mut writer = TableWriter::open(&run.path, Table::Metrics).unwrap();
    for &(epoch, split, step, metric, value, unit, better) in rows {
        let columns = vec![
            Values::Integer(vec![step]),
            text(&[metric]),
            Values::Number(vec![value]),
            text(&[unit]),
            Values::Integer(vec![better]),
            Values::Integer(vec![0]),
        ];
        writer.append(&Rows::new(Table::Metrics, &run.id, epoch, split, columns).unwrap()).unwrap();
    }
    writer.finish().unwrap();
}

fn run(dir: &std::path::Path) -> RunFolder {
    let run = Store::new(dir).create().unwrap();
    let mut record = RunRecord::begin(&run.id, "ave.yml");
    record.overrides = vec!["model.METHOD=linear-probe".into()];
    run.write_record(&record).unwrap();
    let yaml = "nodes:\n  - id: model\n    path: copl\n    args: node copl-model\n    env: { METHOD: linear-probe, BATCH: 2 }\n";
    run.write_dataflow(yaml).unwrap();
    metrics(
        &run,
        &[
            (1, "train", 0, "step/loss", 2.0, "nats", 0),
            (1, "train", 1, "step/loss", 1.0, "nats", 0),
            (1, "train", 1, "loss", 1.5, "nats", 0),
            (1, "val", 1, "accuracy", 40.0, "percent", 1),
            (2, "val", 2, "accuracy", 50.0, "percent", 1),
            (2, "test", 2, "clips", 4.0, "count", -1),
            (2, "test", 2, "accuracy", 48.0, "percent", 1),
            (2, "test", 2, "accuracy/Bell", 60.0, "percent", 1),
            (2, "test", 2, "confusion/background/Bell", 1.0, "count", -1),
            (2, "test", 2, "confusion/Bell/Bell", 3.0, "count", -1),
        ],
    );
    run
}

fn defaults(kind: &str) -> Vec<(String, String)> {
    assert_eq!(kind, "copl-model");
    [("TASK", "ave"), ("METHOD", "copl"), ("BATCH", "2")].map(|(k, v)| (k.to_owned(), v.to_owned())).to_vec()
}

#[test]
fn results_are_those_of_the_test_split() {
    let dir = tempfile::tempdir().unwrap();
    let view = RunView::load(&run(dir.path()), &defaults).unwrap();
    assert_eq!(view.headline().map(|r| (r.metric.as_str(), r.value)), Some(("accuracy", 48.0)));
    assert_eq!(view.result("accuracy/Bell"), Some(60.0));
    assert_eq!(view.results.len(), 2, "accuracy and the count of clips");
    let confusion = view.confusion.unwrap();
    assert_eq!(confusion.classes, ["Bell", "background"]);
    assert_eq!(confusion.counts, [[3.0, 0.0], [1.0, 0.0]]);
}

#[test]
fn curves_run_over_epochs_and_steps() {
    let dir = tempfile::tempdir().unwrap();
    let view = RunView::load(&run(dir.path()), &defaults).unwrap();
    let of = |metric: &str, split: &str, by_step| {
        view.curves
            .iter()
            .find(|c| c.metric == metric && c.split == split && c.by_step == by_step)
            .unwrap()
            .points
            .clone()
    };
    assert_eq!(of("loss", "train", true), [(0.0, 2.0), (1.0, 1.0)]);
    assert_eq!(of("loss", "train", false), [(1.0, 1.5)]);
    assert_eq!(of("accuracy", "val", false), [(1.0, 40.0), (2.0, 50.0)]);
}

#[test]
fn settings_say_where_they_come_from() {
    let dir = tempfile::tempdir().unwrap();
    let view = RunView::load(&run(dir.path()), &defaults).unwrap();
    let from: Vec<_> = view.nodes[0].settings.iter().map(|s| (s.key.as_str(), s.value.as_str(), s.from)).collect();
    assert_eq!(from, [("TASK", "ave", "default"), ("METHOD", "linear-probe", "override"), ("BATCH", "2", "dataflow")]);
    assert_eq!((view.setting("model.METHOD"), view.task.as_str()), (Some("linear-probe"), "ave"));
}

/// A run that was evaluated, with these metrics of its test pass.
fn evaluated(dir: &std::path::Path, told: &[(&str, f64)]) -> RunView {
    let run = Store::new(dir).create().unwrap();
    run.write_record(&RunRecord::begin(&run.id, "a.yml")).unwrap();
    run.write_dataflow("nodes: []").unwrap();
    let rows: Vec<_> = told.iter().map(|(name, value)| (1, "test", 1, *name, *value, "count", -1)).collect();
    metrics(&run, &rows);
    RunView::load(&run, &|_| Vec::new()).unwrap()
}

#[test]
fn a_question_is_counted_once_among_the_confusions() {
    let dir = tempfile::tempdir().unwrap();
    let view = evaluated(
        dir.path(),
        &[
            ("accuracy/AQ", 100.0),
            ("accuracy/Audio Counting", 100.0),
            ("accuracy/Visual Location", 50.0),
            ("confusion/one/one", 2.0),
            ("confusion/one/yes", 1.0),
            ("confusion/Audio Counting/one/one", 1.0),
            ("confusion/Visual Location/one/one", 1.0),
            ("confusion/Visual Location/one/yes", 1.0),
        ],
    );
    let confusion = view.confusion.unwrap();
    assert_eq!(confusion.classes, ["one", "yes"]);
    assert_eq!(confusion.counts, [[2.0, 1.0], [0.0, 0.0]]);
}

#[test]
fn a_class_called_with_a_slash_is_one_class() {
    let dir = tempfile::tempdir().unwrap();
    let marked = [
        (r"accuracy/AC\/DC", 75.0),
        ("accuracy/background", 50.0),
        (r"confusion/AC\/DC/AC\/DC", 3.0),
        (r"confusion/AC\/DC/background", 1.0),
        (r"confusion/background/AC\/DC", 2.0),
    ];
    // As a run before the mark was made has them.
    let old = marked.map(|(name, value)| (name.replace('\\', ""), value));
    for told in [marked.to_vec(), old.iter().map(|(name, value)| (name.as_str(), *value)).collect()] {
        let confusion = evaluated(dir.path(), &told).confusion.unwrap();
        assert_eq!(confusion.classes, ["AC/DC", "background"], "{told:?}");
        assert_eq!(confusion.counts, [[3.0, 1.0], [2.0, 0.0]], "{told:?}");
    }
}
