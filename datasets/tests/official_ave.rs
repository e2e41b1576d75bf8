//! The reader on the official AVE annotation files, against the label files their authors publish beside them.
//!
//! The files bear no licence that lets them lie here: COPL_AVE_ANNOTATIONS names a folder that holds Annotations.txt, the
//! three split files, *_order.h5, labels_closs.h5 and mil_labels.h5. Without it the test says that it is skipped.

use std::path::{Path, PathBuf};

use copl_datasets::{Clip, Dataset, Descriptor, ReadOptions, Split, Target, check};
use hdf5_pure::File;

fn folder(test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("COPL_AVE_ANNOTATIONS").map(PathBuf::from);
    if folder.is_none() {
        println!("SKIPPED {test}: COPL_AVE_ANNOTATIONS names no folder with the official files");
    }
    folder
}

fn labels(clip: &Clip) -> &[u32] {
    let Target::Events { labels, .. } = &clip.target else { panic!("{clip:?}") };
    labels
}

fn open(folder: &Path) -> (Descriptor, Dataset) {
    let descriptor = Descriptor::load("ave").unwrap();
    let dataset = descriptor.open(folder, &ReadOptions::default()).unwrap();
    (descriptor, dataset)
}

/// The only dataset of a file, row by row.
fn table(path: &Path) -> (Vec<u64>, Vec<f64>) {
    let file = File::open(path).unwrap();
    let names = file.root().datasets().unwrap();
    assert_eq!(names.len(), 1, "{}: {names:?}", path.display());
    let dataset = file.dataset(&names[0]).unwrap();
    (dataset.shape().unwrap(), dataset.read_f64().unwrap())
}

#[test]
fn counts_are_the_published_ones() {
    let Some(folder) = folder("counts_are_the_published_ones") else { return };
    let (descriptor, dataset) = open(&folder);
    let report = check(&dataset, &descriptor);
    println!("{report}");
    assert_eq!(report.mismatches, []);
    assert_eq!(dataset.background, Some(28));
    assert!(dataset.unassigned.is_empty());
    let shares: Vec<_> =
        report.splits.iter().map(|counts| format!("{:.1}", 100.0 * counts.background_share())).collect();
    assert_eq!(shares, ["16.9", "18.2", "17.8"]);
    let empty: Vec<_> = dataset
        .clips
        .iter()
        .filter(|clip| !labels(clip).iter().any(|label| *label != 28))
        .map(|clip| clip.id.as_str())
        .collect();
    assert_eq!(empty, ["VWi2ENBuTbw#26"]);
}

#[test]
fn splits_have_the_order_of_the_order_files() {
    let Some(folder) = folder("splits_have_the_order_of_the_order_files") else { return };
    let (_, dataset) = open(&folder);
    for split in Split::ALL {
        let (_, order) = table(&folder.join(format!("{split}_order.h5")));
        let rows: Vec<f64> = dataset.split(split).iter().map(|clip| clip.row as f64).collect();
        assert_eq!(rows, order, "{split}");
    }
}

#[test]
fn every_segment_is_foreground_where_the_label_file_says_so() {
    let Some(folder) = folder("every_segment_is_foreground_where_the_label_file_says_so") else { return };
    let (_, dataset) = open(&folder);
    let (shape, foreground) = table(&folder.join("labels_closs.h5"));
    assert_eq!(shape, [4143, 10]);
    let mut equal = 0;
    for clip in &dataset.clips {
        for (t, label) in labels(clip).iter().enumerate() {
            let expected = foreground[clip.row * 10 + t] == 1.0;
            assert_eq!(Some(*label) != dataset.background, expected, "{} segment {t}", clip.id);
            equal += 1;
        }
    }
    println!("labels_closs.h5: {equal} cells equal");
    assert_eq!(equal, 41_430);
}

#[test]
fn every_category_is_the_label_files() {
    let Some(folder) = folder("every_category_is_the_label_files") else { return };
    let (_, dataset) = open(&folder);
    let (shape, one_hot) = table(&folder.join("mil_labels.h5"));
    assert_eq!(shape, [4143, 29]);
    let mut equal = 0;
    for clip in &dataset.clips {
        for (class, cell) in one_hot[clip.row * 29..][..29].iter().enumerate() {
            assert_eq!(
                *cell,
                if class as u32 == clip.target.class().unwrap() { 1.0 } else { 0.0 },
                "{} class {class}",
                clip.id
            );
            equal += 1;
        }
    }
    println!("mil_labels.h5: {equal} cells equal");
    assert_eq!(equal, 4143 * 29);
}
