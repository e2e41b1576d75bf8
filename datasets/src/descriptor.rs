//! A dataset's descriptor: a YAML file that names its reader and classes, tells a user where to get it and under which
//! terms, and states the counts a complete copy has. Ours are in this crate's folder and built in; a user's own is a path.

use std::{collections::BTreeMap, fs, io, path::Path, path::PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    ave,
    avsbench::{self, Subset},
    dataset::{Dataset, Split, Task},
    music_avqa::{self, Edition},
    read::{ReadError, ReadOptions, read_file},
};

/// Built-in descriptors by name.
const BUILT_IN: [(&str, &str); 10] = [
    ("ave", include_str!("../ave.yml")),
    ("ave-mini", include_str!("../ave-mini.yml")),
    ("ave-objects", include_str!("../ave-objects.yml")),
    ("avs-ms3", include_str!("../avs-ms3.yml")),
    ("avs-ms3-mini", include_str!("../avs-ms3-mini.yml")),
    ("avs-s4", include_str!("../avs-s4.yml")),
    ("avs-s4-mini", include_str!("../avs-s4-mini.yml")),
    ("music-avqa", include_str!("../music-avqa.yml")),
    ("music-avqa-mini", include_str!("../music-avqa-mini.yml")),
    ("music-avqa-updated", include_str!("../music-avqa-updated.yml")),
];

/// The file in the folder of a made set that says how it was made, with a checksum of each clip.
pub const MANIFEST: &str = "synth.json";

/// The layout on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reader {
    Ave,
    AvsS4,
    AvsMs3,
    MusicAvqa,
}

impl Reader {
    /// Which subset of AVSBench it reads; none if it reads something else.
    pub fn subset(self) -> Option<Subset> {
        match self {
            Self::AvsS4 => Some(Subset::S4),
            Self::AvsMs3 => Some(Subset::Ms3),
            Self::Ave | Self::MusicAvqa => None,
        }
    }
}

/// What makes a synthetic set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Generator {
    Ave,
    Objects,
    Avs,
    Ms3,
    MusicAvqa,
}

/// A dataset as its YAML states it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Descriptor {
    pub name: String,
    pub title: String,
    pub task: Task,
    pub reader: Reader,
    /// Which annotations of MUSIC-AVQA are read; the other readers know one only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edition: Option<Edition>,
    /// Set for sets that are made, not downloaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generator: Option<Generator>,
    /// Where the data come from and how to get them.
    pub obtain: String,
    pub licence: String,
    /// How the files lie.
    pub layout: String,
    #[serde(default)]
    pub expect: Expect,
    /// By label; background comes after the last. Empty where clips have no category.
    pub classes: Vec<String>,
}

/// What a complete copy counts; what is left out is not checked.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    #[serde(default)]
    pub clips: Option<usize>,
    #[serde(default)]
    pub videos: Option<usize>,
    #[serde(default)]
    pub videos_in_several_splits: Option<usize>,
    #[serde(default)]
    pub videos_with_several_annotations: Option<usize>,
    #[serde(default)]
    pub split_clips: BTreeMap<Split, usize>,
    /// Segments labelled background.
    #[serde(default)]
    pub split_background_segments: BTreeMap<Split, usize>,
    /// Width and height of every mask in pixels.
    #[serde(default)]
    pub mask_size: Option<[usize; 2]>,
    /// SHA-256 of the annotation and split files.
    #[serde(default)]
    pub fingerprint: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum DescriptorError {
    #[error("no dataset '{name}': it is neither built in ({}) nor a file", Descriptor::builtin_names().join(", "))]
    Unknown { name: String },
    #[error("cannot read {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{origin}: {source}")]
    Yaml { origin: String, source: serde_yaml::Error },
}

