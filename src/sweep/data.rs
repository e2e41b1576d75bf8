//! The data that a sweep's runs would read: the fingerprint of each dataset, as `clip-source` writes it into a run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use copl_datasets::{Descriptor, MissingVideos, ReadOptions};

use crate::dataflow::document::Document;

/// Datasets by name and root, each read once.
#[derive(Debug, Default)]
pub(super) struct Fingerprints(BTreeMap<(String, PathBuf), Option<String>>);

impl Fingerprints {
    /// That of the dataset of a dataflow in this folder; none where no node of ours reads one, or it is not there: it would
    /// be made, or the run is another machine's. What keeps one from being read goes to `warn`.
    pub(super) fn of(&mut self, resolved: &str, folder: &Path, warn: impl FnMut(&str)) -> Option<String> {
        let document = Document::parse("", resolved).ok()?;
        let nodes = document.nodes();
        let mut sources = nodes.iter().filter(|node| node.kind() == Some("clip-source"));
        let (source, None) = (sources.next()?, sources.next()) else { return None };
        let value = |key: &str| source.variables().find(|(name, _)| *name == key).map(|(_, value)| value);
        let (name, root) = (value("DATASET")?, folder.join(value("ROOT")?));
        let own = folder.join(name);
        let name = if own.is_file() { own.display().to_string() } else { name.to_owned() };
        let key = (name, root);
        if !self.0.contains_key(&key) {
            let found = read(&key.0, &key.1, warn);
            self.0.insert(key.clone(), found);
        }
        self.0.get(&key).cloned().flatten()
    }
}

fn read(name: &str, root: &Path, mut warn: impl FnMut(&str)) -> Option<String> {
    if !root.exists() {
        return None;
    }
    let descriptor = Descriptor::load(name).map_err(|e| e.to_string());
    let options = ReadOptions { missing: MissingVideos::Keep };
    match descriptor.and_then(|d| d.open(root, &options).map_err(|e| e.to_string())) {
        Ok(dataset) => Some(dataset.fingerprint),
        Err(problem) => {
            warn(&format!(
                "warning: the dataset cannot be read, so its runs are told by their settings alone: {problem}"
            ));
            None
        }
    }
}
