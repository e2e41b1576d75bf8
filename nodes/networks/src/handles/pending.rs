//! What a traversal of an encoder elsewhere has given, and waits for.

use std::ops::Range;
use std::sync::Arc;

use candle_core::{Device, Tensor};

use super::message::{EncoderMessage, Link};
use crate::encoders::Modality;
use crate::error::Result;

/// What a traversal has given since its last answer, and where it stands in the graph.
pub struct Pending {
    pub(super) link: Arc<dyn Link>,
    pub(super) modality: Modality,
    pub(super) device: Device,
    /// Tensors that take part in a graph, message by message.
    pub(super) given: Vec<Given>,
    /// `[1]`, where the tokens would stand in the graph, if they have a gradient.
    pub(super) state: Option<Tensor>,
}

/// Tensors of one message that want gradients.
pub(super) struct Given {
    pub(super) place: SentTo,
    pub(super) tensors: Vec<Tensor>,
}

/// Where it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SentTo {
    Blocks(Range<usize>),
    ReadOut(usize),
}

impl Pending {
    pub(super) fn send(&self, message: EncoderMessage) -> Result<()> {
        self.link.send(self.modality, message)
    }

    /// Messages up to the one that ends a span; maps come before features.
    pub(super) fn receive(&self) -> Result<Vec<EncoderMessage>> {
        let mut found = Vec::new();
        loop {
            let message = self.link.receive(self.modality)?;
            let is_last = !matches!(message, EncoderMessage::Map { .. });
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
