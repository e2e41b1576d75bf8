//! Spectrogram segments of each clip's sound.
//!
//! [`audio`] decodes a clip to one mono waveform of known length; [`fbank`] turns it into the log-mel images the frozen
//! encoders saw in the published work; [`parity`] holds them against numbers made with the reference implementation.

pub mod audio;
pub mod fbank;
pub mod mel;
pub mod node;
pub mod parity;
pub mod settings;

pub use audio::{AudioSettings, Channels, MissingAudio, ShortAudio, Waveform, decode_audio, decode_audio_cached};
pub use fbank::{Fbank, FbankError};
pub use settings::FbankSettings;
