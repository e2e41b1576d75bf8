//! Where an encoder's weights come from.

use std::path::PathBuf;

use copl_hub::{HubFile, Settings, cached};

use super::digest::{sha256_of_bytes, sha256_of_file};
use super::hub;
use crate::error::{Error, Result};

/// Where an encoder's weights come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WeightSource {
    /// A file.
    File(PathBuf),
    /// Bytes inside the program.
    Embedded(&'static [u8]),
    /// Random numbers from the model's seed, because a user asked for them.
    Random,
}

impl WeightSource {
    /// The source a setting names: a path, `hub:OWNER/NAME/FILE` for a file in the hub's cache, or `random`. Where nothing
    /// is named: the weights inside the program, else those of the preset in the hub's cache. Nothing is fetched.
    ///
    /// # Errors
    /// If nothing is named and there are none; the message says which command gets them, or which file is wanted.
    pub fn resolve(preset: &str, setting: Option<&str>) -> Result<Self> {
        Self::resolve_in(&Settings::from_env(), preset, setting)
    }

    /// As [`WeightSource::resolve`], with another cache.
    ///
    /// # Errors
    /// As there.
    pub fn resolve_in(settings: &Settings, preset: &str, setting: Option<&str>) -> Result<Self> {
        match setting {
            Some("random") => return Ok(Self::Random),
            Some(text) if text.starts_with("hub:") => return named(settings, preset, text),
            Some(path) if !path.is_empty() => return Ok(Self::File(PathBuf::from(path))),
            _ => {}
        }
        let entry = hub::entry(preset);
        let found = entry.and_then(hub::Entry::file).and_then(|file| cached(settings, &file));
        match (embedded(preset), found) {
            (Some(bytes), _) => Ok(Self::Embedded(bytes)),
            (None, Some(path)) => Ok(Self::File(path)),
            (None, None) => Err(lacking(preset, &remedy(settings, entry))),
        }
    }

    /// Hexadecimal SHA-256 of the weights' bytes, or `random:SEED`.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn fingerprint(&self, seed: u64) -> Result<String> {
        match self {
            Self::File(path) => sha256_of_file(path),
            Self::Embedded(bytes) => Ok(sha256_of_bytes(bytes)),
            Self::Random => Ok(format!("random:{seed}")),
        }
    }
}

/// A file of the hub that a setting names.
fn named(settings: &Settings, preset: &str, text: &str) -> Result<WeightSource> {
    let file = text.strip_prefix("hub:").and_then(HubFile::parse).ok_or_else(|| {
        Error::Config(format!("weights of {preset}: `{text}` is not of the form hub:OWNER/NAME/FILE"))
    })?;
    match cached(settings, &file) {
        Some(path) => Ok(WeightSource::File(path)),
        None => Err(lacking(preset, &pull(settings, text, &settings.cache.display().to_string()))),
    }
}

fn lacking(preset: &str, remedy: &str) -> Error {
    Error::NoWeights { preset: preset.to_string(), remedy: remedy.to_string() }
}

/// What to do about weights that are not here.
fn remedy(settings: &Settings, entry: Option<&hub::Entry>) -> String {
    const FILE: &str = "name a file (safetensors, or PyTorch's .pth or .ckpt) in VISUAL_WEIGHTS or AUDIO_WEIGHTS";
    let first = match entry.map(|entry| (entry, &entry.origin)) {
        Some((entry, hub::Origin::Hub { .. })) => pull(settings, entry.names[0], &entry.summary()),
        Some((_, hub::Origin::ByHand { how })) => (*how).to_string(),
        None => return FILE.to_string(),
    };
    format!("{first}; or {FILE}")
}

fn pull(settings: &Settings, name: &str, what: &str) -> String {
    if settings.offline {
        let cache = settings.cache.display();
        return format!(
            "they are not in {cache}, and HF_HUB_OFFLINE forbids the network: unset it and run `copl weights pull {name}` \
             ({what})"
        );
    }
    format!("`copl weights pull {name}` gets them ({what})")
}

/// The weights that ship inside the program, by preset.
pub(super) const EMBEDDED: &[(&str, &[u8])] =
    &[("swin-v2-nano", include_bytes!("../../weights/swin-v2-nano.safetensors"))];

fn embedded(preset: &str) -> Option<&'static [u8]> {
    EMBEDDED.iter().find(|(name, _)| *name == preset).map(|(_, bytes)| *bytes)
}

/// Whether a preset's weights ship inside the program.
pub fn is_embedded(preset: &str) -> bool {
    embedded(preset).is_some()
}
