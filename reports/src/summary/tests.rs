use super::*;
use crate::parts::TableWriter;
use crate::tables::{Rows, Values};

struct Run(tempfile::TempDir);

fn text(values: &[&str]) -> Values {
    Values::Text(values.iter().map(|v| (*v).to_owned()).collect())
}

impl Run {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn add(&self, table: Table, epoch: i64, split: &str, columns: Vec<Values>) {
        let mut writer = TableWriter::open(self.0.path(), table).unwrap();
        writer.append(&Rows::new(table, "r", epoch, split, columns).unwrap()).unwrap();
        writer.finish().unwrap();
    }

    /// Samples (position, status, score).
    fn samples(&self, epoch: i64, split: &str, rows: &[(i64, &str, f64)]) {
        let names: Vec<String> = rows.iter().map(|r| format!("clip{}", r.0)).collect();
        let columns = vec![
            Values::Text(names),
            Values::Integer(rows.iter().map(|r| r.0).collect()),
            text(&rows.iter().map(|r| r.1).collect::<Vec<_>>()),
            Values::Integers(rows.iter().map(|_| vec![0]).collect()),
            Values::Integers(rows.iter().map(|_| vec![0]).collect()),
            Values::Number(rows.iter().map(|r| r.2).collect()),
            Values::Number(rows.iter().map(|r| 2.0 * r.2).collect()),
        ];
        self.add(Table::Samples, epoch, split, columns);
    }

    fn metric(&self, epoch: i64, split: &str, name: &str, value: f64) {
        self.told(epoch, split, name, value, 0);
    }

    fn told(&self, epoch: i64, split: &str, name: &str, value: f64, picks: i64) {
        let columns = vec![
            Values::Integer(vec![1]),
            text(&[name]),
            Values::Number(vec![value]),
            text(&["percent"]),
            Values::Integer(vec![1]),
            Values::Integer(vec![picks]),
        ];
        self.add(Table::Metrics, epoch, split, columns);
    }

    fn quarantine(&self, epoch: i64, split: &str, clip: &str) {
        self.add(
            Table::Quarantine,
            epoch,
            split,
            vec![text(&[clip]), text(&["x.mp4"]), text(&["video"]), text(&["truncated"]), text(&["eof"])],
        );
    }

    fn summary(&self) -> Summary {
        summarise(self.0.path()).unwrap()
    }
}

fn good() -> Run {
    let run = Run::new();
    run.samples(1, "train", &[(0, "trained", 0.5), (2, "trained", 1.0), (1, "quarantined", f64::NAN)]);
    run.quarantine(1, "train", "clip1");
    run.samples(1, "val", &[(3, "evaluated", 0.25), (4, "evaluated", 0.75)]);
    run.samples(2, "train", &[(5, "trained", 1.0)]);
    run.samples(2, "val", &[(6, "evaluated", 0.6), (7, "evaluated", 0.8)]);
    run.samples(2, "test", &[(8, "evaluated", 0.4)]);
    run
}

#[test]
fn the_numbers_are_those_of_the_tables() {
    let run = good();
    run.metric(2, "val", "accuracy", 71.0);
    run.metric(2, "val", "step/accuracy", 12.0);
    let summary = run.summary();
    summary.check().unwrap();
    let order: Vec<(i64, &str)> = summary.passes.iter().map(|p| (p.epoch, p.split.as_str())).collect();
    assert_eq!(order, [(1, "train"), (1, "val"), (2, "train"), (2, "val"), (2, "test")]);
    let first = &summary.passes[0];
    assert_eq!((first.read, first.trained, first.quarantined, first.accuracy), (3, 2, 1, Some(75.0)));
    assert_eq!((summary.best_epoch, summary.val_accuracy, summary.test_accuracy), (Some(2), Some(71.0), Some(40.0)));
    assert_eq!((summary.quarantine.len(), summary.quarantine[0].times), (1, 1));
    assert!(summary.to_string().contains("test accuracy: 40.00 %"));
}

#[test]
fn of_equal_epochs_the_earliest_is_best() {
    let run = good();
    run.metric(1, "val", "accuracy", 50.0);
    run.metric(2, "val", "accuracy", 50.0);
    assert_eq!(run.summary().best_epoch, Some(1));
}

