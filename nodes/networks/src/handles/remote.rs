//! An encoder behind a [`Link`]: a traversal sends what it gives and asks for; the answers become part of the graph in
//! `cut`.

use std::ops::Range;
use std::sync::Arc;

use candle_core::{Device, Tensor};

use super::handle::{Answer, EncoderHandle, Traversal};
use super::message::{EncoderMessage, Link};
use super::pending::{Given, Pending, SentTo};
use crate::encoders::{BlockInfo, Encoder, InputShape, Modality, PromptBias, Prompts};
use crate::error::{Error, Result};

/// What an encoder elsewhere says of itself.
#[derive(Debug, Clone)]
pub struct HandleInfo {
    /// All blocks, first to last.
    pub blocks: Vec<BlockInfo>,
    /// Sites at its end that exchange prompts, unless a user says otherwise (k).
    pub coupled_sites: usize,
    /// One image of the modality it serves.
    pub input: InputShape,
}

/// An encoder elsewhere as a handle.
pub struct RemoteEncoder {
    modality: Modality,
    info: HandleInfo,
    link: Arc<dyn Link>,
    device: Device,
}

impl RemoteEncoder {
    /// The encoder of a modality behind a link; answers are put on `device`.
    pub fn new(modality: Modality, info: HandleInfo, link: Arc<dyn Link>, device: Device) -> Self {
        Self { modality, info, link, device }
    }
}

impl EncoderHandle for RemoteEncoder {
    fn input(&self, modality: Modality) -> Result<InputShape> {
        match modality == self.modality {
            true => Ok(self.info.input),
            false => Err(Error::Config("an encoder node serves one modality".to_string())),
        }
    }

    fn blocks(&self) -> &[BlockInfo] {
        &self.info.blocks
    }

    fn coupled_sites(&self) -> usize {
        self.info.coupled_sites
    }

    fn local(&self) -> Option<&Arc<dyn Encoder>> {
        None
    }

    fn open<'a>(&'a self, images: &Tensor) -> Result<Box<dyn Traversal + 'a>> {
        let pending = Pending {
            link: self.link.clone(),
            modality: self.modality,
            device: self.device.clone(),
            given: Vec::new(),
            state: None,
        };
        pending.send(EncoderMessage::Images(images.clone()))?;
        Ok(Box::new(RemoteTraversal { handle: self, images: images.dim(0)?, pending }))
    }
}

/// A traversal of an encoder elsewhere.
struct RemoteTraversal<'a> {
    handle: &'a RemoteEncoder,
    images: usize,
    pending: Pending,
}

/// As it crosses: on the CPU, contiguous, outside any graph.
fn crossing(tensor: &Tensor) -> Result<Tensor> {
    Ok(tensor.detach().to_device(&Device::Cpu)?.contiguous()?)
}

impl Traversal for RemoteTraversal<'_> {
    fn run(&mut self, blocks: Range<usize>, prompts: Option<&Prompts>, map: bool) -> Result<()> {
        let Some(info) = self.handle.info.blocks.get(blocks.start) else {
            return Err(Error::Config(format!("the encoder has {} blocks", self.handle.info.blocks.len())));
        };
        let empty = |dims: &[usize]| Tensor::zeros(dims, candle_core::DType::F32, &self.handle.device);
        let part = |prompts: Option<&Tensor>, dims: &[usize]| prompts.map_or_else(|| empty(dims), |p| Ok(p.clone()));
        let shared = part(prompts.and_then(|p| p.shared.as_ref()), &[0, info.width])?;
        let own = part(prompts.and_then(|p| p.own.as_ref()), &[self.images, 0, info.width])?;
        let keep = prompts.is_some_and(Prompts::tracked);
        let bias = prompts.map_or(PromptBias::Zero, |p| p.bias);
        let message = EncoderMessage::Prompts {
            blocks: blocks.clone(),
            keep,
            map,
            bias,
            shared: crossing(&shared)?,
            own: crossing(&own)?,
        };
        self.pending.send(message)?;
        if keep {
            self.pending.given.push(Given { place: SentTo::Blocks(blocks), tensors: vec![shared, own] });
        }
        Ok(())
    }

    fn read_out(&mut self, block: usize, latents: &Tensor) -> Result<()> {
        let keep = latents.track_op();
        self.pending.send(EncoderMessage::Latents { block, keep, latents: crossing(latents)? })?;
        if keep {
            self.pending.given.push(Given { place: SentTo::ReadOut(block), tensors: vec![latents.clone()] });
        }
        Ok(())
    }

    fn finish(&mut self, map: bool) -> Result<()> {
        self.pending.send(EncoderMessage::Finish { map })
    }

    fn answer(&mut self) -> Answer<'_> {
        Answer::Remote(&mut self.pending)
    }
}
