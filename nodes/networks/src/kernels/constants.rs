//! Products and sums with a tensor that may take no part in a graph, on any device.
//!
//! candle's backward pass computes and keeps a gradient of both operands, whatever takes part in the graph: of a frozen
//! weight as of a trained one, and as large as the result where the constant was broadcast. Here a constant has none. Where
//! it takes part in the graph, these are candle's own operations; values and the other operand's gradient are the same
//! either way, bit for bit.

use candle_core::backend::BackendStorage;
use candle_core::op::{Add, Mul};
use candle_core::{CpuStorage, CudaStorage, CustomOp1, Layout, Result, Shape, Storage, Tensor};

/// a + b, with `b` broadcast to the shape of `a`.
pub(crate) fn plus(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    match b.track_op() {
        true => a.broadcast_add(b),
        false => a.apply_op1(WithConstant { constant: b.clone(), how: How::Plus }),
    }
}

/// a ⊙ b, with `b` broadcast to the shape of `a`.
pub(crate) fn times(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    match b.track_op() {
        true => a.broadcast_mul(b),
        false => a.apply_op1(WithConstant { constant: b.clone(), how: How::Times }),
    }
}

/// a bᵀ of matrices [rows, in] and [out, in].
pub(crate) fn times_transposed(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let transposed = b.t()?;
    let empty = a.elem_count() == 0 || b.elem_count() == 0;
    match b.track_op() || empty {
        true => a.matmul(&transposed),
        false => a.apply_op1(WithConstant { constant: transposed, how: How::Product }),
    }
}

#[derive(Clone, Copy)]
enum How {
    Plus,
    Times,
    Product,
}

/// An operation with a constant as its second operand.
struct WithConstant {
    constant: Tensor,
    how: How,
}

impl WithConstant {
    /// On the storage of a device; `read` finds the constant's there.
    fn forward<S: BackendStorage>(
        &self,
        a: &S,
        layout: &Layout,
        read: impl Fn(&Storage) -> Option<&S>,
    ) -> Result<(S, Shape)> {
        let (storage, of_constant) = self.constant.storage_and_layout();
        let Some(constant) = read(&storage) else { candle_core::bail!("a tensor and a constant on another device") };
        let shape = layout.shape();
        Ok(match self.how {
            How::Plus => (a.binary_impl::<Add>(constant, layout, &of_constant.broadcast_as(shape)?)?, shape.clone()),
            How::Times => (a.binary_impl::<Mul>(constant, layout, &of_constant.broadcast_as(shape)?)?, shape.clone()),
            How::Product => {
                let ((rows, inputs), (of_inputs, outputs)) = (shape.dims2()?, of_constant.shape().dims2()?);
                if inputs != of_inputs {
                    candle_core::bail!("a product of {shape:?} and {:?}", of_constant.shape());
                }
                let product = a.matmul(constant, (1, rows, outputs, inputs), layout, of_constant)?;
                (product, Shape::from((rows, outputs)))
            }
        })
    }
}

impl CustomOp1 for WithConstant {
    fn name(&self) -> &'static str {
        match self.how {
            How::Plus => "plus-constant",
            How::Times => "times-constant",
            How::Product => "product-with-constant",
        }
    }

    fn cpu_fwd(&self, a: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        self.forward(a, layout, |storage| match storage {
            Storage::Cpu(storage) => Some(storage),
            _ => None,
        })
    }

    fn cuda_fwd(&self, a: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        self.forward(a, layout, |storage| match storage {
            Storage::Cuda(storage) => Some(storage),
            _ => None,
        })
    }

    fn bwd(&self, _arg: &Tensor, _res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some(match self.how {
            How::Plus => grad.clone(),
            How::Times => grad.broadcast_mul(&self.constant)?,
            How::Product => grad.matmul(&self.constant.t()?)?,
        }))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Var};
    use copl_testing::tensors::{tensor, values, var};

    use super::*;

    /// Values and gradient of `x`, and how many tensors have a gradient.
    fn run(x: &Var, f: impl Fn(&Tensor) -> Tensor) -> (Vec<f32>, Vec<f32>, usize) {
        let y = f(x.as_tensor());
        let gradients = (&y * tensor(y.dims(), 9)).unwrap().sum_all().unwrap().backward().unwrap();
        (values(&y), values(gradients.get(x).unwrap()), gradients.get_ids().count())
    }

    #[test]
    fn a_constant_has_no_gradient_and_the_rest_is_the_same_bit_for_bit() {
        let x = var(&[6, 5], 1);
        let (row, weight) = (tensor(&[5], 2), tensor(&[4, 5], 3));
        type Operation = fn(&Tensor, &Tensor) -> Result<Tensor>;
        let cases: [(&Tensor, Operation, Operation); 3] = [
            (&row, plus, |a, b| a.broadcast_add(b)),
            (&row, times, |a, b| a.broadcast_mul(b)),
            (&weight, times_transposed, |a, b| a.matmul(&b.t()?)),
        ];
        for (constant, ours, candles) in cases {
            let (y, dx, kept) = run(&x, |x| ours(x, constant).unwrap());
            let (expected, dexpected, kept_by_candle) = run(&x, |x| candles(x, constant).unwrap());
            assert_eq!((y, dx), (expected, dexpected));
            // What is left are the gradients of x and of the fixed weights of the sum.
            assert_eq!(kept, 2);
            assert!(kept_by_candle > kept, "candle keeps the constant's gradient");
        }
    }

    #[test]
    fn what_takes_part_in_the_graph_has_its_gradient() {
        let (x, row, weight) = (var(&[6, 5], 1), var(&[5], 2), var(&[4, 5], 3));
        let y = times_transposed(&plus(&times(&x, &row).unwrap(), &row).unwrap(), &weight).unwrap();
        let gradients = y.sum_all().unwrap().backward().unwrap();
        assert!([&x, &row, &weight].into_iter().all(|of| gradients.get(of).is_some()));
    }

    #[test]
    fn a_constant_of_half_precision_multiplies_in_it() {
        let x = var(&[3, 5], 1);
        let weight = tensor(&[4, 5], 3).to_dtype(DType::BF16).unwrap();
        let half = |x: &Tensor| x.to_dtype(DType::BF16).unwrap();
        let full = |x: Tensor| x.to_dtype(DType::F32).unwrap();
        let ours = run(&x, |x| full(times_transposed(&half(x), &weight).unwrap()));
        let candles = run(&x, |x| full(half(x).matmul(&weight.t().unwrap()).unwrap()));
        assert_eq!((ours.0, ours.1), (candles.0, candles.1));
    }
}