impl Descriptor {
    pub fn builtin_names() -> Vec<&'static str> {
        BUILT_IN.iter().map(|(name, _)| *name).collect()
    }

    /// A built-in descriptor by its name, or the one in a file.
    pub fn load(name_or_path: &str) -> Result<Self, DescriptorError> {
        if let Some((name, yaml)) = BUILT_IN.iter().find(|(name, _)| *name == name_or_path) {
            return Self::parse(&format!("{name}.yml (built in)"), yaml);
        }
        let path = Path::new(name_or_path);
        if !path.is_file() {
            return Err(DescriptorError::Unknown { name: name_or_path.to_owned() });
        }
        let yaml = fs::read_to_string(path).map_err(|source| DescriptorError::Io { path: path.to_owned(), source })?;
        Self::parse(name_or_path, &yaml)
    }

    /// Parses YAML; `origin` names it in errors, which also bear line and column.
    pub fn parse(origin: &str, yaml: &str) -> Result<Self, DescriptorError> {
        serde_yaml::from_str(yaml).map_err(|source| DescriptorError::Yaml { origin: origin.to_owned(), source })
    }

    /// Reads the dataset at `root` with this descriptor's reader.
    pub fn open(&self, root: &Path, options: &ReadOptions) -> Result<Dataset, ReadError> {
        let mut dataset = match self.reader {
            Reader::Ave => ave::read(root, options)?,
            Reader::AvsS4 => avsbench::read(root, Subset::S4, &self.classes, options)?,
            Reader::AvsMs3 => avsbench::read(root, Subset::Ms3, &self.classes, options)?,
            Reader::MusicAvqa => music_avqa::read(root, self.edition.unwrap_or_default(), options)?,
        };
        dataset.name.clone_from(&self.name);
        dataset.task = self.task;
        Ok(dataset)
    }

    /// SHA-256, in hexadecimal, of what else than annotations decides what is read at `root`, the folder with them: task,
    /// reader, edition and classes, and of a made set its [`MANIFEST`].
    ///
    /// # Errors
    /// If that file is there and cannot be read.
    pub fn fingerprint(&self, root: &Path) -> Result<String, ReadError> {
        let mut fingerprint = Sha256::new();
        let decides = serde_json::to_vec(&(self.task, self.reader, self.edition, &self.classes));
        let failed = |e| ReadError::Io { path: root.to_owned(), source: io::Error::other(e) };
        fingerprint.update(decides.map_err(failed)?);
        let manifest = root.join(MANIFEST);
        if self.generator.is_some() && manifest.exists() {
            read_file(&manifest, &mut fingerprint)?;
        }
        Ok(format!("{:x}", fingerprint.finalize()))
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "files of a test")]
mod tests {
    use super::*;
    use crate::music_avqa::vocabulary::ANSWERS;

    #[test]
    fn built_in_descriptors_parse_and_bear_their_names() {
        for name in Descriptor::builtin_names() {
            let descriptor = Descriptor::load(name).unwrap();
            assert_eq!(descriptor.name, name);
            let counted: usize = descriptor.expect.split_clips.values().sum();
            let clips = descriptor.expect.clips;
            assert!(clips.is_none_or(|clips| clips == counted), "{name}: the splits do not add up");
        }
    }

    #[test]
    fn answers_are_listed_as_the_crate_has_them() {
        for name in ["music-avqa", "music-avqa-updated", "music-avqa-mini"] {
            assert_eq!(Descriptor::load(name).unwrap().classes, ANSWERS, "{name}");
        }
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_place() {
        let yaml = include_str!("../ave-mini.yml").replace("licence:", "license:");
        let error = Descriptor::parse("own.yml", &yaml).unwrap_err().to_string();
        assert!(error.contains("own.yml") && error.contains("license") && error.contains("line"), "{error}");
    }

    #[test]
    fn a_fingerprint_tells_other_classes_and_a_set_that_was_made_otherwise() {
        let root = tempfile::tempdir().unwrap();
        let mini = Descriptor::load("ave-mini").unwrap();
        let of = |descriptor: &Descriptor| descriptor.fingerprint(root.path()).unwrap();
        let first = of(&mini);
        let retitled = Descriptor { title: "another".into(), licence: "another".into(), ..mini.clone() };
        assert_eq!(of(&retitled), first, "a run does not read them");
        let mut classes = mini.classes.clone();
        classes.swap(0, 1);
        assert_ne!(of(&Descriptor { classes, ..mini.clone() }), first);
        let official = Descriptor { generator: None, ..mini.clone() };
        fs::write(root.path().join(MANIFEST), "{}").unwrap();
        let made = of(&mini);
        assert!(made != first && of(&official) == first);
        fs::write(root.path().join(MANIFEST), "{\"noise\":1}").unwrap();
        assert_ne!(of(&mini), made);
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let error = Descriptor::load("avse").unwrap_err().to_string();
        assert!(error.contains("'avse'") && error.contains("ave-mini"), "{error}");
    }
}
