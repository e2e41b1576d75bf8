//! Patch merging: four neighbouring tokens [C] become one [4C], a linear layer halves that, a norm follows
//! (timm `PatchMerging`: linear before norm). An odd map is padded with zeros.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use crate::kernels::dense::DenseLayer;
use crate::kernels::matrix::Write;
use crate::kernels::{
    EPSILON, Execution, Kept, NormLayer, floats, layer_norm, linear, norm_rows, norm_rows_backward, with_floats,
};

/// The merging that opens a stage.
pub(super) enum Merge {
    Frozen(Arc<FrozenMerge>),
    Differentiable(DifferentiableMerge),
}

impl Merge {
    /// From a map of `map` x `map` tokens, with weights `reduction` [2C, 4C] and `norm` [2C].
    pub(super) fn new(
        map: usize,
        reduction: Tensor,
        norm: (Tensor, Tensor),
        execution: Execution,
        frozen: bool,
    ) -> Result<Self> {
        Ok(if frozen {
            let reduction = DenseLayer::new(&reduction, None)?;
            Self::Frozen(Arc::new(FrozenMerge { map, reduction, norm: NormLayer::new(&norm.0, &norm.1, EPSILON)? }))
        } else {
            Self::Differentiable(DifferentiableMerge { map, reduction, norm, execution })
        })
    }

    /// [N, map², C] -> [N, ceil(map / 2)², 2C].
    pub(super) fn forward(&self, tokens: &Tensor) -> Result<Tensor> {
        match self {
            Self::Frozen(merge) => {
                let op = MergeOp { merge: merge.clone(), keep: tokens.track_op(), reduced: Kept::empty() };
                tokens.contiguous()?.apply_op1(op)
            }
            Self::Differentiable(merge) => merge.forward(tokens),
        }
    }
}

/// The merging from differentiable operations.
pub(super) struct DifferentiableMerge {
    map: usize,
    reduction: Tensor,
    norm: (Tensor, Tensor),
    execution: Execution,
}

impl DifferentiableMerge {
    fn forward(&self, tokens: &Tensor) -> Result<Tensor> {
        let (images, _, width) = tokens.dims3()?;
        let (side, odd) = (self.map.div_ceil(2), self.map % 2);
        let mut grid = tokens.reshape((images, self.map, self.map, width))?;
        if odd == 1 {
            grid = grid.pad_with_zeros(1, 0, 1)?.pad_with_zeros(2, 0, 1)?;
        }
        let grid = grid.reshape(vec![images, side, 2, side, 2, width])?.permute(vec![0, 1, 3, 4, 2, 5])?;
        let gathered = grid.contiguous()?.reshape((images, side * side, 4 * width))?;
        let reduced = linear(&gathered, &self.reduction, None, self.execution)?;
        layer_norm(&reduced, &self.norm.0, &self.norm.1, self.execution)
    }
}

/// The merging as one operation without weight gradients.
pub(super) struct FrozenMerge {
    map: usize,
    reduction: DenseLayer,
    norm: NormLayer,
}

impl FrozenMerge {
    fn side(&self) -> usize {
        self.map.div_ceil(2)
    }

    /// The four tokens of the map merged into token `at`, in the order of their places in its 4C numbers.
    fn sources(&self, at: usize) -> impl Iterator<Item = Option<usize>> + use<> {
        let (map, side) = (self.map, self.side());
        // Columns before rows: (row, column) offsets (0, 0), (1, 0), (0, 1), (1, 1).
        (0..4).map(move |part| {
            let (row, column) = (at / side * 2 + part % 2, at % side * 2 + part / 2);
            (row < map && column < map).then_some(row * map + column)
        })
    }

    fn gather(&self, x: &[f32], width: usize) -> Vec<f32> {
        let (from, to) = (self.map * self.map * width, self.side() * self.side() * 4 * width);
        let mut out = vec![0.0; x.len() / from * to];
        out.par_chunks_mut(to).zip(x.par_chunks(from)).for_each(|(out, x)| {
            for (at, row) in out.chunks_exact_mut(4 * width).enumerate() {
                for (part, source) in row.chunks_exact_mut(width).zip(self.sources(at)) {
                    if let Some(token) = source {
                        part.copy_from_slice(&x[token * width..][..width]);
                    }
                }
            }
        });
        out
    }

    /// Each token stands in one place only, so the gradient is the same copy backwards.
    fn scatter(&self, d: &[f32], width: usize) -> Vec<f32> {
        let (to, from) = (self.map * self.map * width, self.side() * self.side() * 4 * width);
        let mut out = vec![0.0; d.len() / from * to];
        out.par_chunks_mut(to).zip(d.par_chunks(from)).for_each(|(out, d)| {
            for (at, row) in d.chunks_exact(4 * width).enumerate() {
                for (part, source) in row.chunks_exact(width).zip(self.sources(at)) {
                    if let Some(token) = source {
                        out[token * width..][..width].copy_from_slice(part);
                    }
                }
            }
        });
        out
    }
}

/// One pass of a frozen merging.
struct MergeOp {
    merge: Arc<FrozenMerge>,
    keep: bool,
    /// [N L, 2C] before the norm.
    reduced: Kept<Vec<f32>>,
}

impl CustomOp1 for MergeOp {
    fn name(&self) -> &'static str {
        "frozen-patch-merging"
    }

    fn cpu_fwd(&self, tokens: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (images, count, width) = layout.shape().dims3()?;
        let merge = &self.merge;
        let dense = merge.reduction.view();
        if count != merge.map * merge.map || 4 * width != dense.inputs {
            candle_core::bail!("patch merging of a map of side {} was given {:?}", merge.map, layout.dims());
        }
        let reduced = dense.forward(&merge.gather(floats(tokens, layout)?, width));
        let y = norm_rows(merge.norm.view(), &reduced, None);
        if self.keep {
            self.reduced.put(reduced);
        }
        Ok((CpuStorage::F32(y), Shape::from((images, merge.side() * merge.side(), dense.outputs))))
    }

    fn bwd(&self, tokens: &Tensor, _res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let merge = &self.merge;
        let dense = merge.reduction.view();
        let reduced = self.reduced.take()?;
        let dreduced = with_floats(grad, |g| Ok(norm_rows_backward(merge.norm.view(), &reduced, g, None)))?;
        let mut dgathered = vec![0.0; dreduced.len() / dense.outputs * dense.inputs];
        dense.backward(&dreduced, &mut dgathered, Write::Replace);
        let dx = merge.scatter(&dgathered, dense.inputs / 4);
        Ok(Some(Tensor::from_vec(dx, tokens.shape(), tokens.device())?))
    }
}
