//! PVT-v2 (Wang et al. 2022, arXiv 2106.13797), with the official names and arithmetic, timm's names read too.
//!
//! `embed.I` are the maps that enter a stage, `block.L` the tokens each block of all stages leaves, `stage.I` the maps behind a stage's
//! norm (which also feed the next stage), `pooled` the mean over the last one's places, `logits` the classifier's.

use std::sync::Arc;

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use super::attention::{Attention, Rows};
use super::convolution::{Convolution, Finish};
use super::depthwise::Depthwise;
use super::layer::Layer;
use super::map::Map;
use super::names;
use super::sizes::{Family, FeatureEncoder, FeatureInput, FeatureSizes, Preset, read};
use super::taken::Taken;
use crate::encoders::InputShape;
use crate::error::{Error, Result};
use crate::kernels::dense::DenseLayer;
use crate::kernels::{NormLayer, norm_rows};
use crate::weights::{Stored, TensorSpec, Tensors};

/// Added to the variance in the blocks' norms and the stages'.
const EPSILON: f64 = 1e-6;
/// Added to the variance in the norms behind patch embeddings and reductions (PyTorch's default).
const EMBED_EPSILON: f64 = 1e-5;

/// Sizes of a PVT-v2; four numbers each, one a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PvtV2Config {
    /// Width of a token.
    pub embed_dims: Vec<usize>,
    /// Heads of a block.
    pub num_heads: Vec<usize>,
    /// Hidden width over the width.
    pub mlp_ratios: Vec<usize>,
    /// Blocks.
    pub depths: Vec<usize>,
    /// Side of the places that one key and value stand for.
    pub sr_ratios: Vec<usize>,
    /// Classes of the classifier.
    pub classes: usize,
    /// Pixels of an image's side.
    pub image_size: usize,
}

/// A stage's sizes.
#[derive(Clone, Copy)]
struct Stage {
    /// From 1, as in the names.
    number: usize,
    inputs: usize,
    width: usize,
    heads: usize,
    hidden: usize,
    depth: usize,
    reduction: usize,
    /// Places of a side.
    side: usize,
}

impl Stage {
    /// Side and stride of the convolution before it.
    fn embedding(self) -> (usize, usize) {
        if self.number == 1 { (7, 4) } else { (3, 2) }
    }
}

impl PvtV2Config {
    fn stages(&self) -> Vec<Stage> {
        let (mut inputs, mut side) = (3, self.image_size);
        let mut stage = |index: usize| {
            side = side.div_ceil(if index == 0 { 4 } else { 2 });
            let width = self.embed_dims[index];
            let stage = Stage {
                number: index + 1,
                inputs,
                width,
                heads: self.num_heads[index],
                hidden: self.mlp_ratios[index] * width,
                depth: self.depths[index],
                reduction: self.sr_ratios[index],
                side,
            };
            inputs = width;
            stage
        };
        let counts = [&self.num_heads, &self.mlp_ratios, &self.depths, &self.sr_ratios].map(Vec::len);
        let stages = counts.into_iter().fold(self.embed_dims.len(), usize::min);
        (0..stages).map(&mut stage).collect()
    }

    fn last(&self) -> usize {
        self.embed_dims.last().copied().unwrap_or(0)
    }
}

impl FeatureSizes for PvtV2Config {
    fn input(&self) -> FeatureInput {
        FeatureInput::Images(InputShape::picture(self.image_size))
    }

    fn layers(&self) -> Vec<Layer> {
        let mut blocks = 0;
        let stage = |s: Stage| {
            blocks += s.depth;
            let first = blocks - s.depth;
            let block = move |block| Layer::tokens(format!("block.{}", first + block), s.side * s.side, s.width);
            let embed = Layer::map(format!("embed.{}", s.number), [s.side; 2], s.width);
            let last = Layer::map(format!("stage.{}", s.number), [s.side; 2], s.width);
            std::iter::once(embed).chain((0..s.depth).map(block)).chain([last])
        };
        let mut layers: Vec<Layer> = self.stages().into_iter().flat_map(stage).collect();
        layers.push(Layer::vector("pooled", self.last()));
        layers.push(Layer::vector("logits", self.classes));
        layers
    }

