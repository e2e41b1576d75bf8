//! A frozen block of an attention half and a feed-forward half. Where no method writes between them it is one operation,
//! which keeps no tokens between the halves unless the second reads them again.

use std::borrow::Cow;
use std::sync::Arc;

use candle_core::Tensor;

use super::operation::apply;
use super::part::{FrozenPart, InputGradients, Inputs};
use crate::encoders::block::Block;
use crate::encoders::prompts::Prompts;
use crate::error::Result;

/// A block as whole and as halves.
pub(in crate::encoders) struct FrozenBlock<A, F> {
    whole: Arc<Whole<A, F>>,
    /// It forgets activations, and computes them again in the backward pass.
    recomputes: bool,
}

impl<A: FrozenPart, F: FrozenPart> FrozenBlock<A, F> {
    /// Of its halves; one that `recomputes` forgets its activations, and computes them again in the backward pass.
    pub(in crate::encoders) fn new(attend: A, feed: F, recomputes: bool) -> Self {
        Self { whole: Arc::new(Whole { attend: Arc::new(attend), feed: Arc::new(feed) }), recomputes }
    }
}

impl<A: FrozenPart, F: FrozenPart> Block for FrozenBlock<A, F> {
    fn attend(&self, tokens: &Tensor, prompts: Option<&Prompts>) -> Result<Tensor> {
        Ok(apply(&self.whole.attend, tokens, prompts, self.recomputes)?)
    }

    fn feed(&self, tokens: &Tensor) -> Result<Tensor> {
        Ok(apply(&self.whole.feed, tokens, None, self.recomputes)?)
    }

    fn whole(&self, tokens: &Tensor, prompts: Option<&Prompts>) -> Result<Tensor> {
        Ok(apply(&self.whole, tokens, prompts, self.recomputes)?)
    }
}

/// One half after the other.
struct Whole<A, F> {
    attend: Arc<A>,
    feed: Arc<F>,
}

impl<A: FrozenPart, F: FrozenPart> Whole<A, F> {
    /// What enters the second half.
    fn between<'a>(inputs: Inputs<'a>, middle: &'a [f32]) -> Inputs<'a> {
        Inputs { tokens: middle, shared: &[], own: &[], ..inputs }
    }
}

impl<A: FrozenPart, F: FrozenPart> FrozenPart for Whole<A, F> {
    const NAME: &'static str = "frozen-block";

    const READS_TOKENS: bool = A::READS_TOKENS;

    /// Of the first half; the tokens between, if the second reads them; of the second half.
    type Activations = (A::Activations, Vec<f32>, F::Activations);

    fn width(&self) -> usize {
        self.attend.width()
    }

    fn tokens(&self) -> Option<usize> {
        self.attend.tokens()
    }

    fn forward(&self, inputs: Inputs<'_>, keep: bool) -> (Vec<f32>, Self::Activations) {
        let (middle, attended) = self.attend.forward(inputs, keep);
        let (y, fed) = self.feed.forward(Self::between(inputs, &middle), keep);
        let middle = if F::READS_TOKENS { middle } else { Vec::new() };
        (y, (attended, middle, fed))
    }

    fn backward(
        &self,
        inputs: Inputs<'_>,
        (attended, middle, fed): Self::Activations,
        dy: Cow<'_, [f32]>,
        wants_tokens: bool,
    ) -> InputGradients {
        let dmiddle = self.feed.backward(Self::between(inputs, &middle), fed, dy, true).tokens;
        drop(middle);
        self.attend.backward(inputs, attended, Cow::Owned(dmiddle), wants_tokens)
    }
}
