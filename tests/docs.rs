//! Docs that are made from the code are what the code says. `COPL_WRITE_DOCS=1 cargo test --test docs` writes them anew.

#![allow(clippy::disallowed_methods, reason = "files of a test")]

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
         `copl.version`; the meaning of each column as `copl.column.NAME`).\nA version may gain tables and columns; it never \
         loses, renames or retypes one.\nWhile it runs, a table is a folder `<table>.parts/` of whole Parquet files; at the end one \
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
            writeln!(page, "| `{}` | `{}` | {} | {} |", column.name, column.kind.label(), column.unit, column.meaning)
                .unwrap();
        }
    }
    same("docs/report.md", &page);
}

#[test]
fn the_pictures_of_the_readme_are_the_mini_dataflows() {
    for name in ["ave-mini", "ave-mini-split"] {
        let flow = root().join("dataflows").join(format!("{name}.yml"));
        let done = copl().args(["graph", "--format", "svg"]).arg(flow).output().unwrap();
        assert!(done.status.success(), "{}", text(&done));
        same(&format!("docs/{name}.svg"), &String::from_utf8(done.stdout).unwrap());
    }
}

fn told(args: &[&str]) -> String {
    let done = copl().args(args).env("COLUMNS", "100").output().unwrap();
    assert!(done.status.success(), "{args:?}: {}", text(&done));
    String::from_utf8(done.stdout).unwrap().trim_end().to_owned()
}

#[test]
fn the_page_of_commands_is_what_they_say_of_themselves() {
    let help = told(&["--help"]);
    let commands = help.split("Commands:").nth(1).unwrap().split("\n\n").next().unwrap();
    let names: Vec<&str> = commands
        .lines()
        .filter(|l| l.starts_with("  ") && !l.starts_with("   "))
        .filter_map(|l| l.split_whitespace().next())
        .filter(|n| *n != "help")
        .collect();
    assert!(names.contains(&"run") && names.contains(&"sweep"), "{help}");
    let mut page = format!("# Commands\n\nThis page is made from the code.\n\n```text\n{help}\n```\n");
    for name in names {
        write!(page, "\n## copl {name}\n\n```text\n{}\n```\n", told(&[name, "--help"])).unwrap();
    }
    same("docs/reference/commands.md", &page);
}

#[test]
fn the_page_of_nodes_is_what_they_say_of_themselves() {
    let nodes: serde_json::Value = serde_json::from_str(&told(&["nodes", "--json"])).unwrap();
    let mut page =
        "# Nodes and their settings\n\nThis page is made from the code: `copl nodes describe NAME`.\n".to_owned();
    for node in nodes.as_array().unwrap() {
        let name = node["name"].as_str().unwrap();
        write!(page, "\n## {name}\n\n```text\n{}\n```\n", told(&["nodes", "describe", name])).unwrap();
    }
    same("docs/reference/nodes.md", &page);
}

#[test]
fn the_page_of_exit_codes_lists_all() {
    let page = format!("# Exit codes\n\nThis page is made from the code.\n\n```text\n{}\n```\n", told(&["exit-codes"]));
    same("docs/reference/exit-codes.md", &page);
}

#[test]
fn every_page_of_the_book_is_there_and_every_page_is_in_the_book() {
    let summary = std::fs::read_to_string(root().join("docs/SUMMARY.md")).unwrap();
    let mut listed: Vec<String> =
        summary.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0.to_owned())).collect();
    let mut there = Vec::new();
    for folder in ["", "how-to", "reference"] {
        for entry in std::fs::read_dir(root().join("docs").join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.ends_with(".md") && name != "SUMMARY.md" {
                there.push(std::path::Path::new(folder).join(name).display().to_string());
            }
        }
    }
    listed.sort();
    there.sort();
    assert_eq!(listed, there);
}

/// The targets of a page's links and pictures, those in blocks of code left out.
fn links(page: &str) -> Vec<String> {
    let mut in_code = false;
    let mut found = Vec::new();
    for line in page.lines() {
        in_code ^= line.trim_start().starts_with("```");
        let targets = line.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        found.extend(targets.filter(|_| !in_code).map(|(target, _)| target.to_owned()));
    }
    found
}

/// The names under which a page's headings can be linked to, as GitHub and mdBook make them.
fn anchors(page: &str) -> Vec<String> {
    let headings = page.lines().filter(|l| l.starts_with('#')).map(|l| l.trim_start_matches('#').trim().to_lowercase());
    let kept = |c: &char| c.is_alphanumeric() || [' ', '-', '_'].contains(c);
    headings.map(|h| h.chars().filter(kept).collect::<String>().replace(' ', "-")).collect()
}

/// What is wrong with the links of a page, if they are looked up from its folder. A page of the book may not lead out of
/// it, for the book is read without the repository.
fn broken(file: &std::path::Path, page: &str, book: Option<&std::path::Path>) -> Vec<String> {
    let folder = file.parent().unwrap();
    let mut wrong = Vec::new();
    for link in links(page) {
        if link.contains("://") || link.starts_with("mailto:") {
            continue;
        }
        let (path, anchor) = link.split_once('#').unwrap_or((link.as_str(), ""));
        let target = if path.is_empty() { file.to_owned() } else { folder.join(path) };
        let Ok(target) = target.canonicalize() else {
            wrong.push(format!("{}: {link}: no such file", file.display()));
            continue;
        };
        if book.is_some_and(|book| !target.starts_with(book)) {
            wrong.push(format!("{}: {link}: outside the book", file.display()));
        }
        let text = if anchor.is_empty() { String::new() } else { std::fs::read_to_string(&target).unwrap() };
        if !anchor.is_empty() && !anchors(&text).iter().any(|a| a == anchor) {
            wrong.push(format!("{}: {link}: no such heading", file.display()));
        }
    }
    wrong
}

#[test]
fn a_broken_link_is_found() {
    let docs = root().join("docs").canonicalize().unwrap();
    let page = "# A page\n[a](index.md) ![b](ave-mini.svg) [c](#a-page) [d](https://dora-rs.ai)\n\
                ```\n[code](no.md)\n```\n[e](no.md) [f](../README.md) [g](report.md#no) [h](how-to/../nano.md)";
    let found = broken(&docs.join("speed.md"), page, Some(&docs));
    // `#a-page` is looked up in the file itself, which has no such heading.
    let wanted =
        ["#a-page: no such heading", "no.md: no such file", "README.md: outside", "report.md#no: no such heading"];
    assert_eq!(found.len(), wanted.len(), "{found:?}");
    assert!(found.iter().zip(wanted).all(|(line, words)| line.contains(words)), "{found:?}");
    assert_eq!(anchors("## Why nothing is lost, \"ever\"\ntext\n### CUDA"), ["why-nothing-is-lost-ever", "cuda"]);
}

#[test]
fn every_link_of_the_docs_leads_somewhere() {
    let docs = root().join("docs").canonicalize().unwrap();
    let mut pages = vec![root().join("README.md"), root().join("CONTRIBUTING.md")];
    for folder in ["", "how-to", "reference"] {
        let entries = std::fs::read_dir(docs.join(folder)).unwrap().map(|e| e.unwrap().path());
        pages.extend(entries.filter(|p| p.extension().is_some_and(|e| e == "md")));
    }
    assert!(pages.len() > 15, "{pages:?}");
    let of = |file: &std::path::PathBuf| {
        let book = file.starts_with(&docs).then_some(docs.as_path());
        broken(file, &std::fs::read_to_string(file).unwrap(), book)
    };
    let wrong: Vec<String> = pages.iter().flat_map(of).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
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
