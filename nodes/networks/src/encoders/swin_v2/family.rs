//! Swin-V2 in the registry.

use std::sync::Arc;

use super::SwinV2;
use super::config::{SwinV2Config, presets};
use crate::encoders::block_info::BlockInfo;
use crate::encoders::encoder::Encoder;
use crate::encoders::input::{InputShape, Modality};
use crate::encoders::sizes::{Family, Preset, Sizes, read};
use crate::error::Result;
use crate::kernels::Execution;
use crate::weights::{Stored, TensorSpec, Tensors};

impl Sizes for SwinV2Config {
    fn input(&self, _modality: Modality) -> Option<InputShape> {
        Some(InputShape::picture(self.image_size))
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

    fn build(&self, name: &str, weights: Tensors, execution: Execution) -> Result<Arc<dyn Encoder>> {
        Ok(Arc::new(SwinV2::new(name, self, weights, execution)?))
    }
}

/// Its entry.
pub(in crate::encoders) const FAMILY: Family = Family {
    word: "swin-v2",
    presets: || presets().map(|(name, aliases, sizes)| Preset { name, aliases, sizes: Arc::new(sizes) }).collect(),
    read: read::<SwinV2Config>,
};
