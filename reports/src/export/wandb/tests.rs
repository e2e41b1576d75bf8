//! The file read back by LevelDB's rules, and its records by the numbers of their fields.

use super::*;
use crate::store::{RunRecord, Store};

/// Records of a log; every checksum is verified.
fn read(bytes: &[u8]) -> Vec<Vec<u8>> {
    assert_eq!(bytes[..7], HEADER);
    let (mut at, mut records, mut open, mut begun) = (7, Vec::new(), Vec::new(), false);
    while at < bytes.len() {
        let left = BLOCK - at % BLOCK;
        if left < FRAME {
            assert!(bytes[at..at + left].iter().all(|b| *b == 0));
            at += left;
            continue;
        }
        let check = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let length = usize::from(u16::from_le_bytes(bytes[at + 4..at + 6].try_into().unwrap()));
        assert!(FRAME + length <= left, "a piece crosses the end of its block");
        let piece = &bytes[at + 6..at + FRAME + length];
        assert_eq!(crc32fast::hash(piece), check);
        assert_ne!(begun, [1, 2].contains(&piece[0]), "a whole or first piece begins a record, the others go on");
        open.extend(&piece[1..]);
        begun = [2, 3].contains(&piece[0]);
        if !begun {
            records.push(std::mem::take(&mut open));
        }
        at += FRAME + length;
    }
    assert!(!begun, "the last record has no end");
    records
}

fn has(record: &[u8], part: &Message) -> bool {
    record.windows(part.bytes().len()).any(|w| w == part.bytes())
}

#[test]
fn records_are_cut_at_the_ends_of_blocks_and_come_back() {
    // Lengths about one block and about the seven bytes that hold no piece.
    for first in BLOCK - 40..BLOCK - 1 {
        let mut log = Log::new();
        let records = [vec![7; first], vec![8; 3], vec![9; 3 * BLOCK], vec![1]];
        records.iter().for_each(|r| log.frame(r));
        assert_eq!(read(&log.out), records, "first record of {first} bytes");
    }
}

#[test]
fn numbers_of_one_step_are_one_row_unless_told_twice() {
    let point = |tag: &str, step, value| Point { tag: tag.into(), step, value };
    let points = [
        point("train/loss", 2, 1.0),
        point("val/accuracy", 2, 60.0),
        point("train/loss", 1, 2.0),
        point("val/accuracy", 2, 61.0),
    ];
    let rows = rows(&points);
    assert_eq!(rows.iter().map(|(s, r)| (*s, r.len())).collect::<Vec<_>>(), [(1, 1), (2, 2), (2, 1)]);
    assert_eq!(rows[2].1["val/accuracy"], 61.0);
}

#[test]
fn a_run_has_the_records_wandb_reads() {
    let dir = tempfile::tempdir().unwrap();
    let run = Store::new(dir.path().join("runs")).create().unwrap();
    let mut record = RunRecord::begin(&run.id, "ave.yml");
    record.finish(0, "all went well", None);
    run.write_record(&record).unwrap();
    run.write_dataflow("nodes: [{id: model, args: node copl-model, env: {BATCH: 2, METHOD: copl}}]").unwrap();
    let view = RunView::load(&run, &|_| Vec::new()).unwrap();
    let point = |tag: &str, step, value| Point { tag: tag.into(), step, value };
    let points = [point("train/loss", 3, 0.5), point("train/loss", 4, f64::NAN), point("val/accuracy", 4, 61.5)];
    let out = dir.path().join("wandb");
    wandb(&out, &view, &points).unwrap();
    let folder = fs::read_dir(&out).unwrap().next().unwrap().unwrap();
    let name = folder.file_name().into_string().unwrap();
    assert!(name.starts_with("offline-run-20") && name.ends_with(&run.id), "{name}");
    let records = read(&fs::read(folder.path().join(format!("run-{}.wandb", run.id))).unwrap());
    assert_eq!(records.len(), 8);
    let config = |key: &str, value: &str| Message::default().text(1, key).text(16, value);
    assert!(has(&records[1], &Message::default().text(1, &run.id).text(3, "copl")));
    assert!(has(&records[1], &config("model.BATCH", "2")) && has(&records[1], &config("model.METHOD", "\"copl\"")));
    assert!(has(&records[4], &item("train/loss", "0.5")) && has(&records[4], &item("step", "3")));
    assert!(has(&records[5], &item("train/loss", "\"NaN\"")) && has(&records[5], &item("val/accuracy", "61.5")));
    assert!(has(&records[6], &item("val/accuracy", "61.5")), "the summary holds the last values");
    assert!(has(&records[7], &Message::default().integer(1, 0)), "the exit code");
}
