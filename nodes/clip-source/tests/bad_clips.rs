//! The node against clips that come back as quarantined: how many are borne, in each split and over a cut.

#![allow(clippy::disallowed_methods, reason = "files of a test")]

use std::fs;
use std::path::Path;

use copl_clip_source::ClipSource;
use copl_contract::checkpoint::ReportPart;
use copl_contract::schema::{BatchBuilder, Schema};
use copl_contract::testing::{Answer, Harness, Sent};
use copl_contract::{ExitCode, Header, Kind, NodeError, Split};

const SPLITS: [(&str, usize); 3] = [("train", 40), ("val", 5), ("test", 5)];

/// The lists of a dataset of 40, 5 and 5 clips, without videos: the source opens none.
fn dataset(root: &Path) {
    let mut all = String::new();
    for (split, count) in SPLITS {
        let rows: String = (0..count).map(|n| format!("Bell&{split}{n:06}&good&0&10\n")).collect();
        fs::write(root.join(format!("{split}Set.txt")), &rows).unwrap();
        all.push_str(&rows);
    }
    fs::write(root.join("Annotations.txt"), all).unwrap();
}

/// Gives every clip back; those whose video is named as quarantined. Ends when the clips do.
fn credits(bad: &'static [&'static str]) -> impl FnMut(&Sent) -> Vec<Answer> {
    move |sent: &Sent| {
        let answer =
            |kind, row| vec![("credits".to_owned(), Header::new(kind, sent.header.epoch, sent.header.split), row)];
        match (sent.output.as_str(), sent.header.kind) {
            ("clips", Kind::Data) => {}
            ("clips", Kind::End) => return answer(Kind::End, None),
            _ => return Vec::new(),
        }
        let video = sent.header.clip.split('#').next().unwrap();
        let row = BatchBuilder::new(Schema::Credits)
            .int64([i64::try_from(sent.header.position).unwrap()])
            .int64([i64::from(!bad.contains(&video))])
            .utf8([&sent.header.clip])
            .build()
            .unwrap();
        answer(Kind::Data, Some(row))
    }
}

fn node(root: &Path, fraction: f64) -> Harness {
    let node = Harness::new().setting("DATASET", "ave").setting("ROOT", root.display()).setting("EPOCHS", 2);
    node.setting("MAX_BAD_FRACTION", fraction).setting("WINDOW", 2).outputs(&["clips"]).input("credits")
}

#[test]
fn one_bad_clip_of_a_small_split_is_too_many_though_the_dataset_has_many_clips() {
    let folder = tempfile::tempdir().unwrap();
    dataset(folder.path());
    // Two of 50 clips are four per cent of the dataset and 40 of the validation split.
    let run = |fraction| {
        node(folder.path(), fraction).respond(credits(&["val000001", "val000003"])).run::<ClipSource>().map(|_| ())
    };
    let error = run(0.2).unwrap_err();
    assert!(matches!(&error, NodeError::Failed { code: ExitCode::TooManyBadClips, .. }), "{error:?}");
    assert!(error.to_string().contains("2 of 5 clips (40.0 %) of the split val"), "{error}");
    run(0.4).unwrap();
}

/// A checkpoint as every version wrote it: names of clips, without their splits.
#[test]
fn a_run_that_goes_on_counts_what_was_quarantined_before_by_split() {
    let folder = tempfile::tempdir().unwrap();
    dataset(folder.path());
    // Behind the first epoch: both passes and their boundaries.
    let part = |quarantined: &str| {
        let text = format!("items: 47\npass: [1, val, 5]\nrows: {{}}\nquarantined: [{quarantined}]\n");
        fs::write(folder.path().join(ReportPart::FILE), text).unwrap();
    };
    let run = |bad: &'static [&'static str]| {
        let node = node(folder.path(), 0.2).resume(folder.path()).respond(credits(bad));
        node.run::<ClipSource>()
    };
    // Rows of val begin behind those of train.
    part("val000001#41, train000000#0");
    let error = run(&["val000003"]).unwrap_err();
    assert!(error.to_string().contains("2 of 5 clips (40.0 %) of the split val"), "{error}");
    // The same clip again, and one of another split, are no more than is allowed.
    let sent = run(&["val000001", "test000002"]).unwrap();
    let clips = sent.iter().filter(|sent| sent.output == "clips" && sent.header.kind == Kind::Data);
    assert_eq!(clips.clone().count(), 40 + 5 + 5);
    assert_eq!(clips.map(|sent| sent.header.split).collect::<Vec<_>>()[44..46], [Split::Val, Split::Test]);
    part("gone#7");
    let error = run(&[]).unwrap_err().to_string();
    assert!(error.contains("clip gone#7 is none of the run's"), "{error}");
}
