//! Where a model's encoders come from: loaded in this process, or introduced by a node.

use std::sync::Arc;

use super::Apart;
use crate::encoders::{EncoderCard, InputShape, LoadedEncoder, MapSize, Maps, Modality, Outputs};
use crate::error::{Error, Result};
use crate::segments::Tower;

/// An encoder for a model.
pub enum Source {
    /// Of this process.
    Here(LoadedEncoder),
    /// Elsewhere.
    Apart(Introduced),
}

/// An encoder elsewhere, with what it says of itself.
pub struct Introduced {
    /// Architecture and size.
    pub name: String,
    /// Fingerprint of its weights.
    pub weights: String,
    /// Numbers in its weights.
    pub parameters: usize,
    /// Tensors in its weights.
    pub tensors: usize,
    /// Tokens that stand for no place of a frame.
    pub class_tokens: usize,
    /// Width of its pooled feature.
    pub out_dim: usize,
    /// The way to it.
    pub tower: Arc<Apart>,
}

impl Source {
    /// What a report says of it.
    pub fn card(&self, role: &str) -> EncoderCard {
        match self {
            Self::Here(loaded) => loaded.card(role),
            Self::Apart(one) => EncoderCard {
                name: one.name.clone(),
                role: role.to_string(),
                weights: one.weights.clone(),
                parameters: one.parameters,
            },
        }
    }

    /// Tensors in its weights.
    pub fn tensors(&self) -> usize {
        match self {
            Self::Here(loaded) => loaded.weights.iter().count(),
            Self::Apart(one) => one.tensors,
        }
    }

    /// The images it takes of a modality.
    ///
    /// # Errors
    /// If it does not serve that modality.
    pub fn input(&self, modality: Modality) -> Result<InputShape> {
        match self {
            Self::Here(loaded) => loaded.architecture.input(modality),
            Self::Apart(one) => one.tower.input(modality),
        }
    }
}

impl Outputs for Source {
    fn out_dim(&self) -> usize {
        match self {
            Self::Here(loaded) => loaded.architecture.out_dim(),
            Self::Apart(one) => one.out_dim,
        }
    }

    fn maps(&self, maps: Maps) -> Result<Vec<MapSize>> {
        match self {
            Self::Here(loaded) => loaded.architecture.maps(maps),
            Self::Apart(one) => {
                let sizes = maps.sizes(one.tower.blocks(), one.class_tokens);
                sizes.ok_or_else(|| Error::Config(format!("the tokens of {} make no square maps", one.name)))
            }
        }
    }
}
