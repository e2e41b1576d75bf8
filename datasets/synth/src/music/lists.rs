//! The annotation files of a made set, as the official ones are written.

use std::{fs, path::Path};

use copl_datasets::{Split, music_avqa::templates::TEMPLATES};
use serde::Serialize;

use super::{
    ensemble::Ensemble,
    options::MusicOptions,
    questions::{self, Asked},
    quiz::Quiz,
};
use crate::{error::SynthError, files::write_whole, manifest::Manifest, random::Purpose};

/// The annotation files by split.
pub(super) const LISTS: [&str; 3] = ["json/avqa-train.json", "json/avqa-val.json", "json/avqa-test.json"];

/// One entry; fields in the official order, and the answer under the official key.
#[derive(Debug, Serialize)]
struct Entry<'a> {
    video_id: &'a str,
    question_id: usize,
    /// JSON in a text, as is `templ_values`.
    #[serde(rename = "type")]
    kind: String,
    question_content: &'static str,
    templ_values: String,
    question_deleted: u32,
    anser: &'static str,
}

/// Writes the three files.
pub(super) fn write(set: &Path, manifest: &Manifest<Ensemble, MusicOptions>) -> Result<(), SynthError> {
    let mut next_id = 0;
    for (split, name) in Split::ALL.into_iter().zip(LISTS) {
        let path = set.join(name);
        let videos: Vec<(&str, &Ensemble)> = manifest
            .clips
            .iter()
            .filter(|clip| clip.split == split)
            .map(|clip| (clip.video_id.as_str(), &clip.scene))
            .collect();
        let asked = ask(split, videos.iter().map(|video| video.1), &manifest.options);
        let mut entries = Vec::new();
        for ((video_id, _), asked) in videos.iter().zip(&asked) {
            for asked in asked {
                entries.push(entry(video_id, next_id, asked));
                next_id += 1;
            }
        }
        let json = |source| SynthError::Manifest { path: path.clone(), source };
        let mut text = serde_json::to_string_pretty(&entries).map_err(json)?;
        text.push('\n');
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|source| SynthError::Io { path: folder.to_owned(), source })?;
        }
        write_whole(&path, text.as_bytes())?;
    }
    Ok(())
}

/// The questions of each video of a split.
pub(super) fn ask<'a>(
    split: Split,
    ensembles: impl Iterator<Item = &'a Ensemble>,
    options: &MusicOptions,
) -> Vec<Vec<Asked>> {
    let mut quiz = Quiz::default();
    ensembles
        .enumerate()
        .map(|(index, ensemble)| {
            quiz.choose(
                &mut options.key(split, index as u32).stream(Purpose::Ids, 0),
                &questions::all(ensemble, options.instruments),
                options.questions,
            )
        })
        .collect()
}

fn entry<'a>(video_id: &'a str, question_id: usize, asked: &Asked) -> Entry<'a> {
    let template = TEMPLATES[asked.template];
    let quoted = |texts: &[&str]| {
        let texts: Vec<String> = texts.iter().map(|text| format!("\"{text}\"")).collect();
        format!("[{}]", texts.join(", "))
    };
    Entry {
        video_id,
        question_id,
        kind: quoted(&[template.kind.modality(), template.kind.subtype()]),
        question_content: template.text,
        templ_values: quoted(&asked.values),
        question_deleted: 0,
        anser: asked.answer,
    }
}
