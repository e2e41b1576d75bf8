//! The pre-norm blocks of both halves: x += attention(LN x), x += MLP(LN x), with QuickGELU x σ(1.702 x).

use super::EPSILON;
use crate::error::{Error, Result};
use crate::features::attention::{Attention, Rows};
use crate::features::names;
use crate::kernels::dense::DenseLayer;
use crate::kernels::math::exp;
use crate::kernels::{NormLayer, norm_rows};
use crate::weights::{Init, TensorSpec, Tensors};

/// Sizes of the blocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct BlockSizes {
    pub(super) width: usize,
    pub(super) heads: usize,
    pub(super) layers: usize,
    /// Hidden width of the feed-forward layer.
    pub(super) hidden: usize,
    /// Whether a token sees none behind its own place.
    pub(super) causal: bool,
}

impl BlockSizes {
    /// Names behind `prefix`, such as `visual.transformer.resblocks`.
    pub(super) fn tensors(&self, prefix: &str) -> Vec<TensorSpec> {
        let d = self.width;
        let block = |index: usize| {
            let name = |part: &str| format!("{prefix}.{index}.{part}");
            let mut all = Vec::from(names::norm(&name("ln_1"), d));
            let packed = Init::Normal { std: 1.0 / (d as f64).sqrt() };
            all.push(TensorSpec::new(name("attn.in_proj_weight"), &[3 * d, d], packed));
            all.push(TensorSpec::new(name("attn.in_proj_bias"), &[3 * d], Init::Constant(0.0)));
            all.extend(names::linear(&name("attn.out_proj"), d, d));
            all.extend(names::norm(&name("ln_2"), d));
            all.extend(names::linear(&name("mlp.c_fc"), d, self.hidden));
            all.extend(names::linear(&name("mlp.c_proj"), self.hidden, d));
            all
        };
        (0..self.layers).flat_map(block).collect()
    }

    /// # Errors
    /// If the width cannot be cut in heads.
    pub(super) fn validate(&self, what: &str) -> Result<()> {
        if self.heads == 0 || !self.width.is_multiple_of(self.heads) {
            return Err(Error::Config(format!("{what}: width {} cannot be cut in {} heads", self.width, self.heads)));
        }
        Ok(())
    }
}

struct Block {
    norm1: NormLayer,
    qkv: DenseLayer,
    out: DenseLayer,
    norm2: NormLayer,
    fc1: DenseLayer,
    fc2: DenseLayer,
}

/// The blocks with their weights.
pub(super) struct Blocks {
    sizes: BlockSizes,
    blocks: Vec<Block>,
}

impl Blocks {
    pub(super) fn new(sizes: BlockSizes, prefix: &str, weights: &mut Tensors) -> Result<Self> {
        let mut block = |index: usize| -> Result<Block> {
            let name = |part: &str| format!("{prefix}.{index}.{part}");
            let packed = (weights.take(&name("attn.in_proj_weight"))?, weights.take(&name("attn.in_proj_bias"))?);
            let mut pair = |part: &str| weights.take_pair(&name(part));
            let dense = |(weight, bias)| Ok::<_, Error>(DenseLayer::new(&weight, Some(&bias))?);
            Ok(Block {
                norm1: norm(pair("ln_1")?)?,
                qkv: dense(packed)?,
                out: dense(pair("attn.out_proj")?)?,
                norm2: norm(pair("ln_2")?)?,
                fc1: dense(pair("mlp.c_fc")?)?,
                fc2: dense(pair("mlp.c_proj")?)?,
            })
        };
        Ok(Self { sizes, blocks: (0..sizes.layers).map(&mut block).collect::<Result<_>>()? })
    }

    /// Tokens [count, length, width] through all blocks; `each` sees what every block leaves, and says whether to go on.
    pub(super) fn run(
        &self,
        mut x: Vec<f32>,
        length: usize,
        mut each: impl FnMut(usize, &[f32]) -> Result<bool>,
    ) -> Result<Option<Vec<f32>>> {
        let BlockSizes { width, heads, causal, .. } = self.sizes;
        let count = x.len() / (length * width).max(1);
        let attention = Attention { queries: length, keys: length, width, heads, causal };
        for (index, block) in self.blocks.iter().enumerate() {
            let qkv = block.qkv.view().forward(&norm_rows(block.norm1.view(), &x, None));
            let rows = |first: usize| Rows { values: &qkv, first, stride: 3 * width };
            let heads = attention.apply(count, rows(0), rows(width), rows(2 * width));
            x = block.out.view().forward_onto(&heads, &x);
            let normal = norm_rows(block.norm2.view(), &x, None);
            let (hidden, _) = block.fc1.view().forward_then::<u16>(&normal, false, |y, _| quick_gelu(y));
            x = block.fc2.view().forward_onto(&hidden, &x);
            if !each(index, &x)? {
                return Ok(None);
            }
        }
        Ok(Some(x))
    }
}

pub(super) fn norm((weight, bias): (candle_core::Tensor, candle_core::Tensor)) -> Result<NormLayer> {
    Ok(NormLayer::new(&weight, &bias, EPSILON)?)
}

fn quick_gelu(x: &mut [f32]) {
    x.iter_mut().for_each(|x| *x /= 1.0 + exp(-1.702 * *x));
}
