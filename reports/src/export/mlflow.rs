//! MLflow's folders: a run with its metrics, settings and tags, as `mlflow ui --backend-store-uri FOLDER` reads it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::point::Point;
use crate::error::ReportError;
use crate::status::Status;
use crate::store::write_file;
use crate::view::RunView;

/// Id of the experiment all runs go to.
const EXPERIMENT: &str = "0";
/// Status codes of MLflow: finished, failed, killed.
fn status(status: Status) -> u8 {
    match status {
        Status::Running => 1,
        Status::Finished => 3,
        Status::Failed => 4,
        Status::Interrupted | Status::Killed => 5,
    }
}

/// A name that is a path in MLflow's rules: letters, digits, `_`, `-`, `.`, blanks and `/`.
fn plain(name: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() || "_-. /".contains(c) { c } else { '_' };
    name.chars().map(kept).collect::<String>().replace("..", "_")
}

/// `SPLIT/METRIC` with dots for the further slashes: `test/accuracy` is a file, so `test/accuracy/Bell` cannot be below it.
fn metric(tag: &str) -> String {
    let (split, metric) = tag.split_once('/').unwrap_or(("", tag));
    plain(&format!("{split}/{}", metric.replace('/', ".")))
}

/// An id of 32 hexadecimal digits, the same for the same run.
fn id(run: &str) -> String {
    // FNV-1a, twice with different starts: an id, not a secret.
    let hash = |start: u64| run.bytes().fold(start, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    format!("{:016x}{:016x}", hash(0xcbf2_9ce4_8422_2325), hash(0x6c62_272e_07bb_0142))
}

/// Writes a run below `folder`, which may hold others.
///
/// # Errors
/// If the folder cannot be written.
pub fn mlflow(folder: &Path, view: &RunView, points: &[Point], run_dir: &Path) -> Result<(), ReportError> {
    let (id, record) = (id(&view.record.id), &view.record);
    let experiment = folder.join(EXPERIMENT);
    let run = experiment.join(&id);
    let make = |path: &Path| fs::create_dir_all(path).map_err(ReportError::io("create", path));
    let put = |path: &Path, text: &str| {
        path.parent().map_or(Ok(()), make)?;
        write_file(path, text.as_bytes())
    };
    let meta = experiment.join("meta.yaml");
    let text = |t: &str| serde_json::to_string(t).unwrap_or_default();
    if !meta.exists() {
        let place = text(&experiment.display().to_string());
        put(
            &meta,
            &format!(
                "artifact_location: {place}\nexperiment_id: '{EXPERIMENT}'\nlifecycle_stage: active\nname: copl\n"
            ),
        )?;
    }
    let millis = |secs: f64| (secs * 1000.0) as i64;
    let start = millis(record.started_unix);
    let end = record.finished_unix.map_or_else(|| "null".to_owned(), |e| millis(e).to_string());
    put(
        &run.join("meta.yaml"),
        &format!(
            "artifact_uri: {}\nend_time: {end}\nentry_point_name: ''\nexperiment_id: '{EXPERIMENT}'\nlifecycle_stage: active\n\
             run_id: {id}\nrun_name: {}\nrun_uuid: {id}\nsource_name: ''\nsource_type: 4\nsource_version: ''\nstart_time: {start}\n\
             status: {}\ntags: []\nuser_id: ''\n",
            text(&run_dir.display().to_string()),
            text(&record.id),
            status(view.status)
        ),
    )?;
    let mut metrics: BTreeMap<&str, String> = BTreeMap::new();
    for p in points {
        *metrics.entry(&p.tag).or_default() += &format!("{start} {} {}\n", p.value, p.step);
    }
    for (name, lines) in metrics {
        put(&run.join("metrics").join(metric(name)), &lines)?;
    }
    for node in &view.nodes {
        for setting in &node.settings {
            put(&run.join("params").join(plain(&format!("{}.{}", node.node, setting.key))), &setting.value)?;
        }
    }
    let tags = [("mlflow.runName", record.id.as_str()), ("mlflow.source.name", &record.dataflow), ("task", &view.task)];
    tags.iter().try_for_each(|(name, value)| put(&run.join("tags").join(name), value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{RunRecord, Store};

    #[test]
    fn a_run_has_the_files_mlflow_reads() {
        let dir = tempfile::tempdir().unwrap();
        let run = Store::new(dir.path().join("runs")).create().unwrap();
        let mut record = RunRecord::begin(&run.id, "ave.yml");
        record.finish(0, "all went well", None);
        run.write_record(&record).unwrap();
        run.write_dataflow("nodes: [{id: model, args: node copl-model, env: {BATCH: 2}}]").unwrap();
        let view = RunView::load(&run, &|_| Vec::new()).unwrap();
        let point = |tag: &str, step, value| Point { tag: tag.into(), step, value };
        let frying = "val/accuracy/Frying (food)";
        let out = dir.path().join("mlruns");
        mlflow(
            &out,
            &view,
            &[point("val/accuracy", 1, 9.0), point(frying, 1, 40.0), point(frying, 2, 50.5)],
            &run.path,
        )
        .unwrap();
        let of = |path: &str| fs::read_to_string(out.join("0").join(id(&run.id)).join(path)).unwrap();
        let start = (record.started_unix * 1000.0) as i64;
        assert_eq!(of("metrics/val/accuracy.Frying _food_"), format!("{start} 40 1\n{start} 50.5 2\n"));
        assert_eq!(of("params/model.BATCH"), "2");
        let meta: serde_yaml::Value = serde_yaml::from_str(&of("meta.yaml")).unwrap();
        assert_eq!(meta["status"], 3);
        assert_eq!(meta["run_name"], run.id.as_str());
    }
}
