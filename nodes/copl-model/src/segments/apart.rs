//! An encoder behind a [`Link`]: a pass sends what it gives and asks for; the answers become part of the graph in `cut`.

use std::ops::Range;
use std::sync::Arc;

use candle_core::{Device, Tensor};

use super::{Answer, Link, Pass, SegmentMessage, Tower};
use crate::config::PromptBias;
use crate::encoders::{BlockInfo, InputShape, Modality, Prompts};
use crate::error::{Error, Result};

/// What an encoder elsewhere says of itself.
#[derive(Debug, Clone)]
pub struct TowerInfo {
    /// All blocks, first to last.
    pub blocks: Vec<BlockInfo>,
    /// Sites at its end that exchange prompts, unless a user says otherwise (k).
    pub coupled_sites: usize,
    /// One image of the modality it serves.
    pub input: InputShape,
}

/// An encoder elsewhere as a tower.
pub struct Apart {
    modality: Modality,
    info: TowerInfo,
    link: Arc<dyn Link>,
    device: Device,
}

impl Apart {
    /// The encoder of a modality behind a link; answers are put on `device`.
    pub fn new(modality: Modality, info: TowerInfo, link: Arc<dyn Link>, device: Device) -> Self {
        Self { modality, info, link, device }
    }
}

impl Tower for Apart {
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

    fn open<'a>(&'a self, images: &Tensor) -> Result<Box<dyn Pass + 'a>> {
        let asked = Asked {
            link: self.link.clone(),
            modality: self.modality,
            device: self.device.clone(),
            given: Vec::new(),
            state: None,
        };
        asked.send(SegmentMessage::Images(images.clone()))?;
        Ok(Box::new(Remote { tower: self, images: images.dim(0)?, asked }))
    }
}

/// A pass of an encoder elsewhere.
struct Remote<'a> {
    tower: &'a Apart,
    images: usize,
    asked: Asked,
}

/// What a pass has given since its last answer, and where it stands in the graph.
pub struct Asked {
    pub(super) link: Arc<dyn Link>,
    pub(super) modality: Modality,
    pub(super) device: Device,
    /// Tensors that take part in a graph, message by message.
    pub(super) given: Vec<Given>,
    /// [1], where the tokens would stand in the graph, if they have a gradient.
    pub(super) state: Option<Tensor>,
}

/// Tensors of one message that want gradients.
pub(super) struct Given {
    pub(super) place: Place,
    pub(super) tensors: Vec<Tensor>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Blocks(Range<usize>),
    ReadOut(usize),
}

impl Asked {
    fn send(&self, message: SegmentMessage) -> Result<()> {
        self.link.send(self.modality, message)
    }

    /// Messages up to the one that ends a stretch; maps come before features.
    pub(super) fn receive(&self) -> Result<Vec<SegmentMessage>> {
        let mut found = Vec::new();
        loop {
            let message = self.link.receive(self.modality)?;
            let is_last = !matches!(message, SegmentMessage::Map { .. });
            found.push(message);
            if is_last {
                return Ok(found);
            }
        }
    }

    pub(super) fn tracked(&self) -> bool {
        self.state.is_some() || !self.given.is_empty()
    }
}

/// As it crosses: on the CPU, contiguous, outside any graph.
fn crossing(tensor: &Tensor) -> Result<Tensor> {
    Ok(tensor.detach().to_device(&Device::Cpu)?.contiguous()?)
}

impl Pass for Remote<'_> {
    fn run(&mut self, blocks: Range<usize>, prompts: Option<&Prompts>, map: bool) -> Result<()> {
        let Some(info) = self.tower.info.blocks.get(blocks.start) else {
            return Err(Error::Config(format!("the encoder has {} blocks", self.tower.info.blocks.len())));
        };
        let empty = |dims: &[usize]| Tensor::zeros(dims, candle_core::DType::F32, &self.tower.device);
        let part = |prompts: Option<&Tensor>, dims: &[usize]| prompts.map_or_else(|| empty(dims), |p| Ok(p.clone()));
        let shared = part(prompts.and_then(|p| p.shared.as_ref()), &[0, info.width])?;
        let own = part(prompts.and_then(|p| p.own.as_ref()), &[self.images, 0, info.width])?;
        let keep = prompts.is_some_and(Prompts::tracked);
        let bias = prompts.map_or(PromptBias::Zero, |p| p.bias);
        let message = SegmentMessage::Prompts {
            blocks: blocks.clone(),
            keep,
            map,
            bias,
            shared: crossing(&shared)?,
            own: crossing(&own)?,
        };
        self.asked.send(message)?;
        if keep {
            self.asked.given.push(Given { place: Place::Blocks(blocks), tensors: vec![shared, own] });
        }
        Ok(())
    }

    fn read_out(&mut self, block: usize, latents: &Tensor) -> Result<()> {
        let keep = latents.track_op();
        self.asked.send(SegmentMessage::Latents { block, keep, latents: crossing(latents)? })?;
        if keep {
            self.asked.given.push(Given { place: Place::ReadOut(block), tensors: vec![latents.clone()] });
        }
        Ok(())
    }

    fn finish(&mut self, map: bool) -> Result<()> {
        self.asked.send(SegmentMessage::Finish { map })
    }

    fn answer(&mut self) -> Answer<'_> {
        Answer::Apart(&mut self.asked)
    }
}
