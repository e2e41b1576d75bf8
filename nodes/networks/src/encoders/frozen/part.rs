//! A half of a frozen block, or the whole, on numbers.

use std::borrow::Cow;

use crate::kernels::attention::PromptBias;

/// Numbers that enter: tokens [N L, C], prompts of all images [S, C] and of each image [N O, C].
#[derive(Clone, Copy)]
pub(in crate::encoders) struct Inputs<'a> {
    pub(in crate::encoders) tokens: &'a [f32],
    pub(in crate::encoders) shared: &'a [f32],
    pub(in crate::encoders) own: &'a [f32],
    /// Tokens of an image (L).
    pub(in crate::encoders) count: usize,
    /// Position bias of the prompts' columns.
    pub(in crate::encoders) bias: PromptBias,
}

/// Gradients of the inputs.
pub(in crate::encoders) struct InputGradients {
    /// Empty if not asked for.
    pub(in crate::encoders) tokens: Vec<f32>,
    pub(in crate::encoders) shared: Vec<f32>,
    pub(in crate::encoders) own: Vec<f32>,
}

impl InputGradients {
    /// Of tokens alone.
    pub(in crate::encoders) fn of_tokens(tokens: Vec<f32>) -> Self {
        Self { tokens, shared: Vec::new(), own: Vec::new() }
    }
}

/// Frozen arithmetic on tokens, which keep their shape.
pub(in crate::encoders) trait FrozenPart: Send + Sync + 'static {
    /// Its name in a graph.
    const NAME: &'static str;

    /// True if the backward pass reads the tokens that entered.
    const READS_TOKENS: bool;

    /// What the backward pass needs beside the inputs.
    type Activations: Send;

    /// Width of its tokens (C).
    fn width(&self) -> usize;

    /// The number of tokens it was made for; none if it takes any.
    fn tokens(&self) -> Option<usize>;

    /// The output [N L, C], and activations that are whole only if `keep` is set.
    fn forward(&self, inputs: Inputs<'_>, keep: bool) -> (Vec<f32>, Self::Activations);

    /// From the gradient `dy` [N L, C] of the output.
    fn backward(
        &self,
        inputs: Inputs<'_>,
        kept: Self::Activations,
        dy: Cow<'_, [f32]>,
        wants_tokens: bool,
    ) -> InputGradients;
}
