//! Where the graph is cut: the answers of encoders elsewhere as one operation of all that was sent for them.
//!
//! The answers that several traversals wait for are one operation, so that its backward pass can send all gradients before
//! it waits for any. A number of no meaning leads from each span of a traversal to the next, where the tokens would: so spans
//! are walked back in their order, and none is left out.

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{CpuStorage, CustomOp1, Device, Layout, Shape, Tensor};

use super::message::{EncoderMessage, Link};
use super::pending::{Given, Pending, SentTo};
use crate::encoders::Modality;
use crate::error::{Error, Result};

/// What an answer is.
#[derive(Debug, Clone, Copy)]
enum AnswerKind {
    Condensed(usize),
    Map(usize),
    Features,
}

impl AnswerKind {
    fn message(self, tensor: Tensor) -> EncoderMessage {
        match self {
            Self::Condensed(block) => EncoderMessage::Condensed { block, condensed: tensor },
            Self::Map(block) => EncoderMessage::Map { block, tokens: tensor },
            Self::Features => EncoderMessage::Features(tensor),
        }
    }
}

fn opened(message: EncoderMessage) -> Result<(AnswerKind, Tensor)> {
    match message {
        EncoderMessage::Condensed { block, condensed } => Ok((AnswerKind::Condensed(block), condensed)),
        EncoderMessage::Map { block, tokens } => Ok((AnswerKind::Map(block), tokens)),
        EncoderMessage::Features(pooled) => Ok((AnswerKind::Features, pooled)),
        other => Err(Error::Segments(format!("`{}` from an encoder where values are due", other.name()))),
    }
}

/// Waits for what every traversal asked for; tensors in the order of [`super::Traversal::finish`].
pub(super) fn await_answers(pending: &mut [&mut Pending]) -> Result<Vec<Vec<Tensor>>> {
    let mut found = Vec::with_capacity(pending.len());
    let mut cut: Vec<(usize, Crossing)> = Vec::new();
    for (place, one) in pending.iter_mut().enumerate() {
        let answers: Vec<(AnswerKind, Tensor)> = one.receive()?.into_iter().map(opened).collect::<Result<_>>()?;
        if one.tracked() {
            cut.push((place, Crossing::new(one, &answers)));
        }
        found.push(answers.into_iter().map(|(_, tensor)| tensor).collect::<Vec<_>>());
    }
    if !cut.is_empty() {
        join(pending, &mut found, cut)?;
    }
    for (one, tensors) in pending.iter().zip(&mut found) {
        for tensor in tensors.iter_mut() {
            *tensor = tensor.to_device(&one.device)?;
        }
        // Features come last, that their gradient can follow those of the maps, and are given first.
        tensors.rotate_right(1);
    }
    Ok(found)
}

/// Puts the answers of traversals that take part in a graph into it, as one operation.
fn join(pending: &mut [&mut Pending], found: &mut [Vec<Tensor>], cut: Vec<(usize, Crossing)>) -> Result<()> {
    let flat = |tensor: &Tensor| tensor.to_device(&Device::Cpu)?.flatten_all();
    let (mut inputs, mut values) = (Vec::new(), Vec::new());
    for (place, _) in &cut {
        let given = std::mem::take(&mut pending[*place].given);
        for tensor in given.iter().flat_map(|given| &given.tensors).filter(|tensor| tensor.elem_count() > 0) {
            inputs.push(flat(tensor)?);
        }
        inputs.extend(pending[*place].state.take());
        for tensor in &found[*place] {
            values.extend(flat(tensor)?.to_vec1::<f32>()?);
        }
    }
    values.push(0.0);
    let (places, crossings): (Vec<usize>, Vec<Crossing>) = cut.into_iter().unzip();
    let end = values.len() - 1;
    let all = Tensor::cat(&inputs, 0)?.apply_op1(Cut { crossings, values: Mutex::new(values) })?;
    let mut start = 0;
    for place in places {
        for tensor in &mut found[place] {
            let count = tensor.elem_count();
            *tensor = all.narrow(0, start, count)?.reshape(tensor.dims())?;
            start += count;
        }
        pending[place].state = Some(all.narrow(0, end, 1)?);
    }
    Ok(())
}

