//! A sweep, end to end: runs, a table, a figure; and what is done is not run again.

mod common;

use std::path::Path;

use common::{copl, root, text, tiny_ave};

fn sweep(work: &Path, more: &[&str]) -> String {
    let file = work.join("small.yml");
    let yaml = format!(
        "name: small\ntitle: Small\ndataflow: {}\nseeds: [1, 2]\ncolumns: [additional, memory]\n\
         set: {{ source.EPOCHS: 1, source.LIMIT_CLIPS: 4, source.ROOT: {} }}\n\
         cases:\n  - name: CoPL\n  - name: linear probe\n    set: {{ model.METHOD: linear-probe }}\n",
        root().join("dataflows/ave-mini.yml").display(),
        tiny_ave().display()
    );
    std::fs::write(&file, yaml).unwrap();
    let done = copl()
        .arg("sweep")
        .arg(&file)
        .arg("--runs")
        .arg(work.join("runs"))
        .args(more)
        .env("XDG_CACHE_HOME", work.join("cache"))
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", text(&done));
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn a_sweep_runs_what_is_missing_and_tabulates_all() {
    let work = tempfile::tempdir().unwrap();
    let first = sweep(work.path(), &["--seeds", "1"]);
    assert!(first.starts_with("Small: 2 runs, 0 done, 2 to run"), "{first}");
    let second = sweep(work.path(), &[]);
    assert!(second.starts_with("Small: 4 runs, 2 done, 2 to run"), "{second}");
    let third = sweep(work.path(), &["--json"]);
    assert!(third.starts_with("Small: 4 runs, 4 done, 0 to run"), "{third}");
    let table: serde_json::Value = serde_json::from_str(third.split_once('\n').unwrap().1).unwrap();
    let cases = table["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 2);
    for case in cases {
        let runs = case["runs"].as_array().unwrap();
        let values: Vec<f64> = runs.iter().map(|r| r["value"].as_f64().unwrap()).collect();
        assert_eq!(values.len(), 2);
        assert!((case["mean"].as_f64().unwrap() - (values[0] + values[1]) / 2.0).abs() < 1e-9);
        assert!(case["columns"][1].as_f64().unwrap() > 10.0, "megabytes of the model's process");
    }
    assert!(cases[0]["columns"][0].as_f64() > cases[1]["columns"][0].as_f64(), "prompts learn, a probe has none");
    let out = work.path().join("runs/sweeps/small");
    for file in ["table.md", "table.json", "figure.svg", "figure.png"] {
        assert!(out.join(file).is_file(), "{file}");
    }
    assert_eq!(copl_reports::Store::new(work.path().join("runs")).list().unwrap().len(), 4);
}
