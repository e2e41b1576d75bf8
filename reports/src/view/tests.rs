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
