//! The data that a sweep's runs would read: the fingerprints of each dataset, as `clip-source` tells them of a run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use copl_datasets::{Descriptor, MissingVideos, ReadError, ReadOptions};
use copl_reports::sweep::Data;

use crate::dataflow::document::Document;

/// Datasets by name and root, each read once.
#[derive(Debug, Default)]
pub(super) struct Datasets(BTreeMap<(String, PathBuf), Option<Data>>);

impl Datasets {
    /// Those of the dataset of a dataflow in this folder; none where no node of ours reads one, or it is not there: it would
    /// be made, or the run is another machine's. What keeps one from being read goes to `warn`.
    pub(super) fn of(&mut self, resolved: &str, folder: &Path, warn: impl FnMut(&str)) -> Option<Data> {
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

fn read(name: &str, root: &Path, mut warn: impl FnMut(&str)) -> Option<Data> {
    if !root.exists() {
        return None;
    }
    let descriptor = Descriptor::load(name).map_err(|e| e.to_string());
    let options = ReadOptions { missing: MissingVideos::Keep };
    let data = |descriptor: Descriptor| -> Result<Data, ReadError> {
        let dataset = descriptor.open(root, &options)?;
        Ok(Data { description: descriptor.fingerprint(&dataset.root)?, annotations: dataset.fingerprint })
    };
    match descriptor.and_then(|descriptor| data(descriptor).map_err(|e| e.to_string())) {
        Ok(data) => Some(data),
        Err(problem) => {
            warn(&format!(
                "warning: the dataset cannot be read, so its runs are told by their settings alone: {problem}"
            ));
            None
        }
    }
}
