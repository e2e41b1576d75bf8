//! Checkpoints of what a method has learned: adapters and head in a safetensors file, and a card in JSON beside it.
//!
//! Frozen encoders are not stored; the card names them and their weights' SHA-256, and a checkpoint is refused for
//! others. A file under its final name is whole: it is written aside, flushed to disk and renamed. Both files of a pair are
//! on disk before either gets its name, so a disk that is full leaves the pair before; a kill between the two names is
//! noticed, for the card, named last, holds the tensors' SHA-256.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::Device;
use copl_networks::encoders::EncoderCard;
use copl_networks::tensor_file::{Aside, read_tensors, serialised};
use copl_networks::weights::{sha256_of_bytes, sha256_of_file};
use copl_networks::{Error, Result, bad_file, io};
use serde::{Deserialize, Serialize};

use crate::config::ModelConfig;
use crate::heads::align::ALIGNMENT;
use crate::model::Model;
use crate::params::ParameterTable;

/// What a checkpoint is, readable by people and programs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// Version of this layout.
    pub version: u32,
    /// Settings of the model.
    pub model: ModelConfig,
    /// Encoders and their weights.
    pub encoders: Vec<EncoderCard>,
    /// Numbers learned, by group.
    pub parameters: BTreeMap<String, usize>,
    /// Numbers learned in all.
    pub trainable: usize,
    /// Hexadecimal SHA-256 of the tensors' file.
    pub tensors_sha256: String,
    /// Results at the time, by name.
    pub metrics: BTreeMap<String, f64>,
}

/// Version 1 had the settings of every method and head in one object (`config::stored`).
const VERSION: u32 = 2;
const OLDEST: u32 = 1;

/// The card's path: that of the tensors with the extension `json`.
pub fn card_path(path: &Path) -> PathBuf {
    path.with_extension("json")
}

/// Writes a model's parameters to `path` and its card beside it.
///
/// # Errors
/// If a file cannot be written.
pub fn write_adapters(path: &Path, model: &Model, metrics: &BTreeMap<String, f64>) -> Result<Card> {
    let tensors = serialised(path, &model.parameters().snapshot()?, &BTreeMap::new())?;
    let ParameterTable { rows, trainable, .. } = model.table();
    let card = Card {
        version: VERSION,
        model: model.config().clone(),
        encoders: model.encoders(),
        parameters: rows.into_iter().filter(|row| row.trainable).map(|row| (row.group, row.count)).collect(),
        trainable,
        tensors_sha256: sha256_of_bytes(&tensors),
        metrics: metrics.clone(),
    };
    let target = card_path(path);
    let text = serde_json::to_vec_pretty(&card).map_err(bad_file(&target))?;
    let (tensors, text) = (Aside::write(path, &tensors)?, Aside::write(&target, &text)?);
    tensors.name()?;
    text.name()?;
    Ok(card)
}

/// Reads the card beside a checkpoint.
///
/// # Errors
/// If there is none, or it is of another version.
pub fn read_card(path: &Path) -> Result<Card> {
    let path = card_path(path);
    let card: Card = serde_json::from_slice(&std::fs::read(&path).map_err(io(&path))?).map_err(bad_file(&path))?;
    if !(OLDEST..=VERSION).contains(&card.version) {
        let reason = format!("card of version {}, this program reads versions {OLDEST} to {VERSION}", card.version);
        return Err(Error::BadFile { path, reason });
    }
    Ok(card)
}

/// Reads a checkpoint into a model of the same method and encoders, strictly.
///
/// # Errors
/// If the pair of files does not belong together, or was made with another method or other encoders, or tensors differ.
pub fn read_adapters(path: &Path, model: &Model) -> Result<Card> {
    let card = read_card(path)?;
    let differs = |what: &str, found: String, expected: String| {
        if found == expected {
            return Ok(());
        }
        Err(Error::OtherModel { path: card_path(path), what: what.to_string(), found, expected })
    };
    differs("method", card.model.method.word().to_owned(), model.config().method.word().to_owned())?;
    let list = |cards: &[EncoderCard]| {
        cards.iter().map(|c| format!("{} {} {}", c.role, c.name, c.weights)).collect::<Vec<_>>().join(", ")
    };
    differs("encoders", list(&card.encoders), list(&model.encoders()))?;
    differs("tensors of SHA-256", sha256_of_file(path)?, card.tensors_sha256.clone())?;
    let (mut tensors, _) = read_tensors(path, &Device::Cpu)?;
    if card.version == 1 && model.parameters().var(ALIGNMENT).is_none() {
        // Features that nothing adapts were aligned too, to no effect on predictions.
        tensors.remove(ALIGNMENT);
    }
    model.parameters().load(&path.display().to_string(), &tensors)?;
    Ok(card)
}