#[test]
fn a_run_of_masks_is_judged_by_their_iou() {
    let run = good();
    run.metric(1, "val", "miou", 40.0);
    run.metric(2, "val", "miou", 30.0);
    let summary = run.summary();
    assert_eq!((summary.metric.as_str(), summary.best_epoch, summary.val_accuracy), ("miou", Some(1), Some(40.0)));
    assert!(summary.to_string().contains("best epoch 1: validation miou 40.00 %"), "{summary}");
}

#[test]
fn the_best_epoch_is_that_of_the_metric_the_loss_node_says() {
    let run = good();
    for (epoch, accuracy, matches) in [(1, 50.0, 90.0), (2, 60.0, 80.0)] {
        run.told(epoch, "val", "accuracy", accuracy, 0);
        run.told(epoch, "val", "match_accuracy", matches, 1);
    }
    let summary = run.summary();
    assert_eq!(summary.metric, "match_accuracy");
    assert_eq!((summary.best_epoch, summary.val_accuracy), (Some(1), Some(90.0)));
    assert_eq!(summary.test_accuracy, None, "the mean score of the samples is another metric");
    // A metric nobody here has heard of.
    let run = good();
    run.told(2, "val", "f1/of one's own", 12.5, 1);
    assert_eq!((run.summary().metric.as_str(), run.summary().best_epoch), ("f1/of one's own", Some(2)));
}

#[test]
fn of_an_old_run_the_metric_follows_from_the_epoch_that_was_kept() {
    let run = good();
    for (epoch, accuracy, matches) in [(1, 50.0, 90.0), (2, 60.0, 80.0)] {
        run.metric(epoch, "val", "accuracy", accuracy);
        run.metric(epoch, "val", "match_accuracy", matches);
    }
    assert_eq!(run.summary().metric, "accuracy");
    for (epoch, best, metric) in [(2, 1, "accuracy"), (3, 0, "accuracy"), (1, 1, "match_accuracy")] {
        let best = Values::Integer(vec![best]);
        run.add(Table::Checkpoints, epoch, "val", vec![text(&["best.safetensors"]), text(&["00"]), best]);
        assert_eq!(run.summary().metric, metric, "epoch {epoch}");
    }
}

#[test]
fn a_lost_clip_is_found() {
    let run = Run::new();
    run.samples(1, "train", &[(0, "trained", 0.5), (2, "trained", 1.0)]);
    let problem = run.summary().check().unwrap_err().to_string();
    assert!(problem.contains("epoch 1, train: 3 clips read, 2 trained or evaluated + 0 quarantined"), "{problem}");
}

#[test]
fn a_repeated_clip_is_found() {
    let run = Run::new();
    run.samples(1, "train", &[(0, "trained", 0.5), (0, "trained", 0.5)]);
    assert!(run.summary().check().unwrap_err().to_string().contains("more than one row for clip0"));
}

#[test]
fn counts_that_disagree_are_found() {
    let run = good();
    run.metric(1, "train", "clips", 3.0);
    assert!(run.summary().check().unwrap_err().to_string().contains("metric `clips` is 3, but there are 2 rows"));
    let run = good();
    run.quarantine(2, "test", "clip9");
    assert!(run.summary().check().unwrap_err().to_string().contains("epoch 2, test: 0 clips quarantined, but 1 stand"));
}

#[test]
fn time_is_summed_by_node() {
    let run = good();
    for (epoch, node, compute) in [(1, "model", 3.0), (2, "model", 3.0), (1, "video", 0.0)] {
        let seconds = |s: f64| Values::Number(vec![s]);
        let memory = Values::Integer(vec![100 * epoch]);
        let times = [seconds(4.0), seconds(1.0), seconds(compute), seconds(5.0)];
        let columns = [text(&[node]), Values::Integer(vec![4])].into_iter().chain(times).chain([memory]).collect();
        run.add(Table::Nodes, epoch, "train", columns);
    }
    let summary = run.summary();
    assert_eq!(
        summary.nodes.iter().map(|n| (n.node.as_str(), n.items)).collect::<Vec<_>>(),
        [("model", 8), ("video", 4)]
    );
    assert_eq!(summary.nodes[0].peak_memory_bytes, 200, "the most of all passes");
    assert!((summary.wall_secs - 10.0).abs() < 1e-9);
    assert!((summary.not_compute.unwrap() - 0.4).abs() < 1e-9);
}

#[test]
fn a_run_without_rows_has_no_numbers() {
    let summary = Run::new().summary();
    assert_eq!(summary, Summary { metric: "accuracy".into(), ..Summary::default() });
    summary.check().unwrap();
}
