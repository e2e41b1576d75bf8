//! The report's tables open in the libraries people read them with: polars, pandas (pyarrow) and DuckDB, in Python.
//!
//! `COPL_PYTHON` names the interpreter (`python3` if unset). A library that is not installed there is skipped, in so many
//! words; `scripts/test-readers` installs all three.

mod common;

use std::process::Command;

use common::root;
use copl_reports::tables::{Rows, TABLES_VERSION, Table, Values};
use copl_reports::{ColumnType, TableWriter};
use serde_json::{Value, json};

/// Three rows of a table with texts beyond ASCII, negative and large numbers, NaN, empty and long lists.
fn values(kind: ColumnType) -> (Values, Vec<Value>) {
    match kind {
        ColumnType::Utf8 => {
            let texts = ["plain", "Frying (food), “quoted” ü", ""].map(str::to_owned).to_vec();
            (Values::Text(texts.clone()), texts.into_iter().map(Value::from).collect())
        }
        ColumnType::Int64 => {
            let numbers = vec![-1, 0, i64::MAX];
            (Values::Integer(numbers.clone()), numbers.into_iter().map(Value::from).collect())
        }
        ColumnType::Float64 => {
            (Values::Number(vec![0.1, f64::NAN, -1e300]), vec![json!(0.1), json!("NaN"), json!(-1e300)])
        }
        // The readers print bytes as their numbers.
        ColumnType::Binary => {
            let bytes = vec![b"\x89PNG".to_vec(), vec![], vec![0, 255]];
            (Values::Bytes(bytes.clone()), bytes.into_iter().map(Value::from).collect())
        }
        ColumnType::ListInt32 => {
            let lists = vec![vec![1, 2, 28], vec![], vec![i32::MIN; 10]];
            (Values::Integers(lists.clone()), lists.into_iter().map(Value::from).collect())
        }
        other => panic!("no table keeps {}", other.label()),
    }
}

/// Writes every table: one file, and for `metrics` the parts of a run that goes on. Gives the rows by column.
fn write(dir: &std::path::Path) -> Vec<(Table, Vec<Vec<Value>>)> {
    Table::ALL
        .iter()
        .map(|&table| {
            let (columns, expected): (Vec<_>, Vec<_>) = table.own_columns().iter().map(|c| values(c.kind)).unzip();
            let rows = Rows::new(table, "run-1", 2, "test", columns).unwrap();
            let mut writer = TableWriter::open(dir, table).unwrap().part_rows(2);
            writer.append(&rows).unwrap();
            if table == Table::Metrics {
                writer.flush().unwrap()
            } else {
                writer.finish().unwrap()
            }
            (table, expected)
        })
        .collect()
}

fn opens_in(library: &str) {
    let python = std::env::var("COPL_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let dir = tempfile::tempdir().unwrap();
    let written = write(dir.path());
    let read = Command::new(&python).arg(root().join("tests/readers.py")).arg(library).arg(dir.path()).output();
    let read = match read {
        Ok(read) => read,
        Err(e) => return eprintln!("skipped: {python}: {e}"),
    };
    if read.status.code() == Some(77) {
        return eprintln!("skipped: {python} has no {library}; scripts/test-readers installs it");
    }
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    let tables: Value = serde_json::from_slice(&read.stdout).unwrap();
    for (table, columns) in written {
        let found = &tables[table.name()];
        let names: Vec<&str> = table.columns().map(|c| c.name).collect();
        assert_eq!(found["columns"], json!(names), "{library}: {}", table.name());
        let place = [json!("run-1"), json!(2), json!("test")];
        for i in 0..3 {
            let row: Vec<Value> = place.iter().cloned().chain(columns.iter().map(|c| c[i].clone())).collect();
            assert_eq!(found["rows"][i], json!(row), "{library}: {} row {i}", table.name());
        }
        assert_eq!(found["rows"].as_array().unwrap().len(), 3);
        if let Some(metadata) = found.get("metadata") {
            assert_eq!(metadata["copl.version"], json!(TABLES_VERSION.to_string()));
            assert_eq!(metadata["copl.table"], json!(table.name()));
            assert_eq!(metadata["copl.column.run"], json!("id of the run"));
        }
    }
}

#[test]
fn the_tables_open_in_polars() {
    opens_in("polars");
}

#[test]
fn the_tables_open_in_pandas() {
    opens_in("pandas");
}

#[test]
fn the_tables_open_in_duckdb() {
    opens_in("duckdb");
}
