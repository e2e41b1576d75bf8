//! The reader of MUSIC-AVQA's layout, on hand-made files in it.

#![allow(clippy::disallowed_methods, reason = "files of a test")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use copl_datasets::{
    Dataset, Descriptor, Media, MissingVideos, QuestionKind, ReadError, ReadOptions, Split, Target, VideoIndex, check,
    music_avqa::{
        self, Edition,
        vocabulary::{ANSWERS, answer_index, answers_of, words_of},
    },
};
use tempfile::TempDir;

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/music-avqa")
}

fn read(root: &Path) -> Result<Dataset, ReadError> {
    music_avqa::read(root, Edition::Original, &ReadOptions::default())
}

/// A copy of the fixture with a file of questions replaced.
fn with(file: &str, text: &str) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for folder in ["json", "videos"] {
        fs::create_dir(copy.path().join(folder)).unwrap();
        for entry in fs::read_dir(fixture().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, copy.path().join(folder).join(path.file_name().unwrap())).unwrap();
        }
    }
    fs::write(copy.path().join(file), text).unwrap();
    copy
}

fn problems(root: &Path) -> Vec<String> {
    match read(root) {
        Err(ReadError::Problems(problems)) => problems.0.iter().map(ToString::to_string).collect(),
        other => panic!("problems expected, got {other:?}"),
    }
}

#[test]
fn each_question_is_a_clip_with_words_kind_and_answer() {
    let dataset = read(&fixture()).unwrap();
    assert_eq!(dataset.classes, ANSWERS);
    assert_eq!((dataset.background, dataset.segments), (None, 10));
    let ids: Vec<&str> = dataset.clips.iter().map(|clip| clip.id.as_str()).collect();
    let expected = [
        "00000001#q1",
        "00000002#q2",
        "00000001#q3",
        "va00000003#q4",
        "00000001#q5", // train
        "00000002#q6", // val
        "00000004#q7",
        "00000004#q7.2",
        "00000002#q8",
    ];
    assert_eq!(ids, expected);
    assert_eq!(Split::ALL.map(|split| dataset.split(split).len()), [5, 1, 3]);
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let question = |question_id, kind, text, answer| Target::Question {
        question_id,
        kind,
        words: words(text),
        answer: answer_index(answer).unwrap(),
    };
    use QuestionKind::*;
    let clips = &dataset.clips;
    assert_eq!(clips[0].target, question(1, AudioCounting, "Is there a tuba sound", "yes"));
    assert_eq!(clips[2].target, question(3, AudioVisualCounting, "How many sounding tuba in the video", "two"));
    assert_eq!(clips[3].target, question(4, AudioCounting, "Are there drum and flute sound", "no"));
    let last = question(8, AudioVisualTemporal, "What is the first instrument that comes in", "acoustic_guitar");
    assert_eq!(clips[8].target, last);
}

#[test]
fn videos_are_found_in_the_usual_folders_and_missing_ones_listed() {
    let dataset = read(&fixture()).unwrap();
    let files: Vec<PathBuf> = dataset
        .clips
        .iter()
        .map(|clip| match &clip.media {
            Media::Video(path) => path.strip_prefix(&dataset.root).unwrap().to_owned(),
            Media::Frames { .. } => panic!("a video is expected"),
        })
        .collect();
    assert_eq!(files[0], Path::new("videos/00000001.mp4"));
    assert_eq!(files[1], Path::new("videos/00000002.mkv"));
    assert_eq!(files[3], Path::new("MUSIC-AVQA-videos-Synthetic/va00000003.mp4"));
    assert_eq!(files[6], Path::new("videos/00000004.mp4"), "where it should be");
    let missing: Vec<&str> = dataset.missing().iter().map(|clip| clip.id.as_str()).collect();
    assert_eq!(missing, ["00000004#q7", "00000004#q7.2"]);
    let refuse = ReadOptions { missing: MissingVideos::Refuse };
    let error = music_avqa::read(&fixture(), Edition::Original, &refuse).unwrap_err().to_string();
    assert!(error.contains("00000004.mp4"), "{error}");
}

#[test]
fn questions_of_a_video_are_found_together() {
    let dataset = read(&fixture()).unwrap();
    let index = VideoIndex::new(dataset.split(Split::Train));
    assert_eq!(index.groups(), [vec![0, 2, 4], vec![1], vec![3]]);
}

