//! The sets of scenes from a catalogue: mini, pre-training and segmentation sets. What clips there are, and how one is written.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use copl_datasets::{
    Split,
    avsbench::{Mask, SEGMENTS, Subset, write_mask},
};
use rand::Rng;
use sha2::{Digest, Sha256};

use crate::{
    catalog::{self, Catalog},
    encode::{self, AacCoder, Sound},
    error::SynthError,
    files::{SetFiles, length, make_folders, write_whole},
    layout::Layout,
    manifest::{ClipRecord, Manifest},
    options::SynthOptions,
    picture::{self, Film},
    random::{ClipKey, Purpose},
    scene::{self, Scene},
    set::{Progress, SynthSummary, build, render_all},
    sound,
};

/// Makes the mini set at `out`; `progress` hears how far it is.
pub fn ave(out: &Path, options: &SynthOptions, progress: &mut dyn FnMut(Progress)) -> Result<SynthSummary, SynthError> {
    make(&catalog::mini(), out, options, progress)
}

/// Makes the pre-training set at `out`; `progress` hears how far it is.
pub fn objects(
    out: &Path,
    options: &SynthOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<SynthSummary, SynthError> {
    make(&catalog::objects(), out, options, progress)
}

/// Makes the segmentation set at `out`; `progress` hears how far it is.
pub fn avs(out: &Path, options: &SynthOptions, progress: &mut dyn FnMut(Progress)) -> Result<SynthSummary, SynthError> {
    make(&catalog::avs(options.raw_videos), out, options, progress)
}

/// Makes the segmentation set of several sources at `out`; `progress` hears how far it is.
pub fn ms3(out: &Path, options: &SynthOptions, progress: &mut dyn FnMut(Progress)) -> Result<SynthSummary, SynthError> {
    make(&catalog::ms3(options.raw_videos), out, options, progress)
}

/// A clip before it is rendered.
pub(crate) struct Plan {
    pub key: ClipKey,
    pub video_id: String,
    pub scene: Scene,
}

fn make(
    catalog: &Catalog,
    out: &Path,
    options: &SynthOptions,
    progress: &mut dyn FnMut(Progress),
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
    let render_into = |set: &Path, progress: &mut dyn FnMut(Progress)| {
        let plans = plan(catalog, options);
        render_all(&plans, options.jobs, |plan| render(plan, catalog, set, options), progress)
    };
    let write_lists = |set: &Path, manifest: &Manifest| write_lists(set, catalog.layout, manifest);
    build(manifest, catalog, out, options, progress, render_into, write_lists)
}

/// Writes the annotation and split files of a set made from a catalogue.
fn write_lists(set: &Path, layout: Layout, manifest: &Manifest) -> Result<(), SynthError> {
    for name in layout.lists() {
        write_whole(&set.join(name), layout.list(name, manifest).as_bytes())?;
    }
    Ok(())
}

/// Every clip of the set: train, val, test, with categories taking turns.
pub(crate) fn plan(catalog: &Catalog, options: &SynthOptions) -> Vec<Plan> {
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
                Layout::Avsbench { subset: Subset::S4, .. } => {
                    let others = (0..categories).filter(|n| *n != category && !catalog.alike[category].contains(n));
                    Scene::draw_single_source(&mut rng, category, others.collect(), SEGMENTS, options)
                }
                Layout::Avsbench { subset: Subset::Ms3, .. } => {
                    Scene::draw_several_sources(&mut rng, category, catalog.alike, SEGMENTS, options)
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

/// Renders and writes one clip.
fn render(plan: &Plan, catalog: &Catalog, set: &Path, options: &SynthOptions) -> Result<ClipRecord, SynthError> {
    let files = catalog.of_clip(set, plan.key.split, &plan.video_id, &plan.scene);
    make_folders(&files)?;
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
        raw_sha256: format!("{:x}", hash.finalize()),
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
