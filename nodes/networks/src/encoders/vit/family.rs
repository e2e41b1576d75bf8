//! ViT in the registry.

use std::sync::Arc;

use super::Vit;
use super::config::{COUPLED_SITES, VitConfig, presets};
use crate::encoders::block_info::BlockInfo;
use crate::encoders::encoder::Encoder;
use crate::encoders::input::{InputShape, Modality};
use crate::encoders::sizes::{Family, Preset, Sizes, read};
use crate::error::Result;
use crate::kernels::Execution;
use crate::weights::{Stored, TensorSpec, Tensors};

impl Sizes for VitConfig {
    fn input(&self, modality: Modality) -> Option<InputShape> {
        Some(self.input(modality))
    }

    fn blocks(&self) -> Vec<BlockInfo> {
        self.blocks()
    }

    fn tensors(&self) -> Vec<TensorSpec> {
        self.tensors()
    }

    fn stored(&self, name: &str, all: &[&str]) -> Stored {
        Self::stored(name, all)
    }

    fn coupled_sites(&self) -> usize {
        COUPLED_SITES
    }

    fn class_tokens(&self) -> usize {
        1
    }

    fn build(&self, name: &str, weights: Tensors, execution: Execution) -> Result<Arc<dyn Encoder>> {
        Ok(Arc::new(Vit::new(name, self, weights, execution)?))
    }
}

/// Its entry.
pub(in crate::encoders) const FAMILY: Family = Family {
    word: "vit",
    presets: || presets().map(|(name, aliases, sizes)| Preset { name, aliases, sizes: Arc::new(sizes) }).collect(),
    read: read::<VitConfig>,
};
