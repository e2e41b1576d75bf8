//! Synthetic sets: small datasets of real files in official layouts (H.264/AAC clips, or pictures and sounds), for trying
//! everything without a download.
//!
//! - [`ave`] makes the mini set: eight categories that come in look-alikes and sound-alikes, with distractors, clutter and
//!   noise, so that neither eye nor ear alone suffices and a score says something.
//! - [`objects`] makes the pre-training set of 24 other categories, looks, sounds and places, from which a small encoder
//!   learns to see and hear without having met the mini set.
//! - [`avs`] makes the segmentation set in AVSBench's layout: one or two of the mini set's objects go round the picture's
//!   middle, one sounds, and a mask says where that one is to be seen.
//! - [`music_avqa`] makes ensembles of instruments, and questions about them in MUSIC-AVQA's layout.
//!
//! `scene` decides who is seen and heard when; `picture` and `sound` render that; `encode` writes the files; `store` keeps the
//! folder whole. Equal seed, options and version give equal frames and samples on every machine.

#[cfg(test)]
mod avs_tests;
mod catalog;
mod encode;
mod layout;
mod math;
mod music;
mod options;
mod picture;
mod random;
mod scene;
mod sound;
mod store;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    sync::{
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
};

use rand::Rng;
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use crate::{
    avs_s4::{self, Mask, MaskError, write_mask},
    dataset::Split,
    read::hex,
};
use catalog::Catalog;
use encode::{AacCoder, Sound};
use layout::{Layout, SetFiles};
pub use music::{MusicOptions, music_avqa};
pub use options::SynthOptions;
use picture::Film;
use random::{ClipKey, Purpose};
use scene::Scene;
use store::{ClipRecord, Existing, Manifest};

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SynthSummary {
    pub out: PathBuf,
    pub clips: usize,
    /// Of all clips' files.
    pub bytes: u64,
    /// The set was there already, made by the same options and version.
    pub reused: bool,
    /// SHA-256 over the frames and samples of all clips.
    pub raw_sha256: String,
}

