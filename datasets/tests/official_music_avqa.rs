//! The reader on the official MUSIC-AVQA annotation files, against counts taken from them beforehand.
//!
//! The files' licence is contradictory, so they do not lie here: COPL_MUSIC_AVQA_ANNOTATIONS names a folder with json/ and
//! json_update/. Without it the tests say that they are skipped. Training files may be missing: what needs one says so.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    fs,
    path::{Path, PathBuf},
};

use copl_datasets::{
    Descriptor, QuestionKind, ReadOptions, Split, check,
    music_avqa::{
        Question, read_questions,
        templates::TEMPLATES,
        videos::Origin,
        vocabulary::{ANSWERS, PAD, WORDS, answers_of, words_of},
    },
};

fn folder(test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("COPL_MUSIC_AVQA_ANNOTATIONS").map(PathBuf::from);
    if folder.is_none() {
        println!("SKIPPED {test}: COPL_MUSIC_AVQA_ANNOTATIONS names no folder with the official files");
    }
    folder
}

/// Every annotation file there is.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = ["json", "json_update"]
        .iter()
        .flat_map(|edition| fs::read_dir(folder.join(edition)).unwrap())
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

fn by_kind(questions: &[Question]) -> [usize; 9] {
    QuestionKind::ALL.map(|kind| questions.iter().filter(|question| question.kind == kind).count())
}

/// Counts by kind, in the order of `QuestionKind::ALL`.
#[test]
fn counts_by_kind_are_the_published_ones() {
    let Some(folder) = folder("counts_by_kind_are_the_published_ones") else { return };
    for (file, total, kinds) in [
        ("json/avqa-test.json", 9185, [1022, 601, 1199, 1228, 995, 1274, 927, 1115, 824]),
        ("json_update/avqa-test.json", 9129, [1017, 594, 1197, 1225, 988, 1265, 920, 1101, 822]),
        ("json/avqa-val.json", 4595, [515, 299, 600, 614, 499, 635, 462, 557, 414]),
    ] {
        let questions = read_questions(&folder.join(file)).unwrap();
        assert_eq!((questions.len(), by_kind(&questions)), (total, kinds), "{file}");
        println!("{file}: {total} questions, kinds {kinds:?}");
    }
    assert_eq!(read_questions(&folder.join("json_update/avqa-val.json")).unwrap().len(), 4568);
}

#[test]
fn repeated_ids_are_those_known() {
    let Some(folder) = folder("repeated_ids_are_those_known") else { return };
    for (file, repeated) in [
        ("json/avqa-test.json", 55),
        ("json/avqa-val.json", 27),
        ("json_update/avqa-test.json", 0),
        ("json_update/avqa-val.json", 0),
    ] {
        let mut ids = HashSet::new();
        let questions = read_questions(&folder.join(file)).unwrap();
        assert_eq!(questions.iter().filter(|question| !ids.insert(question.question_id)).count(), repeated, "{file}");
    }
}

/// All files together use every word but the filler, every answer but "ten", and every template, and no other.
#[test]
fn words_answers_templates_and_ids_are_those_the_crate_ships() {
    let Some(folder) = folder("words_answers_templates_and_ids_are_those_the_crate_ships") else { return };
    let (mut words, mut answers, mut templates) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let mut longest = 0;
    for file in files(&folder) {
        for question in read_questions(&file).unwrap() {
            assert!(Origin::of(&question.video_id).is_some(), "{}", question.video_id);
            longest = longest.max(question.words.len());
            words.extend(question.words);
            answers.insert(question.answer);
            templates.insert((question.kind, question.template));
        }
    }
    let shipped: BTreeSet<(QuestionKind, String)> =
        TEMPLATES.iter().map(|template| (template.kind, template.text.to_owned())).collect();
    assert_eq!(templates, shipped);
    assert_eq!(longest, 14);
    let unused = |used: &BTreeSet<String>, known: &[&'static str]| -> Vec<&'static str> {
        known.iter().copied().filter(|known| !used.contains(*known)).collect()
    };
    assert_eq!(unused(&words, &WORDS), [PAD]);
    let rare = unused(&answers, &ANSWERS);
    println!(
        "{} words, {} answers, {} templates; answers in training alone: {rare:?}",
        words.len(),
        answers.len(),
        templates.len()
    );
    assert!(rare.is_empty() || rare == ["ten"], "{rare:?}");
}

/// The shipped lists are in the order of first appearance in the training file, where that is at hand.
#[test]
fn vocabulary_is_the_training_files() {
    let Some(folder) = folder("vocabulary_is_the_training_files") else { return };
    let file = folder.join("json/avqa-train.json");
    if !file.is_file() {
        println!("SKIPPED vocabulary_is_the_training_files: {} is not there", file.display());
        return;
    }
    let train = read_questions(&file).unwrap();
    assert_eq!(train.len(), 32_087);
    assert_eq!(words_of(&train), WORDS);
    assert_eq!(answers_of(&train), ANSWERS);
}

/// The whole dataset; the synthetic part of the training questions stands in for a training file that is not there.
#[test]
fn the_dataset_reads_as_a_whole() {
    let Some(folder) = folder("the_dataset_reads_as_a_whole") else { return };
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("json")).unwrap();
    for split in Split::ALL {
        let name = format!("avqa-{split}.json");
        let official = folder.join("json").join(&name);
        let there = if official.is_file() { official } else { folder.join("json/avqa-train_fake.json") };
        fs::copy(there, root.path().join("json").join(name)).unwrap();
    }
    let descriptor = Descriptor::load("music-avqa").unwrap();
    let dataset = descriptor.open(root.path(), &ReadOptions::default()).unwrap();
    let report = check(&dataset, &descriptor);
    println!("{report}");
    let ids: HashSet<&str> = dataset.clips.iter().map(|clip| clip.id.as_str()).collect();
    assert_eq!(ids.len(), dataset.clips.len(), "clip ids repeat");
    let counts: BTreeMap<Split, (usize, usize, usize)> = report
        .splits
        .iter()
        .map(|counts| (counts.split, (counts.clips, counts.questions.repeated_ids, counts.questions.videos)))
        .collect();
    assert_eq!(counts[&Split::Val], (4595, 27, 3815));
    assert_eq!(counts[&Split::Test], (9185, 55, 6399));
    let wrong: Vec<&str> = report.mismatches.iter().map(|mismatch| mismatch.what.as_str()).collect();
    assert!(wrong.is_empty() || wrong == ["clips", "clips in train"], "{wrong:?}");
}
