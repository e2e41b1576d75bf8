//! T frames of each clip as RGB bytes.
//!
//! [`frames`] decodes one clip; which frames are taken is in [`rule`], what ffmpeg is asked to do in [`graph`];
//! [`pictures`] takes frames that were extracted beforehand.

pub mod frames;
pub mod graph;
pub mod node;
pub mod pictures;
pub mod rule;
pub mod stamps;

pub use frames::{Frames, decode_all, decode_frames};
pub use pictures::decode_pictures;
pub use rule::{FrameRule, FrameSettings};