    fn tensors(&self) -> Vec<TensorSpec> {
        let mut all = Vec::new();
        for s in self.stages() {
            let name = format!("patch_embed{}", s.number);
            all.push(names::convolution(&format!("{name}.proj"), s.inputs, s.width, s.embedding().0));
            all.push(names::bias(&format!("{name}.proj"), s.width));
            all.extend(names::norm(&format!("{name}.norm"), s.width));
            for block in 0..s.depth {
                let name = |part: &str| format!("block{}.{block}.{part}", s.number);
                all.extend(names::norm(&name("norm1"), s.width));
                all.extend(names::linear(&name("attn.q"), s.width, s.width));
                all.extend(names::linear(&name("attn.kv"), s.width, 2 * s.width));
                all.extend(names::linear(&name("attn.proj"), s.width, s.width));
                if s.reduction > 1 {
                    all.push(names::convolution(&name("attn.sr"), s.width, s.width, s.reduction));
                    all.push(names::bias(&name("attn.sr"), s.width));
                    all.extend(names::norm(&name("attn.norm"), s.width));
                }
                all.extend(names::norm(&name("norm2"), s.width));
                all.extend(names::linear(&name("mlp.fc1"), s.width, s.hidden));
                all.extend(names::linear(&name("mlp.fc2"), s.hidden, s.width));
                all.push(names::convolution(&name("mlp.dwconv.dwconv"), 1, s.hidden, 3));
                all.push(names::bias(&name("mlp.dwconv.dwconv"), s.hidden));
            }
            all.extend(names::norm(&format!("norm{}", s.number), s.width));
        }
        all.extend(names::linear("head", self.last(), self.classes));
        all
    }

    fn stored(&self, name: &str, _all: &[&str]) -> Stored {
        Stored::Keep(official(name).unwrap_or_else(|| name.to_string()))
    }

    fn build(&self, name: &str, mut weights: Tensors) -> Result<Arc<dyn FeatureEncoder>> {
        let stages = self.stages();
        if stages.is_empty() || stages.iter().any(|s| s.heads == 0 || !s.width.is_multiple_of(s.heads)) {
            return Err(Error::Config(format!("{name}: a stage's width cannot be cut in its heads")));
        }
        let built = stages.into_iter().map(|sizes| BuiltStage::new(sizes, &mut weights)).collect::<Result<_>>()?;
        let logits = dense(&mut weights, "head")?;
        Ok(Arc::new(PvtV2 { name: name.to_string(), config: self.clone(), stages: built, logits }))
    }
}

/// The official name of a tensor of timm's; none if it is none of its.
fn official(name: &str) -> Option<String> {
    if let Some(rest) = name.strip_prefix("patch_embed.") {
        return Some(format!("patch_embed1.{rest}"));
    }
    let (stage, rest) = name.strip_prefix("stages.")?.split_once('.')?;
    let number = stage.parse::<usize>().ok()? + 1;
    let (part, rest) = rest.split_once('.')?;
    Some(match part {
        "downsample" => format!("patch_embed{number}.{rest}"),
        "blocks" => format!("block{number}.{}", rest.replace(".mlp.dwconv.", ".mlp.dwconv.dwconv.")),
        "norm" => format!("norm{number}.{rest}"),
        _ => return None,
    })
}

fn dense(weights: &mut Tensors, name: &str) -> Result<DenseLayer> {
    let (weight, bias) = weights.take_pair(name)?;
    Ok(DenseLayer::new(&weight, Some(&bias))?)
}

fn norm(weights: &mut Tensors, name: &str, epsilon: f64) -> Result<NormLayer> {
    let (weight, bias) = weights.take_pair(name)?;
    Ok(NormLayer::new(&weight, &bias, epsilon)?)
}

/// A block with its weights.
struct Block {
    norm1: NormLayer,
    q: DenseLayer,
    kv: DenseLayer,
    proj: DenseLayer,
    /// What makes one place of several, and the norm behind it.
    reduction: Option<(Convolution, NormLayer)>,
    norm2: NormLayer,
    fc1: DenseLayer,
    depthwise: Depthwise,
    fc2: DenseLayer,
}

impl Block {
    fn new(sizes: Stage, block: usize, weights: &mut Tensors) -> Result<Self> {
        let name = |part: &str| format!("block{}.{block}.{part}", sizes.number);
        let reduction = match sizes.reduction {
            1 => None,
            side => {
                let (weight, bias) = weights.take_pair(&name("attn.sr"))?;
                let convolution = Convolution::new(&weight, bias.to_vec1()?, side, 0)?;
                Some((convolution, norm(weights, &name("attn.norm"), EMBED_EPSILON)?))
            }
        };
        let (weight, bias) = weights.take_pair(&name("mlp.dwconv.dwconv"))?;
        Ok(Self {
            norm1: norm(weights, &name("norm1"), EPSILON)?,
            q: dense(weights, &name("attn.q"))?,
            kv: dense(weights, &name("attn.kv"))?,
            proj: dense(weights, &name("attn.proj"))?,
            reduction,
            norm2: norm(weights, &name("norm2"), EPSILON)?,
            fc1: dense(weights, &name("mlp.fc1"))?,
            depthwise: Depthwise::new(&weight, &bias)?,
            fc2: dense(weights, &name("mlp.fc2"))?,
        })
    }

