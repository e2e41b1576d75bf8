//! What several heads are made of: layers by parameter name, and the specifications of their parameters.

use candle_core::Tensor;
use copl_networks::Result;
use copl_networks::kernels::Execution;
use copl_networks::weights::{Init, TensorSpec, Tensors};

use crate::parameters::{ParamGroup, ParamSpec};

/// The linear layer `name` over the last dimension; a 1x1 convolution's weight [out, in, 1, ...] serves too.
///
/// # Errors
/// If shapes do not fit or a parameter is absent.
pub(super) fn dense(parameters: &Tensors, name: &str, x: &Tensor, execution: Execution) -> Result<Tensor> {
    let (weight, bias) = (parameters.get(&format!("{name}.weight"))?, parameters.get(&format!("{name}.bias"))?);
    Ok(execution.linear(x, &weight.flatten_from(1)?, Some(&bias))?)
}

/// The layer norm `name` over the last dimension.
///
/// # Errors
/// If shapes do not fit or a parameter is absent.
pub(super) fn norm(parameters: &Tensors, name: &str, x: &Tensor, execution: Execution) -> Result<Tensor> {
    let (weight, bias) = (parameters.get(&format!("{name}.weight"))?, parameters.get(&format!("{name}.bias"))?);
    Ok(execution.layer_norm(x, &weight, &bias)?)
}

/// A parameter of the head.
pub(super) fn spec(name: String, shape: &[usize], init: Init) -> ParamSpec {
    ParamSpec { tensor: TensorSpec::new(name, shape, init), group: ParamGroup::HEAD }
}

/// Weight and bias of a linear layer.
pub(super) fn linear_specs(name: &str, inputs: usize, outputs: usize) -> Vec<ParamSpec> {
    ParamSpec::linear(name, inputs, outputs, true, ParamGroup::HEAD)
}

/// Weight and bias of a convolution with `kernel` (3x3, 1x1, 1x1x1), started as PyTorch starts one.
pub(super) fn conv_specs(name: &str, inputs: usize, outputs: usize, kernel: &[usize]) -> Vec<ParamSpec> {
    let taps: usize = kernel.iter().product();
    let init = Init::Uniform { bound: 1.0 / ((inputs * taps).max(1) as f64).sqrt() };
    let shape = [&[outputs, inputs], kernel].concat();
    vec![spec(format!("{name}.weight"), &shape, init), spec(format!("{name}.bias"), &[outputs], init)]
}

/// Weight and bias of a norm.
pub(super) fn norm_specs(name: &str, width: usize, weight: f64) -> Vec<ParamSpec> {
    let one = |what: &str, value| spec(format!("{name}.{what}"), &[width], Init::Constant(value));
    vec![one("weight", weight), one("bias", 0.0)]
}
