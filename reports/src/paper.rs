//! The published numbers that stand beside ours: rows of the method paper's tables, in its units (millions of numbers,
//! percent, gigabytes).
//!
//! Only what the project's notes hold is here; a field without a number says so, and none is guessed. The notes give, for
//! most rows, the total *less* the additional parameters; where both parts are known the total is their sum. The paper's
//! totals include the encoders' own classifier heads of 21 thousand classes, which nobody uses.

use copl_contract::task::{AVE, AVS_S4, MUSIC_AVQA};
use serde::Serialize;

/// A row of a table of the paper.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PaperRow {
    /// Method as the paper names it.
    pub method: &'static str,
    /// Encoders as the paper names them; empty where the notes do not say.
    pub encoders: &'static str,
    /// Additional parameters in millions.
    pub additional: Option<f64>,
    /// Total less additional parameters in millions.
    pub rest: Option<f64>,
    /// Total parameters in millions.
    pub total: Option<f64>,
    /// Results by the name of our metric, in percent.
    pub results: &'static [(&'static str, f64)],
    /// Peak memory of training in gigabytes.
    pub memory_gb: Option<f64>,
}

/// A table of the paper.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PaperTable {
    /// Such as `table-1`; sweeps bear the same names.
    pub name: &'static str,
    /// What it compares.
    pub title: &'static str,
    /// The task its rows are of, by its name among the tasks; the paper has none of `avs-ms3`.
    pub task: &'static str,
    /// The metrics it compares, by their names here, with their headings.
    pub metrics: &'static [(&'static str, &'static str)],
    /// Its rows.
    pub rows: &'static [PaperRow],
}

const ACCURACY: &[(&str, &str)] = &[("accuracy", "accuracy %")];
const MASKS: &[(&str, &str)] = &[("miou", "mIoU %"), ("f_score", "F-score %")];
const ANSWERS: &[(&str, &str)] = &[
    ("accuracy/AQ", "audio %"),
    ("accuracy/VQ", "visual %"),
    ("accuracy/AVQ", "audio-visual %"),
    ("accuracy", "all %"),
];

const SWIN: &str = "Swin-V2-L";
const HTS_AT: &str = "Swin-V2-L, HTS-AT";
const VIT: &str = "ViT-L-16";

const fn bare(method: &'static str, encoders: &'static str) -> PaperRow {
    PaperRow { method, encoders, additional: None, rest: None, total: None, results: &[], memory_gb: None }
}

/// A row of parts: additional parameters, and the total less them, in tenths of a million so that sums are exact.
const fn parts(method: &'static str, encoders: &'static str, additional: u32, rest: u32) -> PaperRow {
    let total = (additional + rest) as f64 / 10.0;
    let (additional, rest) = (additional as f64 / 10.0, rest as f64 / 10.0);
    PaperRow { additional: Some(additional), rest: Some(rest), total: Some(total), ..bare(method, encoders) }
}

const fn rest(method: &'static str, encoders: &'static str, rest: f64) -> PaperRow {
    PaperRow { rest: Some(rest), ..bare(method, encoders) }
}

const fn additional(method: &'static str, encoders: &'static str, additional: f64) -> PaperRow {
    PaperRow { additional: Some(additional), ..bare(method, encoders) }
}

const fn total(method: &'static str, encoders: &'static str, total: f64) -> PaperRow {
    PaperRow { total: Some(total), ..bare(method, encoders) }
}

/// Table 1: audio-visual event localisation on AVE.
pub const TABLE_1: PaperTable = PaperTable {
    name: "table-1",
    title: "Event localisation on AVE",
    task: AVE.name,
    metrics: ACCURACY,
    rows: &[
        total("CMBS", "VGG-19, VGGish", 216.7),
        rest("LAVISH", SWIN, 230.3),
        parts("LAVISH", HTS_AT, 65, 2637),
        rest("LAVISH", VIT, 327.2),
        parts("DG-SCT", HTS_AT, 1871, 2613),
        parts("CoPL", SWIN, 17, 2306),
        parts("CoPL", HTS_AT, 7, 2626),
        parts("CoPL", VIT, 50, 3278),
    ],
};

/// Table 2: audio-visual segmentation on AVSBench-S4.
pub const TABLE_2: PaperTable = PaperTable {
    name: "table-2",
    title: "Segmentation on AVSBench-S4",
    task: AVS_S4.name,
    metrics: MASKS,
    rows: &[
        parts("LAVISH", SWIN, 183, 2481),
        parts("LAVISH", HTS_AT, 171, 2800),
        parts("DG-SCT", HTS_AT, 1966, 3248),
        parts("CoPL", SWIN, 28, 2502),
        parts("CoPL", HTS_AT, 18, 2814),
        additional("CoPL", VIT, 4.7),
    ],
};

