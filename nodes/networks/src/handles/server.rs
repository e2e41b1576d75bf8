//! The encoder's end of a cut: it keeps a batch's tokens, and in training the small graph of every span, until the
//! gradient of what the span gave comes back (`span`).
//!
//! Nothing is kept of a traversal none of whose messages asks for gradients, and nothing longer than until the next images:
//! between steps the server holds no state.

use std::ops::Range;
use std::sync::Arc;

use candle_core::{Device, Tensor, Var};

use super::handle::Traversal;
use super::local::Tokens;
use super::message::EncoderMessage;
use super::read_out::read_out;
use super::span::{End, Leaf, Run, Span};
use crate::encoders::{Encoder, Prompts};
use crate::error::{Error, Result};

/// Serves the traversals of one encoder.
pub struct Server {
    encoder: Arc<dyn Encoder>,
    device: Device,
    pass: Option<Served>,
}

/// A traversal in hand.
struct Served {
    tokens: Tokens,
    /// Gradients will be asked for: of this message's prompts or latents, or of earlier ones.
    keeps: bool,
    /// Spans that are over and wait for their gradient, first to last.
    kept: Vec<Span>,
    /// The span under way: what it began with, was given, and its first map.
    input: Option<Var>,
    runs: Vec<Run>,
    maps: usize,
    /// Gradient of the tokens that the span walked back last began with.
    gradient: Option<Tensor>,
    map_gradients: Vec<(usize, Tensor)>,
}

fn refused(what: String) -> Error {
    Error::Segments(what)
}

impl Server {
    /// On an encoder whose weights are on `device`.
    pub fn new(encoder: Arc<dyn Encoder>, device: Device) -> Self {
        Self { encoder, device, pass: None }
    }

    /// Spans kept for backward passes: none in evaluation, and none between steps.
    pub fn kept(&self) -> usize {
        self.pass.as_ref().map_or(0, |pass| pass.kept.len())
    }

    /// Takes the model's next message; returns what is to be sent back, in order. Images are those the encoder takes,
    /// [N, C, H, W] f32.
    ///
    /// # Errors
    /// If a message does not belong here, or its shapes do not fit.
    pub fn take(&mut self, message: EncoderMessage) -> Result<Vec<EncoderMessage>> {
        let here = |tensor: Tensor| tensor.to_device(&self.device);
        if let EncoderMessage::Images(images) = message {
            // What is left of the last step goes first: two steps are never in memory.
            self.pass = None;
            self.pass = Some(Served::open(Tokens::open(self.encoder.clone(), &here(images)?)?));
            return Ok(Vec::new());
        }
        let blocks = self.encoder.blocks().len();
        let Some(pass) = &mut self.pass else {
            return Err(refused(format!("`{}` without images, or after the end of its step", message.name())));
        };
        let known = |range: &Range<usize>| match range.start < range.end && range.end <= blocks {
            true => Ok(()),
            false => Err(refused(format!("blocks {range:?} of an encoder with {blocks}"))),
        };
        let ends = matches!(
            message,
            EncoderMessage::Finish { .. } | EncoderMessage::Condensed { .. } | EncoderMessage::Features(_)
        );
        let answers = match message {
            EncoderMessage::Prompts { blocks, keep, map, bias, shared, own } => {
                known(&blocks)?;
                let run = Run {
                    blocks: blocks.clone(),
                    shared: Leaf::new(here(shared)?, keep)?,
                    own: Leaf::new(here(own)?, keep)?,
                };
                let (shared, own) = (run.shared.given(0)?, run.own.given(1)?);
                let prompts = (shared.is_some() || own.is_some()).then_some(Prompts { shared, own, bias });
                pass.tokens.run(blocks, prompts.as_ref(), map)?;
                if keep {
                    pass.keeps = true;
                    pass.runs.push(run);
                }
                Vec::new()
            }
            EncoderMessage::Latents { block, keep, latents } => {
                known(&(block..block + 1))?;
                pass.keeps |= keep;
                vec![pass.read_out(block, Leaf::new(here(latents)?, keep)?)?]
            }
            EncoderMessage::Finish { map } => pass.finish(blocks, map)?,
            EncoderMessage::Map { block, tokens } => {
                pass.map_gradients.push((block, here(tokens)?));
                Vec::new()
            }
            EncoderMessage::Condensed { block, condensed } => pass.back(Some(block), &here(condensed)?)?,
            EncoderMessage::Features(gradient) => pass.back(None, &here(gradient)?)?,
            EncoderMessage::Images(_) => Vec::new(),
        };
        if ends && pass.kept.is_empty() {
            self.pass = None;
        }
        Ok(answers)
    }
}

impl Served {
    fn open(tokens: Tokens) -> Self {
        let (kept, runs, map_gradients) = (Vec::new(), Vec::new(), Vec::new());
        Self { tokens, keeps: false, kept, input: None, runs, maps: 0, gradient: None, map_gradients }
    }

    /// Ends the span under way; from the first that gradients will be asked of, all are kept.
    fn end(&mut self, end: End) {
        let maps = self.tokens.maps[self.maps..].to_vec();
        self.maps = self.tokens.maps.len();
        let span = Span { input: self.input.take(), runs: std::mem::take(&mut self.runs), maps, end };
        if self.keeps {
            self.kept.push(span);
        }
    }

    fn read_out(&mut self, block: usize, latents: Leaf) -> Result<EncoderMessage> {
        self.tokens.enter(block)?;
        let tokens = self.tokens.tokens.contiguous()?;
        let leaves = match tokens.track_op() {
            true => Some((Var::from_tensor(&tokens)?, Var::from_tensor(&tokens)?)),
            false => None,
        };
        let (keys, values) = match &leaves {
            Some((keys, values)) => (keys.as_tensor().clone(), values.as_tensor().clone()),
            None => (tokens.clone(), tokens.clone()),
        };
        let condensed = read_out(&keys, &values, latents.tensor(), self.tokens.execution())?;
        let answer = condensed.detach().to_device(&Device::Cpu)?;
        let next = leaves.as_ref().map(|(keys, _)| keys.clone());
        self.end(End::ReadOut { block, tokens, leaves, latents, condensed });
        self.input = next;
        self.tokens.tokens = keys;
        Ok(EncoderMessage::Condensed { block, condensed: answer })
    }

    fn finish(&mut self, blocks: usize, map: bool) -> Result<Vec<EncoderMessage>> {
        let (pooled, finished) = self.tokens.features()?;
        if map {
            self.tokens.maps.push((blocks, finished));
        }
        let mut answers = Vec::with_capacity(self.tokens.maps.len() + 1);
        for (block, tokens) in &self.tokens.maps {
            let tokens = tokens.detach().to_device(&Device::Cpu)?;
            answers.push(EncoderMessage::Map { block: *block, tokens });
        }
        answers.push(EncoderMessage::Features(pooled.detach().to_device(&Device::Cpu)?));
        self.end(End::Features(pooled));
        Ok(answers)
    }

    /// Walks the last kept span back from the gradient of what it gave.
    fn back(&mut self, block: Option<usize>, gradient: &Tensor) -> Result<Vec<EncoderMessage>> {
        let awaited = self.kept.last().map(Span::end_block);
        let span = self.kept.pop().filter(|_| awaited == Some(block));
        let Some(span) = span else {
            return Err(refused(format!("a gradient of block {block:?}'s answer where that of {awaited:?} is due")));
        };
        let (answers, before) = span.back(gradient, self.gradient.take(), &mut self.map_gradients)?;
        self.gradient = before;
        Ok(answers)
    }
}
