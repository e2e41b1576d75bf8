//! The published numbers that stand beside ours: rows of the method paper's tables, in its units (millions of numbers,
//! percent, gigabytes).
//!
//! Its totals include the encoders' own classifier heads of 21 thousand classes, which nobody uses. A field without a number
//! is one that the paper leaves out. DG-SCT's row of Table 1 is the paper's own reproduction, with the head of its other rows.

use copl_contract::task::{AVE, AVS_S4, MUSIC_AVQA};
use serde::Serialize;

/// A row of a table of the paper.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PaperRow {
    /// Method as the paper names it.
    pub method: &'static str,
    /// Encoders as the paper names them.
    pub encoders: &'static str,
    /// Additional parameters in millions.
    pub additional: Option<f64>,
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
    PaperRow { method, encoders, additional: None, total: None, results: &[], memory_gb: None }
}

const fn row(
    method: &'static str,
    encoders: &'static str,
    additional: Option<f64>,
    total: Option<f64>,
    results: &'static [(&'static str, f64)],
) -> PaperRow {
    PaperRow { additional, total, results, ..bare(method, encoders) }
}

/// Table 1: audio-visual event localisation on AVE.
pub const TABLE_1: PaperTable = PaperTable {
    name: "table-1",
    title: "Event localisation on AVE",
    task: AVE.name,
    metrics: ACCURACY,
    rows: &[
        row("AVEL", "ResNet-152, VGGish", None, Some(136.0), &[("accuracy", 74.0)]),
        row("AVSDN", "ResNet-152, VGGish", None, Some(140.3), &[("accuracy", 75.4)]),
        row("CMRAN", "ResNet-152, VGGish", None, Some(148.2), &[("accuracy", 78.3)]),
        row("CMBS", "ResNet-152, VGGish", None, Some(216.7), &[("accuracy", 79.7)]),
        row("LAVISH", HTS_AT, Some(6.5), Some(270.2), &[("accuracy", 78.6)]),
        row("DG-SCT", HTS_AT, Some(187.1), Some(448.4), &[("accuracy", 78.3)]),
        row("CoPL", HTS_AT, Some(0.7), Some(263.3), &[("accuracy", 79.6)]),
        row("LAVISH", VIT, Some(13.5), Some(340.7), &[("accuracy", 78.1)]),
        row("LAVISH", SWIN, Some(8.5), Some(238.8), &[("accuracy", 81.1)]),
        row("CoPL", VIT, Some(5.0), Some(332.8), &[("accuracy", 79.2)]),
        row("CoPL", SWIN, Some(1.7), Some(232.3), &[("accuracy", 81.9)]),
    ],
};

/// Table 2: audio-visual segmentation on AVSBench-S4.
pub const TABLE_2: PaperTable = PaperTable {
    name: "table-2",
    title: "Segmentation on AVSBench-S4",
    task: AVS_S4.name,
    metrics: MASKS,
    rows: &[
        row("AVS", "PVT-V2, VGGish", Some(82.3), Some(174.5), &[("miou", 78.7)]),
        row("LAVISH", HTS_AT, Some(17.1), Some(297.1), &[("miou", 78.0)]),
        row("DG-SCT", HTS_AT, Some(196.6), Some(521.4), &[("miou", 80.9)]),
        row("CoPL", HTS_AT, Some(1.8), Some(283.2), &[("miou", 80.1)]),
        row("LAVISH", VIT, Some(27.1), Some(375.5), &[("miou", 74.1)]),
        row("LAVISH", SWIN, Some(18.3), Some(266.4), &[("miou", 80.1)]),
        row("CoPL", VIT, Some(4.7), Some(353.4), &[("miou", 76.6)]),
        row("CoPL", SWIN, Some(2.8), Some(253.0), &[("miou", 80.7)]),
    ],
};

