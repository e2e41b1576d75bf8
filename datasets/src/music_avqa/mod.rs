//! The official MUSIC-AVQA layout (Li et al., CVPR 2022: Learning to Answer Questions in Dynamic Audio-Visual Scenarios):
//!
//! ```text
//! MUSIC-AVQA/
//!   json/avqa-train.json  avqa-val.json  avqa-test.json     the original annotations: [`Edition::Original`]
//!   json_update/avqa-....json                               the corrected ones: [`Edition::Updated`]
//!   videos/<video_id>.mp4                                   60 seconds each; other folders: [`videos::FOLDERS`]
//! ```
//!
//! Each question is a clip, and about five ask about the same video; [`crate::VideoIndex`] tells which, so a video need be
//! decoded once only. The classes are the 42 answers. Splits are by question: a video may stand in several.
//!
//! A clip's id is `<video_id>#q<question_id>`; where an id is used again (27 in val and 55 in test of the original
//! annotations, the same question with another answer each time), `.2` follows. Both are kept, as all published results do.

mod annotations;
pub(crate) mod counts;
mod kind;
mod question;
pub mod templates;
pub mod videos;
pub mod vocabulary;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    dataset::{Clip, Dataset, Media, Split, Target, Task},
    problem::Problems,
    read::{ReadError, ReadOptions, read_file, refuse_missing},
};
pub use counts::QuestionCounts;
pub use kind::{QuestionGroup, QuestionKind};
pub use question::{Question, fill};
use videos::VideoFolders;

/// Segments a clip: ten seconds spread evenly over the video's sixty, as the compared codes take them.
pub const SEGMENTS: usize = 10;

const LAYOUT: &str = "the data root is the folder with json/avqa-train.json, avqa-val.json, avqa-test.json and videos/";

/// Which of the two published sets of annotations is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Edition {
    /// The folder `json`, which LAVISH and DG-SCT use: 55 questions of the test file stand there twice.
    #[default]
    Original,
    /// The folder `json_update`, which PSTP-Net uses: without the repeated questions, 27 answers corrected.
    Updated,
}

impl Edition {
    /// The folder of its files.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Original => "json",
            Self::Updated => "json_update",
        }
    }
}

/// The file of a split's questions.
pub fn split_file(split: Split) -> &'static str {
    match split {
        Split::Train => "avqa-train.json",
        Split::Val => "avqa-val.json",
        Split::Test => "avqa-test.json",
    }
}

/// Reads one annotation file alone, such as avqa-test_real.json.
///
/// # Errors
/// If it cannot be read, or has problems; all are listed.
pub fn read_questions(path: &Path) -> Result<Vec<Question>, ReadError> {
    let mut problems = Problems::default();
    let questions = annotations::parse(path, &read_file(path, &mut Sha256::new())?, &mut problems);
    if problems.0.is_empty() { Ok(questions) } else { Err(problems.into()) }
}

/// Reads the dataset at `root`: the folder with `json/`, or the one above it (`data/` in the authors' repository).
///
/// # Errors
/// If there are no annotations, if they have problems (all are listed), or if videos are missing and that is to be refused.
pub fn read(root: &Path, edition: Edition, options: &ReadOptions) -> Result<Dataset, ReadError> {
    let root = find_root(root, edition)?;
    let mut fingerprint = Sha256::new();
    let mut problems = Problems::default();
    let mut folders = VideoFolders::open(&root, &mut problems)?;
    let mut uses: HashMap<String, u32> = HashMap::new();
    let mut clips = Vec::new();
    for split in Split::ALL {
        let path = root.join(edition.folder()).join(split_file(split));
        let bytes = read_file(&path, &mut fingerprint)?;
        for question in annotations::parse(&path, &bytes, &mut problems) {
            let video = folders.find(&question, &path, &mut problems);
            let Some(answer) = vocabulary::answer_index(&question.answer) else { continue };
            let mut id = format!("{}#q{}", question.video_id, question.question_id);
            let used = uses.entry(id.clone()).or_default();
            *used += 1;
            if *used > 1 {
                id = format!("{id}.{used}");
            }
            clips.push(Clip {
                id,
                video_id: question.video_id,
                media: Media::Video(video),
                split,
                target: Target::Question {
                    question_id: question.question_id,
                    kind: question.kind,
                    words: question.words,
                    answer,
                },
                row: question.entry - 1,
            });
        }
    }
    if !problems.0.is_empty() {
        return Err(problems.into());
    }
    refuse_missing(&root, &clips, options)?;
    Ok(Dataset {
        name: "music-avqa".to_owned(),
        task: Task::MusicAvqa,
        root,
        classes: vocabulary::ANSWERS.map(str::to_owned).to_vec(),
        background: None,
        segments: SEGMENTS,
        clips,
        fingerprint: format!("{:x}", fingerprint.finalize()),
        unassigned: Vec::new(),
    })
}

fn find_root(root: &Path, edition: Edition) -> Result<PathBuf, ReadError> {
    let (file, also) = match edition {
        Edition::Original => ("json/avqa-train.json", "nor in its data or MUSIC-AVQA folder"),
        Edition::Updated => ("json_update/avqa-train.json", "nor in its data or MUSIC-AVQA folder"),
    };
    let found = [root.to_owned(), root.join("data"), root.join("MUSIC-AVQA")]
        .into_iter()
        .find(|folder| folder.join(file).is_file())
        .ok_or_else(|| ReadError::NoAnnotations { root: root.to_owned(), file, also, layout: LAYOUT })?;
    found.canonicalize().map_err(|source| ReadError::Io { path: found, source })
}