    fn run(&self, heads: usize, x: &Map) -> Map {
        let map = |channels: usize, values: Vec<f32>| Map {
            count: x.count,
            height: x.height,
            width: x.width,
            channels,
            values,
        };
        let normal = map(x.channels, norm_rows(self.norm1.view(), &x.values, None));
        let q = self.q.view().forward(&normal.values);
        let (keys, kv) = match &self.reduction {
            None => (x.places(), self.kv.view().forward(&normal.values)),
            Some((convolution, norm)) => {
                let reduced = convolution.apply(&normal, None, Finish::Nothing);
                (reduced.places(), self.kv.view().forward(&norm_rows(norm.view(), &reduced.values, None)))
            }
        };
        let attention = Attention { queries: x.places(), keys, width: x.channels, heads, causal: false };
        let rows = |first| Rows { values: &kv, first, stride: 2 * x.channels };
        let query = Rows { values: &q, first: 0, stride: x.channels };
        let gathered = attention.apply(x.count, query, rows(0), rows(x.channels));
        let y = self.proj.view().forward_onto(&gathered, &x.values);
        let hidden = self.fc1.view().forward(&norm_rows(self.norm2.view(), &y, None));
        let hidden = self.depthwise.apply(&map(hidden.len() / (x.count * x.places()).max(1), hidden));
        map(x.channels, self.fc2.view().forward_onto(&hidden.values, &y))
    }
}

/// A stage with its weights.
struct BuiltStage {
    sizes: Stage,
    embed: Convolution,
    first: NormLayer,
    blocks: Vec<Block>,
    last: NormLayer,
}

impl BuiltStage {
    fn new(sizes: Stage, weights: &mut Tensors) -> Result<Self> {
        let name = format!("patch_embed{}", sizes.number);
        let (size, stride) = sizes.embedding();
        let (weight, bias) = weights.take_pair(&format!("{name}.proj"))?;
        Ok(Self {
            sizes,
            embed: Convolution::new(&weight, bias.to_vec1()?, stride, size / 2)?,
            first: norm(weights, &format!("{name}.norm"), EMBED_EPSILON)?,
            blocks: (0..sizes.depth).map(|block| Block::new(sizes, block, weights)).collect::<Result<_>>()?,
            last: norm(weights, &format!("norm{}", sizes.number), EPSILON)?,
        })
    }
}

/// A PVT-v2 with its weights.
struct PvtV2 {
    name: String,
    config: PvtV2Config,
    stages: Vec<BuiltStage>,
    logits: DenseLayer,
}

impl FeatureEncoder for PvtV2 {
    fn features(&self, images: &Tensor, layers: &[&str]) -> Result<Vec<Tensor>> {
        let mut taken = Taken::new(layers);
        let size = InputShape::picture(self.config.image_size).dims();
        let (mut map, mut count) = (Map::of_images(&self.name, images, size)?, 0);
        for BuiltStage { sizes, embed, first, blocks, last } in &self.stages {
            map = embed.apply(&map, None, Finish::Nothing);
            map.values = norm_rows(first.view(), &map.values, None);
            taken.map(&format!("embed.{}", sizes.number), &map)?;
            for block in blocks {
                if taken.is_complete() {
                    return taken.finish();
                }
                map = block.run(sizes.heads, &map);
                taken.map(&format!("block.{count}"), &map)?;
                count += 1;
            }
            map.values = norm_rows(last.view(), &map.values, None);
            taken.map(&format!("stage.{}", sizes.number), &map)?;
        }
        let pooled = map.mean();
        taken.rows("pooled", &pooled, self.config.last())?;
        if !taken.is_complete() {
            taken.rows("logits", &self.logits.view().forward(&pooled), self.config.classes)?;
        }
        taken.finish()
    }
}

/// Its entry.
pub(super) const FAMILY: Family = Family {
    word: "pvt-v2",
    presets: || {
        let sizes = PvtV2Config {
            embed_dims: vec![64, 128, 320, 512],
            num_heads: vec![1, 2, 5, 8],
            mlp_ratios: vec![4; 4],
            depths: vec![3, 6, 40, 3],
            sr_ratios: vec![8, 4, 2, 1],
            classes: 1000,
            image_size: 224,
        };
        vec![Preset { name: "pvt-v2-b5", aliases: &["pvt_v2_b5"], sizes: Arc::new(sizes) }]
    },
    read: read::<PvtV2Config>,
};
