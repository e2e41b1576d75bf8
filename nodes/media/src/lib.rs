//! Everything the decoding nodes share: ffmpeg run under limits, the reasons a clip is refused, the disk cache of
//! decoded clips, and an ordered pool of workers.
//!
//! What belongs here is common to video and audio. How frames are chosen is in `copl-video-decoder`; what becomes of
//! samples is in `copl-spectrogram`.

mod ask;
pub mod cache;
pub mod confine;
pub mod doctor;
pub mod error;
pub mod ffmpeg;
pub mod input;
pub mod limits;
pub mod log;
pub mod origin;
pub mod pool;
pub mod probe;
pub mod promise;
pub mod stream;
pub mod testing;
pub mod together;
pub mod verdict;

pub use cache::{Array, Cache, CacheCounts, Dtype, PassReport};
pub use error::{BadClip, MediaError, ReasonCode, Stage};
pub use limits::Limits;
pub use pool::{Batch, JobPanic, Pool};