/// What one traversal sent and got between two answers.
struct Crossing {
    link: Arc<dyn Link>,
    modality: Modality,
    /// Where prompts and latents went, and their shapes, in the order sent.
    given: Vec<(SentTo, Vec<Vec<usize>>)>,
    answers: Vec<(AnswerKind, Vec<usize>)>,
    /// The traversal has a number that stands for its tokens among the inputs.
    goes_on: bool,
}

fn count(shapes: &[Vec<usize>]) -> usize {
    shapes.iter().map(|shape| shape.iter().product::<usize>()).sum()
}

impl Crossing {
    fn new(pending: &Pending, answers: &[(AnswerKind, Tensor)]) -> Self {
        let shapes = |given: &Given| given.tensors.iter().map(|tensor| tensor.dims().to_vec()).collect();
        Self {
            link: pending.link.clone(),
            modality: pending.modality,
            given: pending.given.iter().map(|given| (given.place.clone(), shapes(given))).collect(),
            answers: answers.iter().map(|(kind, tensor)| (*kind, tensor.dims().to_vec())).collect(),
            goes_on: pending.state.is_some(),
        }
    }

    /// Sends the gradients of the answers, which stand at the front of `gradients`; returns the rest.
    fn send<'g>(&self, mut gradients: &'g [f32]) -> Result<&'g [f32]> {
        for (kind, shape) in &self.answers {
            let (own, rest) = gradients.split_at(shape.iter().product());
            self.link.send(self.modality, kind.message(Tensor::from_slice(own, shape.as_slice(), &Device::Cpu)?))?;
            gradients = rest;
        }
        Ok(gradients)
    }

    /// Waits for the gradients of what was given; they come in the reverse order.
    fn receive(&self) -> Result<Vec<f32>> {
        let mut backwards = Vec::with_capacity(self.given.len());
        for (place, shapes) in self.given.iter().rev() {
            let (found, tensors) = match self.link.receive(self.modality)? {
                EncoderMessage::Prompts { blocks, shared, own, .. } => (SentTo::Blocks(blocks), vec![shared, own]),
                EncoderMessage::Latents { block, latents, .. } => (SentTo::ReadOut(block), vec![latents]),
                other => {
                    return Err(Error::Segments(format!(
                        "`{}` where the gradients of {place:?} are due",
                        other.name()
                    )));
                }
            };
            if found != *place || tensors.iter().zip(shapes).any(|(tensor, shape)| tensor.dims() != shape.as_slice()) {
                let shapes: Vec<_> = tensors.iter().map(Tensor::dims).collect();
                let expected = format!("the gradients of {place:?} are due");
                return Err(Error::Segments(format!("gradients of {found:?}, {shapes:?}, where {expected}")));
            }
            backwards.push(tensors);
        }
        let mut gradients = Vec::with_capacity(self.given.iter().map(|(_, shapes)| count(shapes)).sum::<usize>() + 1);
        for tensor in backwards.iter().rev().flatten() {
            gradients.extend(tensor.flatten_all()?.to_vec1::<f32>()?);
        }
        gradients.extend(self.goes_on.then_some(0.0));
        Ok(gradients)
    }
}

/// The operation: answers of encoders elsewhere from all that was sent for them.
struct Cut {
    crossings: Vec<Crossing>,
    /// What the encoders answered; taken by the forward pass.
    values: Mutex<Vec<f32>>,
}

impl CustomOp1 for Cut {
    fn name(&self) -> &'static str {
        "remote-encoder"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let values = std::mem::take(&mut *self.values.lock().unwrap_or_else(PoisonError::into_inner));
        let count = values.len();
        Ok((CpuStorage::F32(values), Shape::from(count)))
    }

    fn bwd(&self, given: &Tensor, _: &Tensor, gradient: &Tensor) -> candle_core::Result<Option<Tensor>> {
        let failed = |error: Error| candle_core::Error::Msg(error.to_string()).bt();
        let gradient = gradient.to_vec1::<f32>()?;
        let mut rest = gradient.as_slice();
        for crossing in &self.crossings {
            rest = crossing.send(rest).map_err(failed)?;
        }
        let mut back = Vec::with_capacity(given.elem_count());
        for crossing in &self.crossings {
            back.extend(crossing.receive().map_err(failed)?);
        }
        Ok(Some(Tensor::from_vec(back, given.shape(), given.device())?))
    }
}
