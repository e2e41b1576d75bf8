//! Datasets: what clips there are, what is asked of them, and where their files lie.
//!
//! - [`ave`] reads the official AVE layout, [`avsbench`] those of AVSBench's two subsets; every reader yields a [`Dataset`] of
//!   [`Clip`]s.
//! - [`Descriptor`] is the YAML that names a dataset, its classes and the counts it should have; [`check()`] compares the two.
//! - [`music_avqa`] reads the official MUSIC-AVQA layout, and [`VideoIndex`] tells which of its questions share a video.
//! - [`sampler`] orders the clips of an epoch.
//!
//! Decoding videos, resampling audio and batching do not belong here: those are nodes. The made mini sets are a crate of
//! their own, `copl-synth`, which writes the layouts that this one reads.

pub mod ave;
pub mod avsbench;
pub mod check;
mod csv_lines;
pub mod dataset;
pub mod descriptor;
pub mod music_avqa;
pub mod problem;
pub mod read;
pub mod sampler;
pub mod video_index;
mod words;

pub use check::{CheckReport, check};
pub use dataset::{Clip, Dataset, FileKind, Media, QuestionKind, Split, Target, Task};
pub use descriptor::{Descriptor, DescriptorError};
pub use music_avqa::QuestionGroup;
pub use problem::{Field, Problem, Problems};
pub use read::{MissingVideos, ReadError, ReadOptions};
pub use video_index::VideoIndex;
