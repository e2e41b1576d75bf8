//! Patch merging: four neighbouring tokens [C] become one [4C], a norm follows, and a linear layer halves that (Swin-v1:
//! norm before linear).

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use crate::encoders::merging::Neighbours;
use crate::kernels::dense::DenseLayer;
use crate::kernels::slices::{floats, with_floats};
use crate::kernels::{EPSILON, Execution, NormLayer, norm_rows, norm_rows_backward};

/// The merging that opens a stage.
pub(super) enum Merge {
    Frozen(Arc<FrozenMerge>),
    Differentiable(DifferentiableMerge),
}

impl Merge {
    /// From a map of `map` x `map` tokens, with weights `norm` [4C] and `reduction` [2C, 4C].
    pub(super) fn new(
        map: usize,
        norm: (Tensor, Tensor),
        reduction: Tensor,
        execution: Execution,
        frozen: bool,
    ) -> Result<Self> {
        let neighbours = Neighbours { map };
        Ok(if frozen {
            let (norm, reduction) = (NormLayer::new(&norm.0, &norm.1, EPSILON)?, DenseLayer::new(&reduction, None)?);
            Self::Frozen(Arc::new(FrozenMerge { neighbours, norm, reduction }))
        } else {
            Self::Differentiable(DifferentiableMerge { neighbours, norm, reduction, execution })
        })
    }

    /// [N, map², C] -> [N, (map / 2)², 2C].
    pub(super) fn forward(&self, tokens: &Tensor) -> Result<Tensor> {
        match self {
            Self::Frozen(merge) => tokens.contiguous()?.apply_op1(MergeOp(merge.clone())),
            Self::Differentiable(merge) => {
                let gathered = merge.neighbours.gather_tokens(tokens)?;
                let normal = merge.execution.layer_norm(&gathered, &merge.norm.0, &merge.norm.1)?;
                merge.execution.linear(&normal, &merge.reduction, None)
            }
        }
    }
}

/// The merging from differentiable operations.
pub(super) struct DifferentiableMerge {
    neighbours: Neighbours,
    norm: (Tensor, Tensor),
    reduction: Tensor,
    execution: Execution,
}

/// The merging as one operation without weight gradients.
pub(super) struct FrozenMerge {
    neighbours: Neighbours,
    norm: NormLayer,
    reduction: DenseLayer,
}

/// One pass of a frozen merging. It keeps nothing: what the norm was given is a copy of the tokens.
struct MergeOp(Arc<FrozenMerge>);

impl CustomOp1 for MergeOp {
    fn name(&self) -> &'static str {
        "frozen-patch-merging-after-norm"
    }

    fn cpu_fwd(&self, tokens: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (images, count, width) = layout.shape().dims3()?;
        let FrozenMerge { neighbours, norm, reduction } = &*self.0;
        let dense = reduction.view();
        if count != neighbours.map.pow(2) || 4 * width != dense.inputs {
            candle_core::bail!("patch merging of a map of side {} was given {:?}", neighbours.map, layout.dims());
        }
        let gathered = neighbours.gather(floats(tokens, layout)?, width);
        let y = dense.forward(&norm_rows(norm.view(), &gathered, None));
        Ok((CpuStorage::F32(y), Shape::from((images, neighbours.side().pow(2), dense.outputs))))
    }

    fn bwd(&self, tokens: &Tensor, _res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let FrozenMerge { neighbours, norm, reduction } = &*self.0;
        let dense = reduction.view();
        let width = dense.inputs / 4;
        let dx = with_floats(tokens, |x| {
            with_floats(grad, |g| {
                let dgathered = norm_rows_backward(norm.view(), &neighbours.gather(x, width), &dense.backward(g), None);
                Ok(neighbours.scatter(&dgathered, width))
            })
        })?;
        Ok(Some(Tensor::from_vec(dx, tokens.shape(), tokens.device())?))
    }
}
