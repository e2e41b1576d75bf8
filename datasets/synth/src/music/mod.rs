//! A small made-up stand-in for MUSIC-AVQA: ten-second clips of ensembles of up to four instruments in view, and questions
//! of all nine kinds from the official templates, in the official layout.
//!
//! `ensemble` decides who plays when, where, how loud and how quick; `picture` and `sound` render that; `questions` finds what
//! can be asked and the answers; `quiz` chooses, so that answers are balanced.

mod ensemble;
mod instruments;
mod lists;
mod looks;
mod options;
mod picture;
mod questions;
mod quiz;
mod sound;
mod stage;
#[cfg(test)]
mod tests;
mod voices;

use std::path::{Path, PathBuf};

use copl_datasets::{Split, music_avqa::videos};
use sha2::{Digest, Sha256};

use crate::{
    encode::{self, AacCoder, Sound},
    error::SynthError,
    files::{SetFiles, length, make_folders},
    manifest::{ClipRecord, Manifest},
    options::SynthOptions,
    random::{ClipKey, Purpose},
    set::{Progress, SynthSummary, build, render_all},
};
use ensemble::Ensemble;
pub use options::MusicOptions;
use picture::Film;

/// Goes up whenever the same options give other frames, samples or questions.
const VERSION: u32 = 1;

/// The layout: every video in one folder, no masks.
struct Files;

impl SetFiles<Ensemble> for Files {
    fn lists(&self) -> Vec<&'static str> {
        lists::LISTS.to_vec()
    }

    fn of_clip(&self, set: &Path, _: Split, video_id: &str, _: &Ensemble) -> Vec<PathBuf> {
        vec![video_path(set, video_id)]
    }
}

/// Where a video is in a set.
fn video_path(set: &Path, video_id: &str) -> PathBuf {
    set.join(videos::FOLDERS[0]).join(format!("{video_id}.mp4"))
}

/// A video before it is rendered.
struct Plan {
    key: ClipKey,
    video_id: String,
    ensemble: Ensemble,
}

/// Makes the MUSIC-AVQA mini set at `out`; `progress` hears how far it is.
///
/// # Errors
/// If an option cannot be, ffmpeg fails, files cannot be written, or another set or other files lie at `out`.
pub fn music_avqa(
    out: &Path,
    options: &MusicOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<SynthSummary, SynthError> {
    if let Some(fault) = options.fault() {
        return Err(SynthError::Option(fault));
    }
    let film = options.film();
    let manifest = Manifest {
        generator: "music-avqa".to_owned(),
        version: VERSION,
        options: options.clone(),
        ffmpeg: String::new(),
        categories: instruments::INSTRUMENTS[..options.instruments]
            .iter()
            .map(|instrument| instrument.name.to_owned())
            .collect(),
        clips: Vec::new(),
    };
    let render_into = |set: &Path, progress: &mut dyn FnMut(Progress)| {
        render_all(&plan(options), options.jobs, |plan| render(plan, set, &film), progress)
    };
    build(manifest, &Files, out, &film, progress, render_into, lists::write)
}

/// Every video of the set: train, val, test. Ids are eight digits, as those of real videos.
fn plan(options: &MusicOptions) -> Vec<Plan> {
    let mut plans = Vec::with_capacity(options.train + options.val + options.test);
    for (split, count) in Split::ALL.into_iter().zip([options.train, options.val, options.test]) {
        for index in 0..count as u32 {
            let key = options.key(split, index);
            let ensemble =
                Ensemble::draw(&mut key.stream(Purpose::Scene, 0), index, options.instruments, options.players);
            plans.push(Plan { key, video_id: format!("{:08}", plans.len() + 1), ensemble });
        }
    }
    plans
}

/// Renders and encodes one video.
fn render(plan: &Plan, set: &Path, options: &SynthOptions) -> Result<ClipRecord<Ensemble>, SynthError> {
    let path = video_path(set, &plan.video_id);
    make_folders(std::slice::from_ref(&path))?;
    let mut hash = Sha256::new();
    let mut film = Film::new(plan.key, &plan.ensemble, options);
    let pcm = sound::render(plan.key, &plan.ensemble, options);
    let frames = film.frames();
    let sound = Sound { pcm: &pcm, coder: AacCoder::Fast };
    encode::write_video(&path, frames, |index, rgb| film.render(index, rgb), sound, options, &mut hash)?;
    for sample in pcm {
        hash.update(sample.to_le_bytes());
    }
    Ok(ClipRecord {
        video_id: plan.video_id.clone(),
        split: plan.key.split,
        bytes: length(&path)?,
        further_bytes: Vec::new(),
        raw_sha256: format!("{:x}", hash.finalize()),
        scene: plan.ensemble.clone(),
    })
}