#[test]
fn repeated_question_ids_are_counted_and_kept() {
    let descriptor = Descriptor::load("music-avqa").unwrap();
    let report = check(&read(&fixture()).unwrap(), &descriptor);
    assert_eq!(report.splits.iter().map(|counts| counts.questions.repeated_ids).collect::<Vec<_>>(), [0, 0, 1]);
    assert_eq!(report.splits[0].questions.by_kind[&QuestionKind::AudioCounting], 2);
    assert_eq!(report.videos_in_several_splits, ["00000002"]);
    assert!(report.to_string().contains("Audio-Visual Existential          0      0      2"), "{report}");
}

#[test]
fn vocabularies_are_computed_in_order_of_first_appearance() {
    let train = music_avqa::read_questions(&fixture().join("json/avqa-train.json")).unwrap();
    let words = words_of(&train).join(" ");
    assert!(
        words.starts_with("<pad> Is there a tuba sound Where is the performance How many sounding in video Are"),
        "{words}"
    );
    assert_eq!(answers_of(&train), ["yes", "indoor", "two", "no", "left"]);
}

#[test]
fn everything_that_is_wrong_is_told_at_once_with_file_and_entry() {
    let text = r#"[
      {"video_id": "../up", "question_id": -3, "type": "[\"Audio\", \"Temporal\"]", "question_content": "Where is Waldo?",
       "templ_values": "[]", "question_deleted": 0, "anser": "seventeen"},
      7,
      {"video_id": "00000001", "question_id": 1, "type": "Audio", "question_content": "Is there a <Object> sound?",
       "templ_values": "[]", "question_deleted": 1},
      {"video_id": "00000001", "question_id": 2, "type": "[\"Audio\", \"Counting\"]", "anser": "yes", "templ_values": "[\"tuba\"]",
       "question_content": "Is there a <Object> sound in the video and in the video and in the video?", "question_deleted": 0}
    ]"#;
    let folder = with("json/avqa-val.json", text);
    let found = problems(folder.path());
    for (part, entry) in [
        ("video_id: '../up' would leave", 1),
        ("question_id: -3 where a whole number", 1),
        ("type: [\"Audio\", \"Temporal\"] is none of the nine kinds", 1),
        ("question_content: [\"Waldo\"] are not in the vocabulary", 1),
        ("anser: 'seventeen' is none of the 42 answers", 1),
        ("7 where an object is expected", 2),
        ("type: 'Audio' is no JSON list", 3),
        ("1 placeholders but 0 values", 3),
        ("question_deleted", 3),
        ("anser: nothing where a text", 3),
        ("16 words; 14 are the most", 4),
    ] {
        let told = found.iter().any(|problem| {
            problem.contains(part) && problem.contains(&format!("entry {entry}: ")) && problem.contains("avqa-val.json")
        });
        assert!(told, "'{part}' of entry {entry} is not among {found:#?}");
    }
    assert_eq!(found.len(), 11, "{found:#?}");
}

#[test]
fn a_file_that_is_no_list_of_questions_is_told_with_line_and_column() {
    for (text, part) in [("[{}, 7", "line 1 column 6"), ("{}", "no JSON array"), ("[]", "holds no question")] {
        let found = problems(with("json/avqa-test.json", text).path());
        assert!(found.len() == 1 && found[0].contains(part), "{found:?}");
    }
}

#[cfg(unix)]
#[test]
fn links_out_of_the_root_are_refused() {
    let folder = with("videos/00000001.mp4", "");
    let outside = tempfile::NamedTempFile::new().unwrap();
    let link = folder.path().join("videos/00000002.mkv");
    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(outside.path(), &link).unwrap();
    let found = problems(folder.path());
    assert!(
        found.len() == 1 && found[0].contains("outside the data root") && found[0].contains("entry 2"),
        "{found:?}"
    );
}

#[test]
fn the_edition_decides_the_folder() {
    let error = music_avqa::read(&fixture(), Edition::Updated, &ReadOptions::default()).unwrap_err().to_string();
    assert!(error.contains("json_update/avqa-train.json"), "{error}");
    let folder = with("json/avqa-train.json", &fs::read_to_string(fixture().join("json/avqa-train.json")).unwrap());
    fs::rename(folder.path().join("json"), folder.path().join("json_update")).unwrap();
    let updated = Descriptor::load("music-avqa-updated").unwrap();
    assert_eq!(updated.open(folder.path(), &ReadOptions::default()).unwrap().clips.len(), 9);
}
