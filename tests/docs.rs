//! Docs that are made from the code are what the code says. `COPL_WRITE_DOCS=1 cargo test --test docs` writes them anew.

mod common;

use std::fmt::Write;

use common::{copl, root, text};
use copl_reports::tables::{TABLES_VERSION, Table};

fn same(file: &str, expected: &str) {
    let path = root().join(file);
    if std::env::var_os("COPL_WRITE_DOCS").is_some() {
        std::fs::write(&path, expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == expected, "{file} is stale: run COPL_WRITE_DOCS=1 cargo test --release --workspace --test docs");
}

#[test]
fn the_page_of_the_report_lists_every_column() {
    let mut page = format!(
        "# Report tables\n\nA run writes these Parquet tables to `runs/<id>/` (version {TABLES_VERSION}, in each file's metadata as \
         `copl.version`).\nWhile it runs, a table is a folder `<table>.parts/` of whole Parquet files; at the end one \
         file `<table>.parquet`.\nPolars, pandas (pyarrow) and DuckDB open both. This page is made from the code.\n"
    );
    for table in Table::ALL {
        write!(
            page,
            "\n## {}\n\n{}\n\n| column | type | unit | meaning |\n|---|---|---|---|\n",
            table.name(),
            table.meaning()
        )
        .unwrap();
        for column in table.columns() {
            writeln!(page, "| `{}` | {} | {} | {} |", column.name, column.kind.label(), column.unit, column.meaning)
                .unwrap();
        }
    }
    same("docs/report.md", &page);
}

#[test]
fn the_picture_of_the_readme_is_the_mini_dataflow() {
    let done = copl().args(["graph", "--format", "svg"]).arg(root().join("dataflows/ave-mini.yml")).output().unwrap();
    assert!(done.status.success(), "{}", text(&done));
    same("docs/ave-mini.svg", &String::from_utf8(done.stdout).unwrap());
}

#[test]
fn the_schema_for_editors_is_that_of_the_nodes() {
    let done = copl().args(["nodes", "schema"]).output().unwrap();
    assert!(done.status.success(), "{}", text(&done));
    same("dataflows/schema.json", &String::from_utf8(done.stdout).unwrap());
}

#[test]
fn every_shipped_sweep_has_runs_that_pass_their_check() {
    let runs = tempfile::tempdir().unwrap();
    let mut names = Vec::new();
    for entry in std::fs::read_dir(root().join("dataflows/sweeps")).unwrap() {
        let path = entry.unwrap().path();
        let done = copl().args(["sweep", "--dry-run", "--runs"]).arg(runs.path()).arg(&path).output().unwrap();
        assert!(done.status.success(), "{}: {}", path.display(), text(&done));
        names.push(path.file_stem().unwrap().to_str().unwrap().to_owned());
    }
    for name in names.iter().filter(|n| !n.ends_with("-mini")) {
        assert!(names.contains(&format!("{name}-mini")), "{name} has no mini twin");
    }
}

#[test]
fn every_shipped_dataflow_passes_its_check() {
    for entry in std::fs::read_dir(root().join("dataflows")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "yml") {
            continue;
        }
        let done = copl().arg("check").arg(&path).output().unwrap();
        assert!(done.status.success(), "{}: {}", path.display(), text(&done));
    }
}
