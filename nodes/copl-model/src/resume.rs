//! The model's part of a checkpoint: parameters, optimizer, the best so far, frames to draw negatives from, its place.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{Device, Tensor};
use copl_contract::checkpoint;
use copl_contract::{ExitCode, NodeError};
use copl_learning::heads::avqa::negatives::NegativePool;
use copl_learning::model::Model;
use copl_learning::train::Adam;
use copl_networks::tensor_file as tensors;
use serde::{Deserialize, Serialize};

const TENSORS: &str = "model.safetensors";
const PLACE: &str = "model.yml";
/// The files of the part.
pub(super) const FILES: [&str; 2] = [TENSORS, PLACE];
const PARAMETER: &str = "parameter.";
const BEST: &str = "best.";
const ADAM: &str = "adam.";
const POOL: &str = "negatives.";

/// The model's place in the run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct RunPlace {
    /// Clips and boundaries of the plan that are done.
    pub(super) items: u64,
    /// Steps of training.
    pub(super) step: u64,
    /// Rows of the table `checkpoints` that were sent.
    pub(super) checkpoint_rows: u64,
    /// The epoch whose training pass is over and that nothing has validated yet.
    #[serde(default)]
    pub(super) unvalidated: Option<u32>,
}

/// What the file says beside the tensors.
#[derive(Serialize, Deserialize)]
struct Part {
    place: RunPlace,
    /// Whether the best parameters so far are kept aside.
    has_best: bool,
    /// Videos of the pool, oldest first.
    negatives: Vec<String>,
}

/// What a checkpoint holds of a running model.
pub(super) struct State<'a> {
    pub(super) model: &'a Model,
    pub(super) adam: &'a Adam,
    pub(super) best: Option<&'a BTreeMap<String, Tensor>>,
    pub(super) pool: &'a NegativePool,
    pub(super) place: &'a RunPlace,
}

fn failed(e: impl std::fmt::Display) -> NodeError {
    NodeError::failed(ExitCode::NodeFailed, format!("the checkpoint cannot be written: {e}"))
}

impl State<'_> {
    /// Writes the part into a checkpoint's folder.
    pub(super) fn write(&self, folder: &Path) -> Result<(), NodeError> {
        let mut all = BTreeMap::new();
        let mut add = |prefix: &str, tensors: BTreeMap<String, Tensor>| {
            all.extend(tensors.into_iter().map(|(name, tensor)| (format!("{prefix}{name}"), tensor)));
        };
        add(PARAMETER, self.model.parameters().snapshot().map_err(failed)?);
        add(ADAM, self.adam.state().map_err(failed)?);
        add(BEST, self.best.cloned().unwrap_or_default());
        add(POOL, self.pool.videos().enumerate().map(|(i, (_, maps))| (i.to_string(), maps.clone())).collect());
        tensors::write_tensors(&folder.join(TENSORS), &all, &BTreeMap::new()).map_err(failed)?;
        let part = Part {
            place: self.place.clone(),
            has_best: self.best.is_some(),
            negatives: self.pool.videos().map(|(video, _)| video.to_owned()).collect(),
        };
        checkpoint::write_part(folder, PLACE, &part).map_err(failed)
    }
}

/// Parameters by name.
type Named = BTreeMap<String, Tensor>;

/// Puts parameters, optimizer and negatives back as a checkpoint has them; gives the place in the run, and the best
/// parameters so far.
pub(super) fn restore(
    folder: &Path,
    model: &Model,
    adam: &mut Adam,
    pool: &mut NegativePool,
    device: &Device,
) -> Result<(RunPlace, Option<Named>), NodeError> {
    let missing = |e: &dyn std::fmt::Display| NodeError::failed(ExitCode::Missing, e);
    let part: Part = checkpoint::read_part(folder, PLACE).map_err(|e| missing(&e))?;
    let path = folder.join(TENSORS);
    let (all, _) = tensors::read_tensors(&path, device).map_err(|e| missing(&e))?;
    let of = |prefix: &str| -> BTreeMap<String, Tensor> {
        let named = all.iter().filter_map(|(name, t)| Some((name.strip_prefix(prefix)?.to_owned(), t.clone())));
        named.collect()
    };
    model.parameters().load(&path.display().to_string(), &of(PARAMETER)).map_err(|e| missing(&e))?;
    adam.load_state(&of(ADAM)).map_err(|e| missing(&e))?;
    let maps = of(POOL);
    for (number, video) in part.negatives.iter().enumerate() {
        let problem = || missing(&format!("{}: no frames of the video {video}", path.display()));
        pool.add(video, maps.get(&number.to_string()).ok_or_else(problem)?.clone());
    }
    Ok((part.place, part.has_best.then(|| of(BEST))))
}
