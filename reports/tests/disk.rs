//! Tables of a run on a full disk, and in a process that is killed while it writes.

use std::fs;
use std::path::Path;

use copl_reports::parts::TableWriter;
use copl_reports::store::{RunRecord, Store};
use copl_reports::{ReportError, Rows, Table, Values, read};
use copl_testing::{disk::SmallDisk, kill};

/// Rows whose `count` is their number, and whose names do not compress.
fn rows(numbers: std::ops::Range<i64>) -> Rows {
    let name =
        |i: i64| (0..40_i64).map(|k| char::from(b'a' + ((i * 7919 + k * k * 31) % 26) as u8)).collect::<String>();
    let names = numbers.clone().map(|i| format!("{i} {}", name(i))).collect();
    let numbers = Values::Integer(numbers.collect());
    let columns = vec![Values::Text(names), numbers.clone(), numbers.clone(), numbers];
    Rows::new(Table::Params, "r", 1, "train", columns).unwrap()
}

fn numbers(run: &Path) -> Vec<i64> {
    let frame = read(run, Table::Params).unwrap();
    frame.column("count").unwrap().i64().unwrap().into_no_null_iter().collect()
}

/// What lies in a folder and below, hidden files left out.
fn names(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() {
            found.extend(names(&entry.path()).into_iter().map(|inner| format!("{name}/{inner}")));
        } else if !name.starts_with('.') {
            found.push(name);
        }
    }
    found.sort();
    found
}

#[test]
fn a_full_disk_is_named_and_the_rows_before_stay_whole() {
    let Some(disk) = SmallDisk::mount(4 << 20).unwrap() else { return };
    let run = disk.path().join("run");
    fs::create_dir(&run).unwrap();
    let mut writer = TableWriter::open(&run, Table::Params).unwrap().part_rows(1000);
    writer.append(&rows(0..1000)).unwrap();
    writer.flush().unwrap();
    let ballast = disk.fill(20_000).unwrap();
    writer.append(&rows(1000..6000)).unwrap();
    for _ in 0..2 {
        let error = writer.flush().unwrap_err();
        assert!(error.is_disk_full(), "{error:?}");
        assert!(error.to_string().contains("params") && error.to_string().contains("No space left"), "{error}");
        assert_eq!(numbers(&run), (0..1000).collect::<Vec<_>>());
        assert_eq!(names(&run), ["params.parts/part-000001.parquet"]);
    }
    // What could not be finished takes no room from what else wants to be written.
    let hidden = fs::read_dir(run.join("params.parts")).unwrap().count();
    assert_eq!(hidden, 1, "a half-written file stays");
    fs::remove_file(ballast).unwrap();
    writer.flush().unwrap();
    let ballast = disk.fill(20_000).unwrap();
    let error = writer.finish().unwrap_err();
    assert!(error.is_disk_full(), "{error:?}");
    assert_eq!(numbers(&run), (0..6000).collect::<Vec<_>>(), "the parts stay where they cannot be joined");
    fs::remove_file(ballast).unwrap();
    TableWriter::open(&run, Table::Params).unwrap().finish().unwrap();
    assert_eq!(numbers(&run), (0..6000).collect::<Vec<_>>());
    assert_eq!(names(&run), ["params.parquet"]);
}

#[test]
fn a_record_that_cannot_be_written_leaves_the_one_before() {
    let Some(disk) = SmallDisk::mount(1 << 20).unwrap() else { return };
    let run = Store::new(disk.path().join("runs")).create().unwrap();
    let mut record = RunRecord::begin(&run.id, "ave.yml");
    run.write_record(&record).unwrap();
    disk.fill(0).unwrap();
    let before = record.clone();
    record.finish(5, "a node failed", Some("long ".repeat(10_000).as_str()));
    let error = run.write_record(&record).unwrap_err();
    assert!(error.is_disk_full() && matches!(error, ReportError::Io { .. }), "{error:?}");
    assert_eq!(run.read_record().unwrap(), before);
}

#[test]
fn a_writer_that_is_killed_leaves_whole_tables() {
    const NAME: &str = "a_writer_that_is_killed_leaves_whole_tables";
    if let Some(run) = kill::writer() {
        for next in (numbers(&run).len() as i64 / 50..).map(|step| step * 50) {
            let mut writer = TableWriter::open(&run, Table::Params).unwrap().part_rows(100);
            writer.append(&rows(next..next + 50)).unwrap();
            // Now a part, now all parts joined.
            if next % 150 == 0 {
                writer.finish().unwrap()
            } else {
                writer.flush().unwrap()
            }
            kill::ready();
        }
    }
    let run = tempfile::tempdir().unwrap();
    let mut before = 0;
    kill::each(NAME, run.path(), 40, |time| {
        let found = numbers(run.path());
        assert_eq!(found, (0..found.len() as i64).collect::<Vec<_>>(), "after kill {time}");
        assert!(found.len().is_multiple_of(50) && found.len() > before, "after kill {time}: {} rows", found.len());
        before = found.len();
        for name in names(run.path()).iter().filter(|name| name.ends_with(".parquet")) {
            let bytes = fs::read(run.path().join(name)).unwrap();
            assert!(
                bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"),
                "after kill {time}: {name} is no whole file"
            );
        }
    });
}