#[derive(Debug, thiserror::Error)]
pub enum SynthError {
    #[error("option {0}")]
    Option(String),
    #[error("cannot start {}: {source}; ffmpeg with libx264 is needed to make videos", ffmpeg.display())]
    Start { ffmpeg: PathBuf, source: io::Error },
    #[error("ffmpeg ({status}) could not write {}: {said}", out.display())]
    Encode { out: PathBuf, status: String, said: String },
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{}: {source}", path.display())]
    Manifest { path: PathBuf, source: serde_json::Error },
    #[error("{} holds files but no {}: it is no synthetic set, and is left alone; choose another folder", out.display(), store::MANIFEST)]
    Foreign { out: PathBuf },
    #[error("{} holds another synthetic set ({why}); choose another folder, or ask for a rebuild to replace it", out.display())]
    Other { out: PathBuf, why: String },
    #[error("cannot write {}: {source}", path.display())]
    Wav { path: PathBuf, source: hound::Error },
    #[error("cannot write {}: {source}", path.display())]
    Picture { path: PathBuf, source: png::EncodingError },
    #[error(transparent)]
    Mask(#[from] MaskError),
    #[error("a worker stopped before its clip was done")]
    Worker,
}

/// Makes the mini set at `out`; `progress` hears (clips done, clips in all).
pub fn ave(
    out: &Path,
    options: &SynthOptions,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<SynthSummary, SynthError> {
    make(&catalog::mini(), out, options, progress)
}

/// Makes the pre-training set at `out`; `progress` hears (clips done, clips in all).
pub fn objects(
    out: &Path,
    options: &SynthOptions,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<SynthSummary, SynthError> {
    make(&catalog::objects(), out, options, progress)
}

/// Makes the segmentation set at `out`; `progress` hears (clips done, clips in all).
pub fn avs(
    out: &Path,
    options: &SynthOptions,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<SynthSummary, SynthError> {
    make(&catalog::avs(options.raw_videos), out, options, progress)
}

/// A clip before it is rendered.
struct Plan {
    key: ClipKey,
    video_id: String,
    scene: Scene,
}

fn make(
    catalog: &Catalog,
    out: &Path,
    options: &SynthOptions,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<SynthSummary, SynthError> {
    if let Some(fault) = options.fault() {
        return Err(SynthError::Option(fault));
    }
    let manifest = Manifest {
        generator: catalog.name.to_owned(),
        version: catalog.version,
        options: options.clone(),
        ffmpeg: String::new(),
        categories: catalog.categories.iter().map(|category| category.name.to_owned()).collect(),
        clips: Vec::new(),
    };
    let render_into = |set: &Path| {
        let plans = plan(catalog, options);
        render_all(&plans, options.jobs, |plan| render(plan, catalog, set, options), progress)
    };
    let write_lists = |set: &Path, manifest: &Manifest| store::write_lists(set, catalog.layout, manifest);
    build(manifest, catalog, out, options, render_into, write_lists)
}

/// Makes a set of any kind at its place, or finds it there: `render` makes the videos and masks in a folder, `write_lists`
/// the annotation files. `manifest` says what is wanted, without clips; of `options` only ffmpeg and rebuild count.
fn build<P, O>(
    mut manifest: Manifest<P, O>,
    layout: &impl SetFiles<P>,
    out: &Path,
    options: &SynthOptions,
    render: impl FnOnce(&Path) -> Result<Vec<ClipRecord<P>>, SynthError>,
    write_lists: impl FnOnce(&Path, &Manifest<P, O>) -> Result<(), SynthError>,
) -> Result<SynthSummary, SynthError>
where
    P: Serialize + DeserializeOwned,
    O: Serialize + DeserializeOwned,
{
    match store::inspect(out, &manifest, layout)? {
        Existing::Same(manifest) => return Ok(summary(out, &manifest, true)),
        Existing::Other(why) if !options.rebuild => return Err(SynthError::Other { out: out.to_owned(), why }),
        Existing::Other(_) | Existing::Nothing => {}
    }
    if layout.needs_ffmpeg() {
        manifest.ffmpeg = encode::version(&options.ffmpeg)?;
    }
    let scratch = scratch_folder(out)?;
    let set = scratch.path().join("set");
    manifest.clips = render(&set)?;
    write_lists(&set, &manifest)?;
    store::write_manifest(&set, &manifest)?;
    store::move_into_place(&set, out)?;
    Ok(summary(out, &manifest, false))
}

fn summary<P, O>(out: &Path, manifest: &Manifest<P, O>, reused: bool) -> SynthSummary {
    let mut all = Sha256::new();
    for clip in &manifest.clips {
        all.update(&clip.raw_sha256);
    }
    SynthSummary {
        out: out.to_owned(),
        clips: manifest.clips.len(),
        bytes: manifest.clips.iter().flat_map(ClipRecord::sizes).sum(),
        reused,
        raw_sha256: hex(&all.finalize()),
    }
}

/// Prefix of a scratch folder's name; the process id follows.
const PARTIAL: &str = ".synth-partial-";

/// Removes scratch folders whose process was killed. Best effort: what cannot be removed is in nobody's way.
fn remove_abandoned(parent: &Path) {
    let processes = Path::new("/proc");
    if !processes.join("self").exists() {
        return;
    }
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(PARTIAL)?.split('-').next()?.parse::<u32>().ok());
        if owner.is_some_and(|owner| !processes.join(owner.to_string()).exists()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// A folder beside `out`, on the same file system, that goes if anything fails.
fn scratch_folder(out: &Path) -> Result<tempfile::TempDir, SynthError> {
    let parent = match out.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(parent)
        .map(|()| remove_abandoned(parent))
        .and_then(|()| tempfile::Builder::new().prefix(&format!("{PARTIAL}{}-", std::process::id())).tempdir_in(parent))
        .map_err(|source| SynthError::Io { path: parent.to_owned(), source })
}

/// Every clip of the set: train, val, test, with categories taking turns.
fn plan(catalog: &Catalog, options: &SynthOptions) -> Vec<Plan> {
    let mut taken = BTreeSet::new();
    let mut plans = Vec::with_capacity(options.train + options.val + options.test);
    for (split, count) in Split::ALL.into_iter().zip([options.train, options.val, options.test]) {
        for index in 0..count as u32 {
            let key = ClipKey { seed: options.seed, generator: catalog.number, split, index };
            let categories = catalog.categories.len();
            let category = index as usize % categories;
            let mut rng = key.stream(Purpose::Scene, 0);
            let scene = match catalog.layout {
                Layout::Ave => Scene::draw(&mut rng, scene::spread(index), category, categories, options),
                Layout::AvsS4 { .. } => {
                    let others = (0..categories).filter(|n| *n != category && !catalog.alike[category].contains(n));
                    Scene::draw_single_source(&mut rng, category, others.collect(), avs_s4::SEGMENTS, options)
                }
            };
            let mut ids = key.stream(Purpose::Ids, 0);
            let mut video_id = draw_id(&mut ids);
            while !taken.insert(video_id.clone()) {
                video_id = draw_id(&mut ids);
            }
            plans.push(Plan { key, video_id, scene });
        }
    }
    plans
}

/// Eleven characters, as YouTube's ids have, also in that some start with a dash.
fn draw_id(rng: &mut impl Rng) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    (0..11).map(|_| char::from(LETTERS[rng.random_range(0..64)])).collect()
}

/// Renders every plan, `jobs` at a time; records come in the order of the plans.
fn render_all<T: Sync, R: Send>(
    plans: &[T],
    jobs: usize,
    render: impl Fn(&T) -> Result<R, SynthError> + Sync,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Vec<R>, SynthError> {
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let (sender, results) = mpsc::channel();
    let mut records: Vec<Option<R>> = plans.iter().map(|_| None).collect();
    let mut failure = None;
    std::thread::scope(|scope| {
        for _ in 0..jobs.min(plans.len()) {
            let sender = sender.clone();
            let (next, stop, render) = (&next, &stop, &render);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(plan) = plans.get(index) else { break };
                    if sender.send((index, render(plan))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        progress(0, plans.len());
        for (done, (index, result)) in results.iter().enumerate() {
            match result {
                Ok(record) => records[index] = Some(record),
                Err(error) => {
                    stop.store(true, Ordering::Relaxed);
                    failure.get_or_insert(error);
                }
            }
            progress(done + 1, plans.len());
        }
    });
    failure.map_or(Ok(()), Err)?;
    records.into_iter().collect::<Option<Vec<_>>>().ok_or(SynthError::Worker)
}

/// Renders and writes one clip.
fn render(plan: &Plan, catalog: &Catalog, set: &Path, options: &SynthOptions) -> Result<ClipRecord, SynthError> {
    let files = catalog.of_clip(set, plan.key.split, &plan.video_id, &plan.scene);
    store::make_folders(&files)?;
    let mut hash = Sha256::new();
    let mut film = Film::new(plan.key, &plan.scene, catalog, options);
    let pcm = sound::render(plan.key, &plan.scene, catalog, options);
    let media = catalog.layout.media_files();
    let (Some(media), Some(masks)) = (files.get(..media), files.get(media..)) else { return Err(SynthError::Worker) };
    match media {
        [video] => {
            let frames = film.frames();
            let draw = |index, rgb: &mut Vec<u8>| film.render(index, rgb);
            let sound = Sound { pcm: &pcm, coder: AacCoder::TwoLoop };
            encode::write_video(video, frames, draw, sound, options, &mut hash)?;
        }
        [sound, pictures @ ..] => {
            write_pictures(pictures, &mut film, options, &mut hash)?;
            encode::write_wav(sound, &pcm, options)?;
        }
        [] => return Err(SynthError::Worker),
    }
    for (segment, path) in masks.iter().enumerate() {
        let mask = film.mask(film.frame_at(segment as f32 + picture::MASK_SECS));
        let mask = Mask {
            height: options.height as usize,
            width: options.width as usize,
            bits: mask.into_iter().map(u8::from).collect(),
        };
        hash.update(&mask.bits);
        write_mask(path, &mask)?;
    }
    for sample in pcm {
        hash.update(sample.to_le_bytes());
    }
    let mut sizes = files.iter().map(|file| length(file));
    let bytes = sizes.next().unwrap_or(Err(SynthError::Worker))?;
    let further_bytes = sizes.collect::<Result<_, _>>()?;
    Ok(ClipRecord {
        video_id: plan.video_id.clone(),
        split: plan.key.split,
        bytes,
        further_bytes,
        raw_sha256: hex(&hash.finalize()),
        scene: plan.scene.clone(),
    })
}

/// The frames the masks belong to.
fn write_pictures(
    paths: &[PathBuf],
    film: &mut Film<'_>,
    options: &SynthOptions,
    hash: &mut Sha256,
) -> Result<(), SynthError> {
    let mut rgb = Vec::new();
    for (segment, path) in paths.iter().enumerate() {
        film.render(film.frame_at(segment as f32 + picture::MASK_SECS), &mut rgb);
        hash.update(&rgb);
        encode::write_picture(path, &rgb, options)?;
    }
    Ok(())
}

fn length(path: &Path) -> Result<u64, SynthError> {
    Ok(fs::metadata(path).map_err(|source| SynthError::Io { path: path.to_owned(), source })?.len())
}
