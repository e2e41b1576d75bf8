//! Synthetic sets: small datasets of real files in official layouts (H.264/AAC clips, or pictures and sounds), for trying
//! everything without a download.
//!
//! - [`ave`] makes the mini set: eight categories that come in look-alikes and sound-alikes, with distractors, clutter and
//!   noise, so that neither eye nor ear alone suffices and a score says something.
//! - [`objects`] makes the pre-training set of 24 other categories, looks, sounds and places, from which a small encoder
//!   learns to see and hear without having met the mini set.
//! - [`avs`] makes the segmentation set in AVSBench's layout: one or two of the mini set's objects go round the picture's
//!   middle, one sounds, and a mask says where that one is to be seen.
//! - [`ms3`] makes its twin of several sources: one or two objects sound, for the whole clip or a part of it.
//! - [`music_avqa`] makes ensembles of instruments, and questions about them in MUSIC-AVQA's layout.
//!
//! Each is made where it is not, and left alone where it is: [`SynthError`] says what else may lie there. One process makes
//! a set; others that want it wait and find it made.
//!
//! `scene` decides who is seen and heard when; `picture` and `sound` render that; `encode` writes the files; `store` keeps the
//! folder whole. Equal seed, options and version give equal frames and samples on every machine.

#[cfg(test)]
mod avs_tests;
mod catalog;
mod default_sets;
mod encode;
mod error;
mod files;
mod layout;
mod lock;
mod manifest;
#[cfg(test)]
mod mask_checks;
mod math;
#[cfg(test)]
mod ms3_tests;
mod music;
mod names;
mod options;
mod picture;
mod place;
mod random;
mod scene;
mod scenes;
mod set;
mod sound;
mod store;
#[cfg(test)]
mod tests;

pub use default_sets::make;
pub use error::SynthError;
pub use music::{MusicOptions, music_avqa};
pub use options::SynthOptions;
pub use scenes::{ave, avs, ms3, objects};
pub use set::{Progress, SynthSummary};
