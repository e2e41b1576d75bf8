//! What synth.json says of a set: how it was made, and of which clips it consists.

use copl_datasets::Split;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{options::SynthOptions, scene::Scene};

/// What synth.json holds: options of kind `O`, clips with plots of kind `P`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Manifest<P = Scene, O = SynthOptions> {
    pub generator: String,
    pub version: u32,
    pub options: O,
    /// Another ffmpeg gives other bytes of the same frames and samples; empty where none was used.
    pub ffmpeg: String,
    pub categories: Vec<String>,
    pub clips: Vec<ClipRecord<P>>,
}

/// A clip of a set.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ClipRecord<P = Scene> {
    pub video_id: String,
    pub split: Split,
    /// Of the first of its files ([`crate::files::SetFiles::of_clip`]).
    pub bytes: u64,
    /// Of each further one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub further_bytes: Vec<u64>,
    /// SHA-256 of all frames of the files, then all masks, then all samples, before encoding.
    pub raw_sha256: String,
    pub scene: P,
}

impl<P> ClipRecord<P> {
    /// Bytes of its files, in their order.
    pub fn sizes(&self) -> impl Iterator<Item = u64> {
        std::iter::once(self.bytes).chain(self.further_bytes.iter().copied())
    }
}

impl<P: Serialize, O: Serialize> Manifest<P, O> {
    /// The values as they come back from a file: a JSON value made directly would hold other digits of an f32.
    pub(crate) fn read_back(&self) -> Result<Value, serde_json::Error> {
        serde_json::from_str(&serde_json::to_string(self)?)
    }
}
