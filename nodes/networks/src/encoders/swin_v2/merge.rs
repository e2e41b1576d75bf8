//! Patch merging: four neighbouring tokens [C] become one [4C], a linear layer halves that, a norm follows
//! (timm `PatchMerging`: linear before norm). An odd map is padded with zeros.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use crate::encoders::merging::Neighbours;
use crate::kernels::dense::DenseLayer;
use crate::kernels::kept::Kept;
use crate::kernels::slices::{floats, with_floats};
use crate::kernels::{EPSILON, Execution, NormLayer, norm_rows, norm_rows_backward};

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
        let neighbours = Neighbours { map };
        Ok(if frozen {
            let reduction = DenseLayer::new(&reduction, None)?;
            let norm = NormLayer::new(&norm.0, &norm.1, EPSILON)?;
            Self::Frozen(Arc::new(FrozenMerge { neighbours, reduction, norm }))
        } else {
            Self::Differentiable(DifferentiableMerge { neighbours, reduction, norm, execution })
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
    neighbours: Neighbours,
    reduction: Tensor,
    norm: (Tensor, Tensor),
    execution: Execution,
}

impl DifferentiableMerge {
    fn forward(&self, tokens: &Tensor) -> Result<Tensor> {
        let reduced = self.execution.linear(&self.neighbours.gather_tokens(tokens)?, &self.reduction, None)?;
        self.execution.layer_norm(&reduced, &self.norm.0, &self.norm.1)
    }
}

/// The merging as one operation without weight gradients.
pub(super) struct FrozenMerge {
    neighbours: Neighbours,
    reduction: DenseLayer,
    norm: NormLayer,
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
        let (dense, Neighbours { map }) = (merge.reduction.view(), merge.neighbours);
        if count != map * map || 4 * width != dense.inputs {
            candle_core::bail!("patch merging of a map of side {map} was given {:?}", layout.dims());
        }
        let reduced = dense.forward(&merge.neighbours.gather(floats(tokens, layout)?, width));
        let y = norm_rows(merge.norm.view(), &reduced, None);
        if self.keep {
            self.reduced.put(reduced);
        }
        Ok((CpuStorage::F32(y), Shape::from((images, merge.neighbours.side().pow(2), dense.outputs))))
    }

    fn bwd(&self, tokens: &Tensor, _res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let merge = &self.merge;
        let dense = merge.reduction.view();
        let reduced = self.reduced.take()?;
        let dreduced = with_floats(grad, |g| Ok(norm_rows_backward(merge.norm.view(), &reduced, g, None)))?;
        let dx = merge.neighbours.scatter(&dense.backward(&dreduced), dense.inputs / 4);
        Ok(Some(Tensor::from_vec(dx, tokens.shape(), tokens.device())?))
    }
}
