//! Spectrogram segments of each clip's sound.
//!
//! [`audio`] decodes a clip to one mono waveform of known length; [`fbank`] turns it into the log-mel images the frozen
//! encoders saw in the published work, [`hts_at`] into those of HTS-AT, [`vggish`] into VGGish's; [`parity`] holds them against numbers made with the reference implementation.

pub mod audio;
mod error;
pub mod fbank;
mod front;
pub mod hts_at;
pub mod mel;
pub mod node;
pub mod parity;
mod power;
mod segments;
pub mod settings;
pub mod vggish;

pub use audio::{AudioSettings, Channels, MissingAudio, ShortAudio, Waveform, decode_all, decode_audio};
pub use error::FbankError;
pub use fbank::Fbank;
pub use hts_at::{HtsAtSettings, HtsAtSpectra};
pub use settings::FbankSettings;
pub use vggish::{VggishSettings, VggishSpectra};
