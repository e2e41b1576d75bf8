//! Weights by the names of public checkpoints: specifications that several architectures share.

use crate::weights::{Init, TensorSpec};

/// A layer [outputs, inputs] with its bias, started as PyTorch's.
pub(super) fn linear(name: &str, inputs: usize, outputs: usize) -> [TensorSpec; 2] {
    let init = Init::Uniform { bound: 1.0 / (inputs as f64).sqrt() };
    [
        TensorSpec::new(format!("{name}.weight"), &[outputs, inputs], init),
        TensorSpec::new(format!("{name}.bias"), &[outputs], init),
    ]
}

/// The weight [outputs, inputs, size, size] of a convolution, so started that numbers keep their size through ReLU.
pub(super) fn convolution(name: &str, inputs: usize, outputs: usize, size: usize) -> TensorSpec {
    let std = (2.0 / (inputs * size * size) as f64).sqrt();
    TensorSpec::new(format!("{name}.weight"), &[outputs, inputs, size, size], Init::Normal { std })
}

/// `name.bias`, zeros.
pub(super) fn bias(name: &str, width: usize) -> TensorSpec {
    TensorSpec::new(format!("{name}.bias"), &[width], Init::Constant(0.0))
}

/// A norm's gain and shift.
pub(super) fn norm(name: &str, width: usize) -> [TensorSpec; 2] {
    [TensorSpec::new(format!("{name}.weight"), &[width], Init::Constant(1.0)), bias(name, width)]
}

/// A batch norm with its running statistics.
pub(super) fn batch_norm(name: &str, width: usize) -> [TensorSpec; 4] {
    let [weight, bias] = norm(name, width);
    let statistic = |part: &str, value| TensorSpec::new(format!("{name}.{part}"), &[width], Init::Constant(value));
    [weight, bias, statistic("running_mean", 0.0), statistic("running_var", 1.0)]
}