/// Table 3: question answering on MUSIC-AVQA.
pub const TABLE_3: PaperTable = PaperTable {
    name: "table-3",
    title: "Question answering on MUSIC-AVQA",
    task: MUSIC_AVQA.name,
    metrics: ANSWERS,
    rows: &[
        total("AVST", "ResNet-18, VGGish", 94.4),
        parts("LAVISH", SWIN, 171, 2382),
        parts("LAVISH", HTS_AT, 129, 2776),
        parts("LAVISH", VIT, 271, 3354),
        // The notes have this result without its encoders.
        PaperRow { results: &[("accuracy", 73.6)], ..bare("LAVISH", "") },
        PaperRow {
            results: &[("accuracy", 74.8), ("accuracy/AQ", 77.4), ("accuracy/VQ", 81.9), ("accuracy/AVQ", 70.7)],
            ..parts("DG-SCT", HTS_AT, 1863, 3270)
        },
        parts("CoPL", SWIN, 18, 2384),
        parts("CoPL", HTS_AT, 7, 2704),
        parts("CoPL", VIT, 50, 3357),
    ],
};

/// Table 4: the ablation on AVE.
pub const TABLE_4: PaperTable = PaperTable {
    name: "table-4",
    title: "Ablation on AVE",
    task: AVE.name,
    metrics: ACCURACY,
    rows: &[PaperRow { results: &[("accuracy", 77.6)], ..bare("frozen encoders and head", SWIN) }],
};

/// Table 5: cost of training on AVE.
pub const TABLE_5: PaperTable = PaperTable {
    name: "table-5",
    title: "Trainable parameters and peak memory",
    task: AVE.name,
    metrics: ACCURACY,
    rows: &[PaperRow { additional: Some(1.7), memory_gb: Some(15.4), ..bare("CoPL", SWIN) }],
};

/// All tables.
pub const TABLES: &[&PaperTable] = &[&TABLE_1, &TABLE_2, &TABLE_3, &TABLE_4, &TABLE_5];

/// The table of this name.
pub fn by_name(name: &str) -> Option<&'static PaperTable> {
    TABLES.iter().copied().find(|table| table.name == name)
}

/// The main table of a task: Table 1, 2 or 3; none of a task that the paper has no results of.
pub fn of_task(task: &str) -> Option<&'static PaperTable> {
    TABLES.iter().copied().find(|table| table.task == task)
}

impl PaperRow {
    /// A result by the name of our metric.
    pub fn result(&self, metric: &str) -> Option<f64> {
        self.results.iter().find(|(name, _)| *name == metric).map(|(_, value)| *value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_total_is_what_is_added_and_the_rest() {
        for row in TABLES.iter().flat_map(|t| t.rows) {
            if let (Some(a), Some(r), Some(t)) = (row.additional, row.rest, row.total) {
                assert!((a + r - t).abs() < 1e-9, "{} {}", row.method, row.encoders);
            }
        }
        let copl = TABLE_1.rows.iter().find(|r| r.method == "CoPL" && r.encoders == SWIN).unwrap();
        assert_eq!((copl.additional, copl.total), (Some(1.7), Some(232.3)));
    }

    #[test]
    fn the_average_over_questions_follows_from_its_kinds() {
        // Questions of the test split: 1623 audio, 2427 visual, 5135 audio-visual.
        let row = TABLE_3.rows.iter().find(|r| r.method == "DG-SCT").unwrap();
        let kinds = [("accuracy/AQ", 1623.0), ("accuracy/VQ", 2427.0), ("accuracy/AVQ", 5135.0)];
        let right: f64 = kinds.iter().map(|(kind, n)| row.result(kind).unwrap() * n).sum();
        assert!((right / 9185.0 - row.result("accuracy").unwrap()).abs() < 0.05);
    }

    #[test]
    fn every_task_of_the_paper_has_its_table_and_no_other_task_has_one() {
        let table = |task: &&copl_contract::task::TaskSpec| of_task(task.name).map(|table| table.name);
        let names: Vec<_> = copl_contract::task::TASKS.iter().map(table).collect();
        assert_eq!(names, [Some("table-1"), Some("table-2"), None, Some("table-3")]);
        assert_eq!(by_name("table-4"), Some(&TABLE_4));
    }
}
