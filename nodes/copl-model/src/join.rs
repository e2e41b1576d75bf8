//! Frames, spectrogram and, where one is asked, question of a clip meet by their place in the run.

use std::collections::VecDeque;

use arrow::datatypes::{Float32Type, UInt8Type};
use copl_contract::{Header, Kind, Message, NodeError, tensor};
use copl_networks::encoders::InputShape;

/// A clip of which everything is there.
#[derive(Debug)]
pub(super) struct Clip {
    pub(super) frames: Message,
    pub(super) spectrogram: Message,
    /// Where questions are asked.
    pub(super) question: Option<Message>,
}

/// What all streams agree comes next.
#[derive(Debug)]
pub(super) enum Joined {
    /// A clip of which all are there.
    Clip(Box<Clip>),
    /// A clip that could not be decoded: its tombstone.
    Tombstone(Message),
    /// The end of a pass.
    Boundary(Header),
}

impl Joined {
    /// Its place in the run.
    pub(super) fn header(&self) -> &Header {
        match self {
            Self::Clip(clip) => &clip.frames.header,
            Self::Tombstone(message) => &message.header,
            Self::Boundary(header) => header,
        }
    }
}

/// Messages of the streams that have not met yet.
#[derive(Debug)]
pub(super) struct Join {
    frames: VecDeque<Message>,
    spectrogram: VecDeque<Message>,
    /// None: nothing is asked.
    questions: Option<VecDeque<Message>>,
}

impl Join {
    /// Of two streams, or three.
    pub(super) fn new(asks: bool) -> Self {
        Self { frames: VecDeque::new(), spectrogram: VecDeque::new(), questions: asks.then(VecDeque::new) }
    }

    /// Takes a message of any stream; END records are for the edges alone.
    pub(super) fn add(&mut self, message: Message) {
        match (message.input.as_str(), message.header.kind, &mut self.questions) {
            (_, Kind::End, _) => {}
            ("frames", ..) => self.frames.push_back(message),
            ("questions", _, Some(questions)) => questions.push_back(message),
            _ => self.spectrogram.push_back(message),
        }
    }

    /// What comes next, if every stream has it.
    pub(super) fn next(&mut self) -> Result<Option<Joined>, NodeError> {
        if self.questions.as_ref().is_some_and(VecDeque::is_empty) {
            return Ok(None);
        }
        if self.frames.is_empty() || self.spectrogram.is_empty() {
            return Ok(None);
        }
        let (Some(frames), Some(spectrogram)) = (self.frames.pop_front(), self.spectrogram.pop_front()) else {
            return Ok(None);
        };
        let question = self.questions.as_mut().and_then(VecDeque::pop_front);
        for other in std::iter::once(&spectrogram).chain(&question) {
            agree(&frames.header, other)?;
        }
        let kinds = [frames.header.kind, spectrogram.header.kind];
        Ok(Some(match (kinds, question) {
            ([Kind::Boundary, _], _) => Joined::Boundary(frames.header),
            ([Kind::Tombstone, _], _) => Joined::Tombstone(frames),
            ([_, Kind::Tombstone], _) => Joined::Tombstone(spectrogram),
            (_, Some(question)) if question.header.kind == Kind::Tombstone => Joined::Tombstone(question),
            (_, question) => Joined::Clip(Box::new(Clip { frames, spectrogram, question })),
        }))
    }
}

/// Refuses a message that is not of the same clip as the frames, or not the same boundary.
fn agree(f: &Header, other: &Message) -> Result<(), NodeError> {
    let o = &other.header;
    let boundaries = [f.kind, o.kind].map(|kind| kind == Kind::Boundary);
    if boundaries[0] == boundaries[1]
        && (f.epoch, f.split, f.position, &f.clip) == (o.epoch, o.split, o.position, &o.clip)
    {
        return Ok(());
    }
    Err(NodeError::contract(
        &other.input,
        format!(
            "clip `{}` at place {} where the frames have clip `{}` at place {}",
            o.clip, o.position, f.clip, f.position
        ),
    ))
}

/// Frames [T, H, W, 3].
pub(super) fn frames(message: &Message, segments: usize, input: InputShape) -> Result<&[u8], NodeError> {
    let broken = |e: String| NodeError::contract("frames", e);
    let view = tensor::view::<UInt8Type>(&message.batch, "frames").map_err(broken)?;
    let (height, width) = (input.height, input.width);
    if view.shape != [segments, height, width, 3] {
        return Err(broken(format!(
            "frames of {:?}, the encoder takes {segments} of {input}: set SEGMENTS and SIZE of the video decoder to match",
            view.shape
        )));
    }
    Ok(view.values)
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
