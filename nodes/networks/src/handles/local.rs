//! An encoder of this process: everything is part of the one graph.

use std::ops::Range;
use std::sync::Arc;

use candle_core::Tensor;

use super::handle::{Answer, EncoderHandle, Traversal};
use super::read_out::read_out;
use crate::encoders::{BlockInfo, Encoder, InputShape, Modality, Prompts};
use crate::error::Result;
use crate::kernels::Execution;

/// An encoder of this process as a handle.
pub struct LocalEncoder(pub Arc<dyn Encoder>);

impl EncoderHandle for LocalEncoder {
    fn input(&self, modality: Modality) -> Result<InputShape> {
        self.0.input(modality)
    }

    fn blocks(&self) -> &[BlockInfo] {
        self.0.blocks()
    }

    fn coupled_sites(&self) -> usize {
        self.0.coupled_sites()
    }

    fn local(&self) -> Option<&Arc<dyn Encoder>> {
        Some(&self.0)
    }

    fn open<'a>(&'a self, images: &Tensor) -> Result<Box<dyn Traversal + 'a>> {
        Ok(Box::new(Tokens::open(self.0.clone(), images)?))
    }
}

/// The tokens of a traversal.
pub(super) struct Tokens {
    encoder: Arc<dyn Encoder>,
    pub(super) tokens: Tensor,
    /// The block whose merging has been done already.
    entered: Option<usize>,
    pub(super) maps: Vec<(usize, Tensor)>,
    answer: Vec<Tensor>,
}

impl Tokens {
    pub(super) fn open(encoder: Arc<dyn Encoder>, images: &Tensor) -> Result<Self> {
        let tokens = encoder.embed(images)?;
        Ok(Self { encoder, tokens, entered: None, maps: Vec::new(), answer: Vec::new() })
    }

    /// The merging that opens a block's stage.
    pub(super) fn enter(&mut self, block: usize) -> Result<()> {
        if self.entered != Some(block) {
            self.tokens = self.encoder.merge(block, &self.tokens)?;
            self.entered = Some(block);
        }
        Ok(())
    }

    /// How the encoder is computed.
    pub(super) fn execution(&self) -> Execution {
        self.encoder.execution()
    }

    /// The pooled feature [N, d], and the tokens after the final norm.
    pub(super) fn features(&self) -> Result<(Tensor, Tensor)> {
        let finished = self.encoder.finish(&self.tokens)?;
        Ok((self.encoder.pool(&finished)?, finished))
    }
}

impl Traversal for Tokens {
    fn run(&mut self, blocks: Range<usize>, prompts: Option<&Prompts>, map: bool) -> Result<()> {
        let last = blocks.end;
        for block in blocks {
            self.enter(block)?;
            self.tokens = self.encoder.block(block, &self.tokens, prompts)?;
        }
        if map {
            self.maps.push((last.saturating_sub(1), self.tokens.clone()));
        }
        Ok(())
    }

    fn read_out(&mut self, block: usize, latents: &Tensor) -> Result<()> {
        self.enter(block)?;
        let tokens = self.tokens.contiguous()?;
        self.answer = vec![read_out(&tokens, &tokens, latents, self.execution())?];
        Ok(())
    }

    fn finish(&mut self, map: bool) -> Result<()> {
        let (pooled, finished) = self.features()?;
        self.answer = vec![pooled];
        self.answer.extend(std::mem::take(&mut self.maps).into_iter().map(|(_, map)| map));
        self.answer.extend(map.then_some(finished));
        Ok(())
    }

    fn answer(&mut self) -> Answer<'_> {
        Answer::Local(std::mem::take(&mut self.answer))
    }
}
