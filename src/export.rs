//! `copl export CHECKPOINT FOLDER`: what was learned, in a form that others load.
//!
//! The folder holds `adapter_model.safetensors` (the tensors as trained, float32, under the names that `load.py` explains),
//! `adapter_config.json` (method, encoders with the digests of their weights, settings, every tensor's shape) and
//! `load.py`, which reads both with numpy or PyTorch. Encoders are not copied: their names are timm's.

use std::collections::BTreeMap;
use std::fs;

use copl_contract::ExitCode;
use copl_learning::train::checkpoint;
use copl_networks::device;
use copl_networks::tensor_file::read_tensors;

use crate::args::ExportArgs;
use crate::outcome::{Failure, Outcome};
use crate::report::write;
use crate::terminal::shown;
use crate::verbs;

const LOADER: &str = include_str!("export/load.py");

/// The verb.
pub(crate) fn export(args: &ExportArgs) -> Outcome {
    let missing = |e: &dyn std::fmt::Display| Failure::new(ExitCode::Missing, e);
    let source = verbs::checkpoint(&args.checkpoint, &args.runs)?;
    let card = checkpoint::read_card(&source).map_err(|e| missing(&e))?;
    let (device, _) = device::parse("cpu").and_then(device::open).map_err(|e| missing(&e))?;
    let (tensors, _) = read_tensors(&source, &device).map_err(|e| missing(&e))?;
    let shapes: BTreeMap<&str, &[usize]> = tensors.iter().map(|(name, t)| (name.as_str(), t.dims())).collect();
    let config = serde_json::json!({
        "format": "copl-adapters",
        "format_version": 1,
        "made_by": format!("copl {}", env!("CARGO_PKG_VERSION")),
        "method": card.model.method.word(),
        "encoders": card.encoders,
        "model": card.model,
        "parameters": card.parameters,
        "trainable": card.trainable,
        "metrics": card.metrics,
        "tensors": shapes,
        "tensors_sha256": card.tensors_sha256,
    });
    let text = serde_json::to_string_pretty(&config).map_err(|e| Failure::new(ExitCode::Internal, e))?;
    let folder = &args.folder;
    fs::create_dir_all(folder).map_err(|e| Failure::new(ExitCode::Usage, format!("{}: {e}", folder.display())))?;
    let bytes = fs::read(&source).map_err(|e| missing(&e))?;
    write(&folder.join("adapter_model.safetensors"), &bytes)?;
    write(&folder.join("adapter_config.json"), format!("{text}\n").as_bytes())?;
    write(&folder.join("load.py"), LOADER.as_bytes())?;
    println!("{}: {} tensors, {} numbers", shown(&folder.display().to_string()), tensors.len(), card.trainable);
    Ok(ExitCode::Success)
}
