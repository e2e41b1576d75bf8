//! Token maps of an encoder that heads look at: which blocks leave them, and how tokens lie in them.

use candle_core::Tensor;

use super::block_info::BlockInfo;
use crate::error::Result;
use crate::weights::TensorSpec;

/// Which visual token maps a head asks for beside pooled features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Maps {
    /// None: nothing is kept.
    #[default]
    None,
    /// The tokens of the last block, after the final norm.
    Final,
    /// One of every resolution, finest first: the tokens of each stage before they are merged, the last ones after the
    /// final norm. An encoder of one resolution (ViT) has one.
    Scales,
    /// The tokens of every block, the last ones after the final norm: for comparisons with other implementations.
    Blocks,
}

impl Maps {
    /// The blocks whose outputs these are; if any, the last block is the last of them.
    pub fn blocks(self, blocks: &[BlockInfo]) -> Vec<usize> {
        let mut scales =
            (0..blocks.len()).filter(|&b| blocks.get(b + 1).is_none_or(|next| next.tokens != blocks[b].tokens));
        match self {
            Self::None => Vec::new(),
            Self::Final => scales.next_back().into_iter().collect(),
            Self::Scales => scales.collect(),
            Self::Blocks => (0..blocks.len()).collect(),
        }
    }

    /// How their tokens lie, `skip` of which stand for no place; none where some make no square.
    pub fn sizes(self, blocks: &[BlockInfo], skip: usize) -> Option<Vec<MapSize>> {
        self.blocks(blocks).into_iter().map(|block| MapSize::of(&blocks[block], skip)).collect()
    }
}

/// How the tokens of a map lie: `skip` tokens that stand for no place (ViT's class token), then `side` rows of `side`
/// tokens, row by row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MapSize {
    /// Width of a token (d).
    pub width: usize,
    /// Rows and columns.
    pub side: usize,
    /// Tokens before the first place.
    pub skip: usize,
}

impl MapSize {
    /// Of the tokens a block leaves, `skip` of which stand for no place; none where the others make no square.
    pub fn of(block: &BlockInfo, skip: usize) -> Option<Self> {
        let places = block.tokens.checked_sub(skip)?;
        let side = places.isqrt();
        (side > 0 && side * side == places).then_some(Self { width: block.width, side, skip })
    }

    /// The tokens that stand for places: [N, L, d] -> [N, side * side, d].
    ///
    /// # Errors
    /// If the map has fewer tokens.
    pub fn places(&self, map: &Tensor) -> Result<Tensor> {
        Ok(map.narrow(1, self.skip, self.side * self.side)?.contiguous()?)
    }
}

/// What methods and heads need to know of an encoder, before it has weights.
pub trait EncoderShape {
    /// All blocks, first to last.
    fn blocks(&self) -> Vec<BlockInfo>;

    /// Sites at its end that exchange prompts with another encoder's, unless a user says otherwise (k).
    fn coupled_sites(&self) -> usize;

    /// Width of its pooled feature.
    fn out_dim(&self) -> usize;

    /// How the tokens of the maps a head asks for lie, finest first.
    ///
    /// # Errors
    /// If the tokens of a block make no square picture.
    fn maps(&self, maps: Maps) -> Result<Vec<MapSize>>;

    /// Name, shape and start of every weight; none of an encoder elsewhere.
    fn weight_specs(&self) -> Option<Vec<TensorSpec>>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoders::preset;

    #[test]
    fn a_swin_has_a_map_a_stage_and_a_vit_one() {
        let swin = preset("swin-v2-large-192").unwrap();
        let blocks = swin.blocks();
        assert_eq!(Maps::Scales.blocks(&blocks), [1, 3, 21, 23]);
        assert_eq!(Maps::Final.blocks(&blocks), [23]);
        assert!(Maps::None.blocks(&blocks).is_empty());
        let sizes: Vec<_> = swin.maps(Maps::Scales).unwrap().iter().map(|m| (m.side, m.width, m.skip)).collect();
        assert_eq!(sizes, [(48, 192, 0), (24, 384, 0), (12, 768, 0), (6, 1536, 0)]);
        let vit = preset("vit-large-16").unwrap();
        assert_eq!(vit.maps(Maps::Scales).unwrap(), [MapSize { width: 1024, side: 14, skip: 1 }]);
    }
}
