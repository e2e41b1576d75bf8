//! Targets of the clips under way, by their position in the run.

use std::collections::BTreeMap;

use arrow::datatypes::Int32Type;
use copl_contract::schema;
use copl_contract::tensor;
use copl_contract::{Message, NodeError};

/// What is known of a clip before its prediction comes.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) clip: String,
    pub(crate) labels: Vec<i32>,
}

/// Targets of the clips under way, and the names of the classes seen so far.
#[derive(Debug, Default)]
pub(crate) struct Targets {
    waiting: BTreeMap<u64, Target>,
    names: BTreeMap<usize, String>,
}

impl Targets {
    /// Takes a clip's row.
    pub(crate) fn add(&mut self, message: &Message) -> Result<(), NodeError> {
        let broken = |e: String| NodeError::contract("clips", e);
        let labels = tensor::view::<Int32Type>(&message.batch, "labels").map_err(broken)?.values.to_vec();
        let category = schema::int64(&message.batch, "category").map_err(broken)?.value(0);
        let name = schema::utf8(&message.batch, "category_name").map_err(broken)?.value(0);
        if let (Ok(category), false) = (usize::try_from(category), name.is_empty()) {
            self.names.entry(category).or_insert_with(|| name.to_owned());
        }
        self.waiting.insert(message.header.position, Target { clip: message.header.clip.clone(), labels });
        Ok(())
    }

    /// Whether the targets of all these clips have come.
    pub(crate) fn have(&self, positions: &[u64]) -> bool {
        positions.iter().all(|p| self.waiting.contains_key(p))
    }

    /// Takes a clip's target out; a clip is predicted once.
    pub(crate) fn take(&mut self, position: u64) -> Result<Target, NodeError> {
        self.waiting.remove(&position).ok_or_else(|| {
            NodeError::contract("predictions", format!("clip {position} is not under way, or was predicted twice"))
        })
    }

    /// Name of a class; the last one of `classes` is the background.
    pub(crate) fn class_name(&self, class: usize, classes: usize) -> String {
        match self.names.get(&class) {
            Some(name) => name.clone(),
            None if class + 1 == classes => "background".to_owned(),
            None => format!("class {class}"),
        }
    }
}
