//! Making a set of any kind: found at its place or made beside it and moved there, clips rendered by several threads.

use std::{
    fs,
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
    names::PARTIAL,
    options::SynthOptions,
    store::{self, Existing},
};

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
        raw_sha256: format!("{:x}", all.finalize()),
    }
}

/// Removes scratch folders whose process was killed. Best effort: what cannot be removed is in nobody's way.
pub(crate) fn remove_abandoned(parent: &Path) {
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

/// Renders every plan, `jobs` at a time; records come in the order of the plans.
pub(crate) fn render_all<T: Sync, R: Send>(
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
