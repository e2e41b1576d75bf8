//! The small graph of a span: from the tokens it began with, its prompts and its latents to what it gave.

use std::ops::Range;

use candle_core::backprop::GradStore;
use candle_core::{Device, Tensor, Var};

use super::message::EncoderMessage;
use crate::encoders::PromptBias;
use crate::error::{Error, Result};

/// Prompts or latents that a message brought.
pub(super) struct Leaf {
    tensor: Tensor,
    /// Where its gradient is wanted, and it holds numbers at all.
    var: Option<Var>,
}

/// Prompts of a run of blocks.
pub(super) struct Run {
    pub(super) blocks: Range<usize>,
    /// [S, d]
    pub(super) shared: Leaf,
    /// [N, O, d]
    pub(super) own: Leaf,
}

/// A span that is over.
pub(super) struct Span {
    /// The tokens it began with, where they have a gradient.
    pub(super) input: Option<Var>,
    pub(super) runs: Vec<Run>,
    /// Maps it gave, by the block they left.
    pub(super) maps: Vec<(usize, Tensor)>,
    pub(super) end: End,
}

/// How a span ended.
pub(super) enum End {
    /// With a read-out.
    ReadOut {
        block: usize,
        /// The tokens that enter the block.
        tokens: Tensor,
        /// The same as leaves of the read-out's graph: what is compared, with which the next span begins too, and
        /// what is gathered.
        leaves: Option<(Var, Var)>,
        latents: Leaf,
        condensed: Tensor,
    },
    /// With the pooled feature.
    Features(Tensor),
}

impl Leaf {
    pub(super) fn new(tensor: Tensor, keep: bool) -> Result<Self> {
        let var = if keep && tensor.elem_count() > 0 { Some(Var::from_tensor(&tensor)?) } else { None };
        let tensor = var.as_ref().map_or(tensor, |var| var.as_tensor().clone());
        Ok(Self { tensor, var })
    }

    pub(super) fn tensor(&self) -> &Tensor {
        &self.tensor
    }

    /// The prompts, unless their number, dimension `count`, is 0.
    pub(super) fn given(&self, count: usize) -> Result<Option<Tensor>> {
        Ok((self.tensor.dim(count)? > 0).then(|| self.tensor.clone()))
    }

    /// Its gradient on the CPU; zeros where nothing depends on it.
    fn gradient(&self, gradients: Option<&GradStore>) -> Result<Tensor> {
        let found = gradients.zip(self.var.as_ref()).and_then(|(gradients, var)| gradients.get(var));
        Ok(match found {
            Some(gradient) => gradient.to_device(&Device::Cpu)?,
            None => self.tensor.zeros_like()?.to_device(&Device::Cpu)?.detach(),
        })
    }
}

/// Gradients of the leaves of `outputs`, each with its own gradient; none where no leaf leads there.
fn walk(outputs: &[(&Tensor, Tensor)]) -> Result<Option<GradStore>> {
    let mut total: Option<Tensor> = None;
    for (output, gradient) in outputs.iter().filter(|(output, _)| output.track_op()) {
        if output.dims() != gradient.dims() {
            let expected = format!("{:?}", output.dims());
            return Err(Error::Shape { what: "a gradient".to_string(), found: gradient.dims().to_vec(), expected });
        }
        // A scalar whose gradient with respect to the output is the one given.
        let term = (*output * gradient)?.sum_all()?;
        total = Some(match total {
            Some(total) => (total + term)?,
            None => term,
        });
    }
    Ok(total.map(|total| total.backward()).transpose()?)
}

impl Span {
    /// The block whose tokens it read out at its end, if it ended so.
    pub(super) fn end_block(&self) -> Option<usize> {
        match &self.end {
            End::ReadOut { block, .. } => Some(*block),
            End::Features(_) => None,
        }
    }

    /// From the gradient of what it gave, that of the tokens the next span began with, and those of maps: the gradients
    /// of latents and prompts in the reverse order of their coming, and that of the tokens it began with.
    pub(super) fn back(
        self,
        gradient: &Tensor,
        of_tokens: Option<Tensor>,
        of_maps: &mut Vec<(usize, Tensor)>,
    ) -> Result<(Vec<EncoderMessage>, Option<Tensor>)> {
        let mut answers = Vec::with_capacity(self.runs.len() + 1);
        let mut outputs: Vec<(&Tensor, Tensor)> = Vec::with_capacity(self.maps.len() + 1);
        match &self.end {
            End::Features(pooled) => outputs.push((pooled, gradient.clone())),
            End::ReadOut { block, tokens, leaves, latents, condensed } => {
                let gradients = walk(&[(condensed, gradient.clone())])?;
                if latents.var.is_some() {
                    let latents = latents.gradient(gradients.as_ref())?;
                    answers.push(EncoderMessage::Latents { block: *block, keep: false, latents });
                }
                let mut total = of_tokens;
                if let (Some((keys, values)), Some(gradients)) = (leaves, &gradients) {
                    // In the order of the one graph: what came after, then what was gathered, then what was compared.
                    for term in [values, keys].into_iter().filter_map(|leaf| gradients.get(leaf)) {
                        total = Some(match total {
                            Some(total) => (total + term)?,
                            None => term.clone(),
                        });
                    }
                }
                outputs.extend(total.map(|total| (tokens, total)));
            }
        }
        for (block, map) in &self.maps {
            if let Some(place) = of_maps.iter().position(|(of, _)| of == block) {
                outputs.push((map, of_maps.swap_remove(place).1));
            }
        }
        let gradients = walk(&outputs)?;
        for run in self.runs.iter().rev() {
            let (shared, own) = (run.shared.gradient(gradients.as_ref())?, run.own.gradient(gradients.as_ref())?);
            let (blocks, bias) = (run.blocks.clone(), PromptBias::Zero);
            answers.push(EncoderMessage::Prompts { blocks, keep: false, map: false, bias, shared, own });
        }
        let before = self.input.as_ref().and_then(|input| gradients.as_ref()?.get(input).cloned());
        Ok((answers, before))
    }
}
