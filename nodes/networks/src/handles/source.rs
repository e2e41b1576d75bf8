//! Where a model's encoders come from: loaded in this process, or introduced by a node.

use std::sync::Arc;

use super::handle::EncoderHandle;
use super::remote::RemoteEncoder;
use crate::encoders::{BlockInfo, EncoderCard, EncoderShape, InputShape, LoadedEncoder, MapSize, Maps, Modality};
use crate::error::{Error, Result};
use crate::weights::TensorSpec;

/// An encoder for a model.
pub enum EncoderSource {
    /// Of this process.
    Local(LoadedEncoder),
    /// Elsewhere.
    Remote(IntroducedEncoder),
}

/// An encoder elsewhere, with what it says of itself.
pub struct IntroducedEncoder {
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
    pub handle: Arc<RemoteEncoder>,
}

impl EncoderSource {
    /// What a report says of it.
    pub fn card(&self, role: &str) -> EncoderCard {
        match self {
            Self::Local(loaded) => loaded.card(role),
            Self::Remote(one) => EncoderCard {
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
            Self::Local(loaded) => loaded.weights.iter().count(),
            Self::Remote(one) => one.tensors,
        }
    }

    /// The images it takes of a modality.
    ///
    /// # Errors
    /// If it does not serve that modality.
    pub fn input(&self, modality: Modality) -> Result<InputShape> {
        match self {
            Self::Local(loaded) => loaded.architecture.input(modality),
            Self::Remote(one) => one.handle.input(modality),
        }
    }
}

impl EncoderShape for EncoderSource {
    fn blocks(&self) -> Vec<BlockInfo> {
        match self {
            Self::Local(loaded) => loaded.architecture.blocks(),
            Self::Remote(one) => one.handle.blocks().to_vec(),
        }
    }

    fn coupled_sites(&self) -> usize {
        match self {
            Self::Local(loaded) => loaded.architecture.coupled_sites(),
            Self::Remote(one) => one.handle.coupled_sites(),
        }
    }

    fn weight_specs(&self) -> Option<Vec<TensorSpec>> {
        match self {
            Self::Local(loaded) => loaded.architecture.weight_specs(),
            Self::Remote(_) => None,
        }
    }

    fn out_dim(&self) -> usize {
        match self {
            Self::Local(loaded) => loaded.architecture.out_dim(),
            Self::Remote(one) => one.out_dim,
        }
    }

    fn maps(&self, maps: Maps) -> Result<Vec<MapSize>> {
        match self {
            Self::Local(loaded) => loaded.architecture.maps(maps),
            Self::Remote(one) => {
                let sizes = maps.sizes(one.handle.blocks(), one.class_tokens);
                sizes.ok_or_else(|| Error::Config(format!("the tokens of {} make no square maps", one.name)))
            }
        }
    }
}
