//! Clips under way, by their position in the run: their targets, and their frames where these are read.

use std::collections::BTreeMap;

use copl_contract::{Kind, Message, NodeError};

/// Clips that have no prediction yet.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    /// Rows, or the tombstones of the source.
    clips: BTreeMap<u64, Message>,
    /// The same of the frames; none if the node does not read them.
    frames: Option<BTreeMap<u64, Message>>,
}

/// A clip whose prediction has come.
#[derive(Debug)]
pub(crate) struct Arrived {
    /// Its row, or the tombstone of the source.
    pub(crate) clip: Message,
    /// Its frames, if the node reads them and they could be decoded.
    pub(crate) frames: Option<Message>,
}

impl Waiting {
    /// None yet.
    pub(crate) fn new(reads_frames: bool) -> Self {
        Self { clips: BTreeMap::new(), frames: reads_frames.then(BTreeMap::new) }
    }

    /// Takes a clip's row or frames; boundaries and ENDs are for the edges alone.
    pub(crate) fn add(&mut self, message: Message) {
        if !matches!(message.header.kind, Kind::Data | Kind::Tombstone) {
            return;
        }
        let position = message.header.position;
        match (message.input.as_str(), &mut self.frames) {
            ("frames", Some(frames)) => frames.insert(position, message),
            _ => self.clips.insert(position, message),
        };
    }

    /// Whether all that is known of these clips has come.
    pub(crate) fn have(&self, positions: &[u64]) -> bool {
        let frames = |p| self.frames.as_ref().is_none_or(|frames| frames.contains_key(p));
        positions.iter().all(|p| self.clips.contains_key(p) && frames(p))
    }

    /// Takes a clip out; a clip is predicted once.
    pub(crate) fn take(&mut self, position: u64) -> Result<Arrived, NodeError> {
        let clip = self.clips.remove(&position).ok_or_else(|| {
            NodeError::contract("predictions", format!("clip {position} is not under way, or was predicted twice"))
        })?;
        let frames = self.frames.as_mut().and_then(|frames| frames.remove(&position));
        Ok(Arrived { clip, frames: frames.filter(|frames| frames.header.kind == Kind::Data) })
    }
}
