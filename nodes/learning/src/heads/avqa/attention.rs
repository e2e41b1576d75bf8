//! The question looks at the segments of one modality: multi-head attention with one query, then a residual feed-forward
//! layer and a norm (PyTorch's `MultiheadAttention`, and what the official code puts behind it).

use candle_core::Tensor;
use copl_networks::Result;
use copl_networks::kernels::Execution;
use copl_networks::weights::{Init, Tensors};

use crate::heads::dropout::{Dropout, dropped};
use crate::heads::layers::{dense, linear_specs, norm, norm_specs, spec};
use crate::parameters::ParamSpec;

/// The official names of one modality's layers, and how many heads its attention has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attention {
    pub(super) attention: &'static str,
    pub(super) layers: [&'static str; 2],
    pub(super) norm: &'static str,
    /// Official names of its dropout layers.
    pub(super) dropouts: [&'static str; 2],
    pub(super) heads: usize,
}

impl Attention {
    pub(super) fn parameters(&self, width: usize) -> Vec<ParamSpec> {
        let name = self.attention;
        // PyTorch starts the three projections together, as one Xavier-uniform matrix, and the biases at 0.
        let xavier = Init::Uniform { bound: (6.0 / (4 * width).max(1) as f64).sqrt() };
        let zero = Init::Constant(0.0);
        let mut specs = vec![
            spec(format!("{name}.in_proj_weight"), &[3 * width, width], xavier),
            spec(format!("{name}.in_proj_bias"), &[3 * width], zero),
        ];
        let mut out = linear_specs(&format!("{name}.out_proj"), width, width);
        if let Some(bias) = out.last_mut() {
            bias.tensor.init = zero;
        }
        specs.extend(out);
        specs.extend(self.layers.into_iter().flat_map(|layer| linear_specs(layer, width, width)));
        specs.extend(norm_specs(self.norm, width, 1.0));
        specs
    }

    /// `question` [Q, w] over `segments` [Q, T, w] -> [Q, w].
    pub(super) fn forward(
        &self,
        parameters: &Tensors,
        question: &Tensor,
        segments: &Tensor,
        dropout: Option<&Dropout>,
        execution: Execution,
    ) -> Result<Tensor> {
        let x = self.attend(parameters, question, segments, dropout, execution)?;
        let y = execution.relu(&dense(parameters, self.layers[0], &x, execution)?)?;
        let y = dense(parameters, self.layers[1], &dropped(dropout, self.dropouts[0], &y)?, execution)?;
        norm(parameters, self.norm, &(x + dropped(dropout, self.dropouts[1], &y)?)?, execution)
    }

    fn attend(
        &self,
        parameters: &Tensors,
        question: &Tensor,
        segments: &Tensor,
        dropout: Option<&Dropout>,
        execution: Execution,
    ) -> Result<Tensor> {
        let (questions, count, width) = segments.dims3()?;
        let (heads, part) = (self.heads, width / self.heads);
        let weight = parameters.get(&format!("{}.in_proj_weight", self.attention))?;
        let bias = parameters.get(&format!("{}.in_proj_bias", self.attention))?;
        let project = |x: &Tensor, index: usize| {
            let (weight, bias) = (weight.narrow(0, index * width, width)?, bias.narrow(0, index * width, width)?);
            execution.linear(x, &weight, Some(&bias))
        };
        let split = |x: Tensor| x.reshape((questions, count, heads, part))?.transpose(1, 2)?.contiguous();
        let query = project(question, 0)?.reshape((questions, heads, 1, part))?;
        let (keys, values) = (split(project(segments, 1)?)?, split(project(segments, 2)?)?);
        let scores = (query.matmul(&keys.transpose(2, 3)?.contiguous()?)? / (part as f64).sqrt())?;
        let weights = dropped(dropout, self.attention, &execution.softmax(&scores)?)?;
        let attended = weights.matmul(&values)?.reshape((questions, width))?;
        dense(parameters, &format!("{}.out_proj", self.attention), &attended, execution)
    }
}
