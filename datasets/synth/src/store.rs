//! A set as a folder: synth.json says how it was made and what it holds. A set is made in a folder beside its final one and
//! renamed, so what bears the final name is whole.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    path::Path,
};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    error::SynthError,
    files::{SetFiles, write_whole},
    manifest::{ClipRecord, Manifest},
    names::MANIFEST,
    options::SynthOptions,
    scene::Scene,
};

/// What is at a set's place.
pub(super) enum Existing<P = Scene, O = SynthOptions> {
    Nothing,
    /// Whole and made by this recipe.
    Same(Box<Manifest<P, O>>),
    /// Ours, but made otherwise or not whole any more: says why.
    Other(String),
}

/// Looks at the place of a set that `wanted` (without clips) is to be made at.
pub(super) fn inspect<P, O>(
    out: &Path,
    wanted: &Manifest<P, O>,
    layout: &impl SetFiles<P>,
) -> Result<Existing<P, O>, SynthError>
where
    P: Serialize + DeserializeOwned,
    O: Serialize + DeserializeOwned,
{
    let mut entries = match fs::read_dir(out) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Existing::Nothing),
        Err(source) => return Err(SynthError::Io { path: out.to_owned(), source }),
    };
    if entries.next().is_none() {
        return Ok(Existing::Nothing);
    }
    let path = out.join(MANIFEST);
    if !path.is_file() {
        return Err(SynthError::Foreign { out: out.to_owned() });
    }
    let text = fs::read_to_string(&path).map_err(|source| SynthError::Io { path: path.clone(), source })?;
    let recorded: Value = match serde_json::from_str(&text) {
        Ok(recorded) => recorded,
        Err(error) => return Ok(Existing::Other(format!("{MANIFEST} cannot be read: {error}"))),
    };
    let wanted = wanted.read_back().map_err(|source| SynthError::Manifest { path: path.clone(), source })?;
    if let Some(difference) = difference(&recorded, &wanted) {
        return Ok(Existing::Other(format!("made otherwise: {difference}")));
    }
    let manifest: Manifest<P, O> = match serde_json::from_value(recorded) {
        Ok(manifest) => manifest,
        Err(error) => return Ok(Existing::Other(format!("{MANIFEST} is not as this version writes it: {error}"))),
    };
    Ok(damage(out, &manifest, layout).map_or_else(|| Existing::Same(Box::new(manifest)), Existing::Other))
}

/// The values that decide frames and samples and differ, as "seed 0, now 1".
fn difference(recorded: &Value, wanted: &Value) -> Option<String> {
    let flat = |value: &Value| -> BTreeMap<String, Value> {
        let mut flat: BTreeMap<String, Value> = value["options"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        flat.extend(["generator", "version"].map(|key| (key.to_owned(), value[key].clone())));
        flat
    };
    let (old, new) = (flat(recorded), flat(wanted));
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let show = |value: Option<&Value>| value.map_or("nothing".to_owned(), Value::to_string);
    let changed: Vec<String> = keys
        .into_iter()
        .filter(|key| old.get(*key) != new.get(*key))
        .map(|key| format!("{key} {}, now {}", show(old.get(key)), show(new.get(key))))
        .collect();
    (!changed.is_empty()).then(|| changed.join("; "))
}

/// What is no longer as it was made, if anything.
fn damage<P, O>(out: &Path, manifest: &Manifest<P, O>, layout: &impl SetFiles<P>) -> Option<String> {
    let lost =
        layout.lists().into_iter().find(|name| !out.join(name).is_file()).map(|name| format!("{name} is missing"));
    lost.or_else(|| {
        let differs = |path: &Path, bytes: u64| fs::metadata(path).map_or(true, |file| file.len() != bytes);
        let broken = |clip: &&ClipRecord<P>| {
            let files = layout.of_clip(out, clip.split, &clip.video_id, &clip.scene);
            files.len() != clip.sizes().count() || files.iter().zip(clip.sizes()).any(|(file, n)| differs(file, n))
        };
        let broken: Vec<&str> = manifest.clips.iter().filter(broken).map(|clip| clip.video_id.as_str()).collect();
        broken
            .first()
            .map(|first| format!("files of {} clips are missing or not of their size, first {first}", broken.len()))
    })
}

/// Writes synth.json, the last file of a set.
pub(super) fn write_manifest<P: Serialize, O: Serialize>(
    set: &Path,
    manifest: &Manifest<P, O>,
) -> Result<(), SynthError> {
    let path = set.join(MANIFEST);
    let mut text =
        serde_json::to_string_pretty(manifest).map_err(|source| SynthError::Manifest { path: path.clone(), source })?;
    text.push('\n');
    write_whole(&path, text.as_bytes())
}

/// Moves a finished set to its place; what was there before is moved beside it, into the scratch folder, and goes with that.
pub(super) fn move_into_place(made: &Path, out: &Path) -> Result<(), SynthError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| SynthError::Io { path, source }
    };
    let before = made.with_extension("before");
    if out.is_dir() {
        fs::rename(out, &before).map_err(at(out))?;
    }
    if let Err(source) = fs::rename(made, out) {
        // Better the set of before than none.
        if before.is_dir() {
            fs::rename(&before, out).map_err(at(out))?;
        }
        return Err(at(out)(source));
    }
    if let Some(parent) = out.parent() {
        // A bare name lies in the working folder.
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        File::open(parent).and_then(|folder| folder.sync_all()).map_err(at(parent))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn a_set_may_have_a_bare_name_in_the_working_folder() {
        let made = tempfile::Builder::new().prefix("set-made-").tempdir_in(".").unwrap();
        let bare = PathBuf::from(format!("set-moved-{}", std::process::id()));
        let moved = move_into_place(made.path(), &bare);
        let there = bare.is_dir();
        fs::remove_dir(&bare).unwrap();
        moved.unwrap();
        assert!(there);
    }
}
