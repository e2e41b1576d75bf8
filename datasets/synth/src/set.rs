//! Making a set of any kind: found at its place, or made beside it and moved there, by one process at a time; clips are
//! rendered by several threads.

use std::{
    path::{Path, PathBuf},
    sync::{
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
};

use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use crate::{
    encode,
    error::SynthError,
    files::SetFiles,
    manifest::{ClipRecord, Manifest},
    options::SynthOptions,
    place::Place,
    store::{self, Existing},
};

/// What a maker tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Somebody else is making the set: it is waited until they are done, and looked at then.
    Waiting,
    /// So many of its clips are made.
    Clips { done: usize, total: usize },
}

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

/// Makes a set of any kind at its place, or finds it there: `render` makes the videos and masks in a folder, `write_lists`
/// the annotation files. `manifest` says what is wanted, without clips; of `options` only ffmpeg and rebuild count.
pub(crate) fn build<P, O>(
    mut manifest: Manifest<P, O>,
    layout: &impl SetFiles<P>,
    out: &Path,
    options: &SynthOptions,
    progress: &mut dyn FnMut(Progress),
    render: impl FnOnce(&Path, &mut dyn FnMut(Progress)) -> Result<Vec<ClipRecord<P>>, SynthError>,
    write_lists: impl FnOnce(&Path, &Manifest<P, O>) -> Result<(), SynthError>,
) -> Result<SynthSummary, SynthError>
where
    P: Serialize + DeserializeOwned,
    O: Serialize + DeserializeOwned,
{
    if let Existing::Same(manifest) = store::inspect(out, &manifest, layout)? {
        return Ok(summary(out, &manifest, true));
    }
    let place = Place::of(out)?;
    let lock = place.lock(|| progress(Progress::Waiting))?;
    // Whoever was waited for may have made it.
    match store::inspect(out, &manifest, layout)? {
        Existing::Same(manifest) => return Ok(summary(out, &manifest, true)),
        Existing::Other(why) if !options.rebuild => return Err(SynthError::Other { out: out.to_owned(), why }),
        Existing::Other(_) | Existing::Nothing => {}
    }
    if layout.needs_ffmpeg() {
        manifest.ffmpeg = encode::version(&options.ffmpeg)?;
    }
    let scratch = place.scratch(&lock)?;
    let set = scratch.path().join("set");
    manifest.clips = render(&set, progress)?;
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
        raw_sha256: format!("{:x}", all.finalize()),
    }
}

/// Renders every plan, `jobs` at a time; records come in the order of the plans.
pub(crate) fn render_all<T: Sync, R: Send>(
    plans: &[T],
    jobs: usize,
    render: impl Fn(&T) -> Result<R, SynthError> + Sync,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<R>, SynthError> {
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    #[allow(clippy::disallowed_methods, reason = "a result a clip")]
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
        progress(Progress::Clips { done: 0, total: plans.len() });
        for (done, (index, result)) in results.iter().enumerate() {
            match result {
                Ok(record) => records[index] = Some(record),
                Err(error) => {
                    stop.store(true, Ordering::Relaxed);
                    failure.get_or_insert(error);
                }
            }
            progress(Progress::Clips { done: done + 1, total: plans.len() });
        }
    });
    failure.map_or(Ok(()), Err)?;
    records.into_iter().collect::<Option<Vec<_>>>().ok_or(SynthError::Worker)
}