/// Table 3: question answering on MUSIC-AVQA.
pub const TABLE_3: PaperTable = PaperTable {
    name: "table-3",
    title: "Question answering on MUSIC-AVQA",
    task: MUSIC_AVQA.name,
    metrics: ANSWERS,
    rows: &[
        row(
            "AVSD",
            "VGG-19, VGGish",
            None,
            None,
            &[("accuracy/AQ", 68.5), ("accuracy/VQ", 70.8), ("accuracy/AVQ", 65.5), ("accuracy", 67.4)],
        ),
        row(
            "AVST",
            "ResNet-18, VGGish",
            Some(18.5),
            Some(94.4),
            &[("accuracy/AQ", 74.1), ("accuracy/VQ", 74.0), ("accuracy/AVQ", 69.5), ("accuracy", 71.5)],
        ),
        row(
            "PSTP",
            "CLIP ViT-B/32, VGGish",
            Some(4.3),
            None,
            &[("accuracy/AQ", 70.9), ("accuracy/VQ", 77.3), ("accuracy/AVQ", 72.6), ("accuracy", 73.5)],
        ),
        row(
            "LAVISH",
            HTS_AT,
            Some(12.9),
            Some(290.5),
            &[("accuracy/AQ", 75.4), ("accuracy/VQ", 79.6), ("accuracy/AVQ", 70.1), ("accuracy", 73.6)],
        ),
        row(
            "DG-SCT",
            HTS_AT,
            Some(186.3),
            Some(513.3),
            &[("accuracy/AQ", 77.4), ("accuracy/VQ", 81.9), ("accuracy/AVQ", 70.7), ("accuracy", 74.8)],
        ),
        row(
            "CoPL",
            HTS_AT,
            Some(0.7),
            Some(271.1),
            &[("accuracy/AQ", 76.8), ("accuracy/VQ", 77.1), ("accuracy/AVQ", 75.2), ("accuracy", 75.9)],
        ),
        row(
            "LAVISH",
            VIT,
            Some(27.1),
            Some(362.5),
            &[("accuracy/AQ", 74.1), ("accuracy/VQ", 73.6), ("accuracy/AVQ", 74.7), ("accuracy", 74.4)],
        ),
        row(
            "LAVISH",
            SWIN,
            Some(17.1),
            Some(255.3),
            &[("accuracy/AQ", 75.7), ("accuracy/VQ", 80.4), ("accuracy/AVQ", 70.4), ("accuracy", 74.0)],
        ),
        row(
            "CoPL",
            VIT,
            Some(5.0),
            Some(340.7),
            &[("accuracy/AQ", 75.1), ("accuracy/VQ", 77.2), ("accuracy/AVQ", 75.0), ("accuracy", 75.6)],
        ),
        row(
            "CoPL",
            SWIN,
            Some(1.8),
            Some(240.2),
            &[("accuracy/AQ", 77.3), ("accuracy/VQ", 77.6), ("accuracy/AVQ", 76.3), ("accuracy", 76.7)],
        ),
    ],
};

/// Table 4: the ablation on AVE.
pub const TABLE_4: PaperTable = PaperTable {
    name: "table-4",
    title: "Ablation on AVE",
    task: AVE.name,
    metrics: ACCURACY,
    rows: &[
        row("frozen encoders and head", SWIN, None, None, &[("accuracy", 77.6)]),
        row("global", SWIN, None, None, &[("accuracy", 78.7)]),
        row("global, frame", SWIN, None, None, &[("accuracy", 79.2)]),
        row("global, frame, interaction", SWIN, None, None, &[("accuracy", 80.5)]),
        row("global, frame, interaction, bank", SWIN, None, None, &[("accuracy", 81.4)]),
        row("global, frame, interaction, bank, consistency", SWIN, None, None, &[("accuracy", 81.9)]),
    ],
};

/// Table 5: cost of training on AVE.
pub const TABLE_5: PaperTable = PaperTable {
    name: "table-5",
    title: "Trainable parameters and peak memory",
    task: AVE.name,
    metrics: ACCURACY,
    rows: &[
        PaperRow { memory_gb: Some(18.9), ..row("LAVISH", SWIN, Some(8.5), None, &[("accuracy", 81.1)]) },
        PaperRow { memory_gb: Some(19.9), ..row("DG-SCT", HTS_AT, Some(187.1), None, &[("accuracy", 78.3)]) },
        PaperRow { memory_gb: Some(15.4), ..row("CoPL", SWIN, Some(1.7), None, &[("accuracy", 81.9)]) },
    ],
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
    /// Total less additional parameters in millions.
    pub fn rest(&self) -> Option<f64> {
        Some(self.total? - self.additional?)
    }

    /// A result by the name of our metric.
    pub fn result(&self, metric: &str) -> Option<f64> {
        self.results.iter().find(|(name, _)| *name == metric).map(|(_, value)| *value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_method_less_its_parameters_is_the_other_less_its_own() {
        // Of the same encoders and head: 230.6 and 230.3 M, as near as the paper's rounding of both parts allows.
        let find =
            |method, encoders| TABLE_1.rows.iter().find(|r| (r.method, r.encoders) == (method, encoders)).unwrap();
        let rests = ["CoPL", "LAVISH"].map(|method| find(method, SWIN).rest().unwrap());
        assert!((rests[0] - rests[1]).abs() < 0.4, "{rests:?}");
        assert_eq!(find("CoPL", SWIN).total, Some(232.3));
        assert_eq!(TABLES.iter().map(|table| table.rows.len()).collect::<Vec<_>>(), [11, 8, 10, 6, 3]);
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
