//! Frames and spectrogram of a clip meet by their place in the run.

use std::collections::VecDeque;

use arrow::datatypes::{Float32Type, UInt8Type};
use copl_contract::{Header, Kind, Message, NodeError, tensor};

use crate::encoders::InputShape;
use crate::images::normalised;

/// What both streams agree comes next.
#[derive(Debug)]
pub(super) enum Joined {
    /// A clip of which both are there.
    Clip { frames: Message, spectrogram: Message },
    /// A clip one of them could not decode: that one's tombstone.
    Tombstone(Message),
    /// The end of a pass.
    Boundary(Header),
}

/// Messages of the two streams that have not met yet.
#[derive(Debug, Default)]
pub(super) struct Join {
    frames: VecDeque<Message>,
    spectrogram: VecDeque<Message>,
}

impl Join {
    /// Takes a message of either stream; END records are for the edges alone.
    pub(super) fn add(&mut self, message: Message) {
        match (message.input.as_str(), message.header.kind) {
            (_, Kind::End) => {}
            ("frames", _) => self.frames.push_back(message),
            _ => self.spectrogram.push_back(message),
        }
    }

    /// What comes next, if both streams have it.
    pub(super) fn next(&mut self) -> Result<Option<Joined>, NodeError> {
        if self.frames.is_empty() || self.spectrogram.is_empty() {
            return Ok(None);
        }
        let (Some(frames), Some(spectrogram)) = (self.frames.pop_front(), self.spectrogram.pop_front()) else {
            return Ok(None);
        };
        let (f, s) = (&frames.header, &spectrogram.header);
        let boundaries = [f.kind, s.kind].map(|k| k == Kind::Boundary);
        if boundaries[0] != boundaries[1]
            || (f.epoch, f.split, f.position, &f.clip) != (s.epoch, s.split, s.position, &s.clip)
        {
            return Err(NodeError::contract(
                "spectrogram",
                format!(
                    "clip `{}` at place {} where the frames have clip `{}` at place {}",
                    s.clip, s.position, f.clip, f.position
                ),
            ));
        }
        Ok(Some(match (f.kind, s.kind) {
            (Kind::Boundary, _) => Joined::Boundary(frames.header),
            (Kind::Tombstone, _) => Joined::Tombstone(frames),
            (_, Kind::Tombstone) => Joined::Tombstone(spectrogram),
            _ => Joined::Clip { frames, spectrogram },
        }))
    }
}

/// Frames [T, H, W, 3] u8 as the encoder wants them: [T, 3, H, W], scaled to 0..1 and normalised.
pub(super) fn images(message: &Message, segments: usize, input: InputShape) -> Result<Vec<f32>, NodeError> {
    let broken = |e: String| NodeError::contract("frames", e);
    let view = tensor::view::<UInt8Type>(&message.batch, "frames").map_err(broken)?;
    let (height, width) = (input.height, input.width);
    if view.shape != [segments, height, width, 3] {
        return Err(broken(format!(
            "frames of {:?}, the encoder takes {segments} of {input}: set SEGMENTS and SIZE of the video decoder to match",
            view.shape
        )));
    }
    Ok(normalised(view.values, height * width))
}

/// Spectrogram segments [T, time, mel].
pub(super) fn segments(message: &Message, segments: usize, input: InputShape) -> Result<&[f32], NodeError> {
    let broken = |e: String| NodeError::contract("spectrogram", e);
    let view = tensor::view::<Float32Type>(&message.batch, "segments").map_err(broken)?;
    if view.shape != [segments, input.height, input.width] {
        return Err(broken(format!(
            "segments of {:?}, the encoder takes {segments} of {input} (time, mel): set KIND, SEGMENTS, FRAMES and MELS (KIND hts-at: TILE_SECS) of the spectrogram node to match",
            view.shape
        )));
    }
    Ok(view.values)
}
